"""Which upstream and repository a client's path means, on each kind of listener."""

import gc
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.mirror.model.config import (
    ListenerConfig,
    MirrorConfig,
    NamespaceConfig,
    Role,
    UpstreamConfig,
)
from homeport.mirror.model.names import LOCAL, Refusal, Repository, Route, Target
from homeport.mirror.names.resolver import make_resolver
from homeport.oci.reference import is_name

NONCE = "a1b2c3d4e5f6"
UPSTREAMS = (
    UpstreamConfig(name="docker.io", urls=("https://registry-1.docker.io",), aliases=("dh",)),
    UpstreamConfig(name="quay.io", urls=("https://quay.io",), aliases=("quay", "proxy/quay")),
    UpstreamConfig(name="ghcr.io", urls=("https://ghcr.io",)),
    UpstreamConfig(name="registry.corp:5000", urls=("https://registry.corp:5000",)),
)
CONFIG = MirrorConfig(
    data="/data",
    listeners=(
        ListenerConfig(name="hub", address="127.0.0.1:5000", role=Role.DOCKER_MIRROR),
        ListenerConfig(
            name="all",
            address="127.0.0.1:5001",
            role=Role.REGISTRY,
            external_url="https://registry.internal:8443",
            virtual_hosts={"ghcr.mirror.corp": "ghcr.io"},
        ),
        ListenerConfig(
            name="both",
            address="127.0.0.1:5002",
            role=Role.BOTH,
            virtual_hosts={"ghcr.mirror.corp": "ghcr.io", "hub.corp": "docker.io"},
        ),
    ),
    upstreams={upstream.name: upstream for upstream in UPSTREAMS},
    namespaces={"team": NamespaceConfig(name="team"), "local": NamespaceConfig(name="local")},
    default_prefixes=("hub", "mirror.corp/hub"),
)
resolve = make_resolver(CONFIG)


def leads(
    listener: str, name: str, *, ns: str | None = None, host: str = ""
) -> tuple[str, str, Route]:
    found = resolve(listener, host, name, ns)
    assert isinstance(found, Target), found
    assert found.asked == name
    assert found.namespace == ns
    return found.repository.upstream, found.repository.name, found.route


def refused(listener: str, name: str, *, ns: str | None = None, host: str = "") -> Refusal:
    found = resolve(listener, host, name, ns)
    assert isinstance(found, Refusal), found
    return found


@pytest.mark.parametrize("listener", ["hub", "all", "both"])
@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("nginx", "library/nginx"),
        ("library/nginx", "library/nginx"),
        ("user/app", "user/app"),
        ("a/b/c", "a/b/c"),
        ("nginx.x", "library/nginx.x"),
        ("homeport-verify", "library/homeport-verify"),
    ],
)
def test_a_bare_name_is_the_default_upstreams(listener: str, name: str, repository: str) -> None:
    assert leads(listener, name) == ("docker.io", repository, Route.DEFAULT)


@pytest.mark.parametrize(
    ("name", "upstream", "repository", "route"),
    [
        ("ghcr.io/o/i", "ghcr.io", "o/i", Route.HOST_PATH),
        ("ghcr.io/one", "ghcr.io", "one", Route.HOST_PATH),
        ("docker.io/nginx", "docker.io", "library/nginx", Route.HOST_PATH),
        ("docker.io/library/nginx", "docker.io", "library/nginx", Route.HOST_PATH),
        ("index.docker.io/nginx", "docker.io", "library/nginx", Route.HOST_PATH),
        ("registry-1.docker.io/user/app", "docker.io", "user/app", Route.HOST_PATH),
        ("registry.corp_5000/app", "registry.corp:5000", "app", Route.HOST_PATH),
        ("quay/coreos/etcd", "quay.io", "coreos/etcd", Route.ALIAS),
        ("quay/quay/quay", "quay.io", "quay/quay", Route.ALIAS),
        ("proxy/quay/coreos/etcd", "quay.io", "coreos/etcd", Route.ALIAS),
        ("proxy/other/x", "docker.io", "proxy/other/x", Route.DEFAULT),
        ("proxy/quay", "docker.io", "proxy/quay", Route.DEFAULT),
        ("quay", "docker.io", "library/quay", Route.DEFAULT),
        ("dh/nginx", "docker.io", "library/nginx", Route.ALIAS),
        ("hub/nginx", "docker.io", "library/nginx", Route.ALIAS),
        ("hub/user/app", "docker.io", "user/app", Route.ALIAS),
        ("mirror.corp/hub/nginx", "docker.io", "library/nginx", Route.ALIAS),
        ("team", LOCAL, "team", Route.LOCAL),
        ("team/app", LOCAL, "team/app", Route.LOCAL),
        ("team/a/b", LOCAL, "team/a/b", Route.LOCAL),
        ("local/app", LOCAL, "local/app", Route.LOCAL),
        ("teams/app", "docker.io", "teams/app", Route.DEFAULT),
    ],
)
def test_a_registry_listener_serves_everything(
    name: str, upstream: str, repository: str, route: Route
) -> None:
    assert leads("all", name) == (upstream, repository, route)


@pytest.mark.parametrize("name", ["quay/coreos/etcd", "team/app", "hub/nginx", "team", "dh/x"])
@pytest.mark.parametrize("listener", ["hub", "both"])
def test_what_may_be_a_hub_name_is_one_there(listener: str, name: str) -> None:
    full = name if "/" in name else f"library/{name}"
    assert leads(listener, name) == ("docker.io", full, Route.DEFAULT)


def test_a_listener_for_both_serves_hosts_in_paths() -> None:
    assert leads("both", "ghcr.io/o/i") == ("ghcr.io", "o/i", Route.HOST_PATH)
    assert leads("both", "mirror.corp/hub/x") == ("docker.io", "library/x", Route.ALIAS)


def test_a_docker_mirror_says_that_hosts_are_served_elsewhere() -> None:
    refusal = refused("hub", "ghcr.io/o/i")
    assert not refusal.unknown_upstream
    assert "a registry listener serves the others" in refusal.message


@pytest.mark.parametrize(
    ("ns", "upstream", "repository"),
    [
        ("docker.io", "docker.io", "library/nginx"),
        ("index.docker.io", "docker.io", "library/nginx"),
        ("registry-1.docker.io", "docker.io", "library/nginx"),
        ("Docker.IO.", "docker.io", "library/nginx"),
        ("ghcr.io", "ghcr.io", "nginx"),
        ("registry.corp:5000", "registry.corp:5000", "nginx"),
    ],
)
def test_ns_names_the_upstream_and_is_echoed(ns: str, upstream: str, repository: str) -> None:
    assert leads("all", "nginx", ns=ns) == (upstream, repository, Route.NAMESPACE)


def test_ns_decides_before_path_and_host() -> None:
    quay = ("quay.io", "quay/app", Route.NAMESPACE)
    assert leads("all", "quay/app", ns="quay.io", host="ghcr.mirror.corp") == quay
    assert leads("all", "team/app", ns="quay.io") == ("quay.io", "team/app", Route.NAMESPACE)


def test_ns_may_be_the_listeners_own_name() -> None:
    for ns in ("registry.internal:8443", "registry.internal"):
        assert leads("all", "team/app", ns=ns) == (LOCAL, "team/app", Route.LOCAL)


def test_an_unknown_ns_is_denied_with_the_list() -> None:
    refusal = refused("all", "x/y", ns="evil.example:443")
    assert refusal.unknown_upstream
    assert refusal.message == (
        "evil.example:443 is not an upstream of this mirror; the upstreams here are docker.io, "
        "ghcr.io, quay.io, registry.corp:5000"
    )


@pytest.mark.parametrize(
    "ns", ["", "a b", "http://x", "x/y", "a@b", "ü.de", "doc\u212aer.io", "-a"]
)
def test_an_invalid_ns_is_refused(ns: str) -> None:
    assert refused("all", "nginx", ns=ns).invalid


def test_a_docker_mirror_takes_only_the_default_ns() -> None:
    assert leads("hub", "nginx", ns="docker.io") == ("docker.io", "library/nginx", Route.NAMESPACE)
    assert refused("hub", "x/y", ns="quay.io").unknown_upstream


def test_a_virtual_host_is_one_upstream() -> None:
    expected = ("ghcr.io", "quay/x", Route.VIRTUAL_HOST)
    for host in ("ghcr.mirror.corp", "GHCR.mirror.corp:8443", "ghcr.mirror.corp."):
        assert leads("all", "quay/x", host=host) == expected
    assert leads("all", "quay/x", host="other") == ("quay.io", "x", Route.ALIAS)
    assert leads("hub", "quay/x", host="ghcr.mirror.corp")[0] == "docker.io"


@pytest.mark.parametrize("name", ["evil.example/x", "localhost/x", "k8s.gcr.io/pause"])
def test_an_unknown_host_in_a_path_is_denied(name: str) -> None:
    refusal = refused("all", name)
    assert refusal.unknown_upstream
    assert name.partition("/")[0] in refusal.message


def test_a_long_list_of_upstreams_is_cut() -> None:
    many = {
        f"r{n:02}.io": UpstreamConfig(name=f"r{n:02}.io", urls=("https://x",)) for n in range(40)
    }
    found = make_resolver(
        MirrorConfig(
            data="/d",
            listeners=(ListenerConfig(name="all", address="a:1"),),
            upstreams=many,
            default_upstream="r00.io",
        )
    )("all", "", "x.io/y", None)
    assert isinstance(found, Refusal)
    assert found.message.endswith("r11.io and 28 more")


@pytest.mark.parametrize(
    ("name", "ns", "upstream"),
    [
        (f"homeport-verify/{NONCE}", None, "docker.io"),
        (f"docker.io/homeport-verify/{NONCE}", None, "docker.io"),
        (f"quay/homeport-verify/{NONCE}", None, "quay.io"),
        (f"ghcr.io/homeport-verify/{NONCE}", None, "ghcr.io"),
        (f"homeport-verify/{NONCE}", "quay.io", "quay.io"),
    ],
)
def test_a_canary_stands_under_every_upstream(name: str, ns: str | None, upstream: str) -> None:
    found = resolve("all", "", name, ns)
    assert found == Target(
        repository=Repository(upstream, f"homeport-verify/{NONCE}"),
        asked=name,
        route=Route.CANARY,
        namespace=ns,
        nonce=NONCE,
    )


def test_a_docker_mirror_has_canaries_of_the_default_upstream() -> None:
    found = resolve("hub", "", f"homeport-verify/{NONCE}", None)
    assert isinstance(found, Target)
    assert (found.nonce, found.repository.upstream) == (NONCE, "docker.io")


@pytest.mark.parametrize("nonce", ["short", "a" * 65, "aaaa-aaaa", "aaaaaaaa/b"])
def test_what_is_no_canary_never_goes_upstream(nonce: str) -> None:
    for listener in ("hub", "all"):
        refusal = refused(listener, f"homeport-verify/{nonce}")
        assert not refusal.unknown_upstream


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "Nginx",
        "a//b",
        "../etc",
        "a/..",
        "a:b",
        "registry.corp:5000/a",
        "a" * 256,
        "a\n",
        "é",
    ],
)
def test_a_name_outside_the_grammar_is_invalid(name: str) -> None:
    for listener in ("hub", "all", "both"):
        assert refused(listener, name).invalid


def test_only_docker_hub_has_a_library() -> None:
    other = make_resolver(
        MirrorConfig(
            data="/d",
            listeners=(ListenerConfig(name="all", address="a:1", role=Role.DOCKER_MIRROR),),
            upstreams={"r.corp": UpstreamConfig(name="r.corp", urls=("https://r.corp",))},
            default_upstream="r.corp",
        )
    )
    found = other("all", "", "nginx", None)
    assert isinstance(found, Target)
    assert found.repository == Repository("r.corp", "nginx")


COMPONENT = st.from_regex(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*", fullmatch=True)
KNOWN = st.sampled_from(
    ("quay", "proxy", "hub", "dh", "team", "local", "ghcr.io", "docker.io", "registry.corp_5000")
)
NAME = st.lists(COMPONENT | KNOWN, min_size=1, max_size=5).map("/".join)
LISTENER = st.sampled_from(("hub", "all", "both", "other"))


@given(NAME)
def test_no_bare_path_on_a_docker_mirror_reaches_anything_else(name: str) -> None:
    found = resolve("hub", "ghcr.mirror.corp", name, None)
    if isinstance(found, Target):
        assert found.repository.upstream == "docker.io"
        assert found.repository.name in (name, f"library/{name}")


@given(NAME, st.text(max_size=20), st.none() | st.text(max_size=20))
def test_a_docker_mirror_reaches_nothing_else_whatever_is_sent(
    name: str, host: str, ns: str | None
) -> None:
    found = resolve("hub", host, name, ns)
    assert isinstance(found, Refusal) or found.repository.upstream == "docker.io"


@given(NAME)
def test_a_listener_for_both_never_gives_a_hub_name_to_another(name: str) -> None:
    found = resolve("both", "ghcr.mirror.corp", name, None)
    if isinstance(found, Target) and "." not in name.partition("/")[0]:
        assert found.repository.upstream == "docker.io"


@given(LISTENER, st.text(max_size=40), st.text(max_size=300) | NAME, st.none() | st.text())
def test_every_text_has_an_answer(listener: str, host: str, name: str, ns: str | None) -> None:
    found = resolve(listener, host, name, ns)
    if isinstance(found, Target):
        assert is_name(name)
        assert is_name(found.repository.name.removeprefix("library/"))
        assert found.repository.upstream in {*CONFIG.upstreams, LOCAL}


def test_it_is_fast() -> None:
    names = [f"user{number}/app" for number in range(2000)]

    def all_names() -> None:
        for name in names:
            resolve("all", "registry.internal", name, None)

    all_names()
    gc.collect()
    best = min(timeit.repeat(all_names, number=1, repeat=7)) / len(names)
    assert best < 20e-6  # measured 0.2, and 1.5 where it is not remembered
