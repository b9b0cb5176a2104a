"""The configuration that a file means, where it is looked for, and its defaults."""

import os
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from homeport.errors import UsageError
from homeport.mirror.config import load as load_module
from homeport.mirror.config.advice import advice
from homeport.mirror.config.forms import EACH, FORMS, PATHS
from homeport.mirror.config.load import find_config, load_config
from homeport.mirror.model import config as model
from homeport.mirror.model.config import (
    DOCKER_HUB,
    HUB_URL,
    AuditConfig,
    AuthConfig,
    BandwidthConfig,
    CredentialsConfig,
    Gone,
    IssuerConfig,
    LdapConfig,
    LimitsConfig,
    ListenerConfig,
    MirrorConfig,
    NamespaceConfig,
    NetworkConfig,
    Overflow,
    Role,
    RuleConfig,
    StoreConfig,
    TagTtl,
    UpstreamConfig,
    WindowConfig,
)

ENV = {"HOME": "/home/ann", "PASSWORD": "x"}

EVERYTHING = """\
concurrency = 3   # the pipeline's, none of our business
[mirror]
data = "state"
default_upstream = "docker.io"
default_prefixes = ["hub"]
read_only = true
trusted_proxies = ["10.0.0.0/8", "fd00::1", "unix"]

[[mirror.listeners]]
role = "docker-mirror"
address = "0.0.0.0:5000"
proxy_protocol = true
[[mirror.listeners]]
name = "all"
role = "registry"
address = "[::]:5001"
external_url = "https://registry.internal:8443/"
virtual_hosts = { "ghcr.mirror.corp" = "ghcr.io" }

[mirror.upstreams."docker.io"]
tag_ttl = "15m"
tag_ttls = [{ pattern = "library/*:latest", ttl = "1m" }]
negative_ttl = 30
gone = "remove"
credentials = { username = "bot", password_env = "PASSWORD" }
anonymous = true
proxy = "http://user:pw@proxy.corp:3128/"
redirect_hosts = ["*.CDN.example", "10.9.0.0/16", "10.0.0.7", "::1"]
auth_hosts = ["auth.corp:8443"]
connections = 8
bandwidth = "20MB/s"
[mirror.upstreams."ghcr.io"]
urls = ["https://harbor.corp/v2/proxy-ghcr/", "http://10.0.0.5:5000"]
aliases = ["gh", "proxy/gh"]

[mirror.namespaces.team]
quota = "50GiB"
immutable_tags = ["v*"]
[mirror.namespaces.local]

[[mirror.rules]]
name = "ci"
allow = true
actions = ["pull", "push"]
principals = ["ci-*"]
groups = ["build"]
networks = ["10.1.0.0/16"]
repositories = ["local/team/**"]
references = ["v*"]
listeners = ["all"]
claims = { project_path = "group/*" }

[mirror.auth]
token_lifetime = "10m"
groups = { build = ["ann", "bob"] }
attempts_per_minute = 10
[[mirror.auth.issuers]]
issuer = "https://gitlab.corp/"
audience = "mirror"
algorithms = ["RS256"]
bound_claims = { ref_protected = "true" }
[mirror.auth.ldap]
url = "ldaps://ldap.corp"
user_base = "ou=people"

[mirror.limits]
manifest_bytes = "5MiB"
drain_timeout = "5s"

[mirror.bandwidth]
total = "100Mbit/s"
time_zone = "Europe/Berlin"
windows = [{ days = "mon-fri", hours = "08:00-18:00", rate = "20MB/s" }, { rate = 1000 }]
networks = [{ network = "10.2.0.0/16", rate = "5MB/s" }]

[mirror.audit]
sinks = ["file:/var/log/audit.jsonl", "syslog:logs.corp:514"]
overflow = "count"
keep_days = 365

[mirror.store]
quota = "500GB"
pins = ["docker.io/library/alpine:*"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "homeport.toml"
    path.write_text(text)
    return path


def test_everything_that_can_be_written(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, EVERYTHING), ENV) == MirrorConfig(
        data=str(tmp_path / "state"),
        default_prefixes=("hub",),
        read_only=True,
        trusted_proxies=("10.0.0.0/8", "fd00::1/128", "unix"),
        listeners=(
            ListenerConfig(
                name="docker-mirror",
                role=Role.DOCKER_MIRROR,
                address="0.0.0.0:5000",
                proxy_protocol=True,
            ),
            ListenerConfig(
                name="all",
                role=Role.REGISTRY,
                address="[::]:5001",
                external_url="https://registry.internal:8443",
                virtual_hosts={"ghcr.mirror.corp": "ghcr.io"},
            ),
        ),
        upstreams={
            "docker.io": UpstreamConfig(
                name="docker.io",
                urls=(HUB_URL,),
                tag_ttls=(TagTtl(pattern="library/*:latest", ttl=60.0),),
                negative_ttl=30.0,
                gone=Gone.REMOVE,
                credentials=CredentialsConfig(username="bot", password_env="PASSWORD"),  # noqa: S106
                anonymous=True,
                proxy="http://user:pw@proxy.corp:3128",
                redirect_hosts=("*.cdn.example", "10.9.0.0/16", "10.0.0.7/32", "::1/128"),
                auth_hosts=("auth.corp:8443",),
                connections=8,
                bandwidth=20_000_000,
            ),
            "ghcr.io": UpstreamConfig(
                name="ghcr.io",
                urls=("https://harbor.corp/v2/proxy-ghcr", "http://10.0.0.5:5000"),
                aliases=("gh", "proxy/gh"),
            ),
        },
        namespaces={
            "team": NamespaceConfig(name="team", quota=50 * 1024**3, immutable_tags=("v*",)),
            "local": NamespaceConfig(name="local"),
        },
        rules=(
            RuleConfig(
                name="ci",
                allow=True,
                actions=("pull", "push"),
                principals=("ci-*",),
                groups=("build",),
                networks=("10.1.0.0/16",),
                repositories=("local/team/**",),
                references=("v*",),
                listeners=("all",),
                claims={"project_path": "group/*"},
            ),
        ),
        auth=AuthConfig(
            token_lifetime=600.0,
            groups={"build": ("ann", "bob")},
            attempts_per_minute=10,
            issuers=(
                IssuerConfig(
                    issuer="https://gitlab.corp/",
                    audience="mirror",
                    algorithms=("RS256",),
                    bound_claims={"ref_protected": "true"},
                ),
            ),
            ldap=LdapConfig(url="ldaps://ldap.corp", user_base="ou=people"),
        ),
        limits=LimitsConfig(manifest_bytes=5 * 1024**2, drain_timeout=5.0),
        bandwidth=BandwidthConfig(
            total=12_500_000,
            time_zone="Europe/Berlin",
            windows=(
                WindowConfig(
                    rate=20_000_000,
                    days=("mon", "tue", "wed", "thu", "fri"),
                    start=480,
                    stop=1080,
                ),
                WindowConfig(rate=1000),
            ),
            networks=(NetworkConfig(network="10.2.0.0/16", rate=5_000_000),),
        ),
        audit=AuditConfig(
            sinks=("file:/var/log/audit.jsonl", "syslog:logs.corp:514"),
            overflow=Overflow.COUNT,
            keep_days=365,
        ),
        store=StoreConfig(quota=500_000_000_000, pins=("docker.io/library/alpine:*",)),
    )


def test_the_default_is_docker_hub_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "SYSTEM_FILE", Path("/nonexistent/homeport.toml"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    default = load_config(None, {})
    assert default == MirrorConfig(
        listeners=(ListenerConfig(name="main", address="127.0.0.1:5000", role=Role.BOTH),),
        data="/var/lib/homeport",
        upstreams={DOCKER_HUB: UpstreamConfig(name=DOCKER_HUB, urls=(HUB_URL,))},
    )
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    own = replace(default, data="/home/ann/.local/state/homeport/mirror")
    assert load_config(None, ENV) == own
    assert load_config(None, {"XDG_STATE_HOME": "/s"}).data == "/s/homeport/mirror"
    assert load_config(None, {**ENV, "XDG_STATE_HOME": "relative"}) == own
    with pytest.raises(UsageError, match="no home folder"):
        load_config(None, {})


def test_where_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = tmp_path / "etc.toml"
    monkeypatch.setattr(load_module, "SYSTEM_FILE", system)
    monkeypatch.chdir(tmp_path)
    write(tmp_path, '[mirror]\nlisten = "evil:1"\n')  # of a repository: never read unless named
    assert find_config(None, {}) is None
    system.write_text('[mirror]\nlisten = "127.0.0.1:1"\n')
    assert find_config(None, {}) == system
    named = {"HOMEPORT_MIRROR_CONFIG": "/named.toml"}
    assert find_config(None, named) == Path("/named.toml")
    assert find_config(Path("flag.toml"), named) == Path("flag.toml")
    assert load_config(None, ENV).listeners[0].address == "127.0.0.1:1"


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        load_config(tmp_path / "missing.toml", ENV)
    with pytest.raises(UsageError, match="not a regular file"):
        load_config(tmp_path, ENV)


def test_flags_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, '[mirror]\nlisten = "127.0.0.1:1"\ndata = "/data"\n')
    config = load_config(path, ENV, {"listen": "127.0.0.1:0", "data": "here"})
    assert config.listeners[0].address == "127.0.0.1:0"
    assert config.data == str(tmp_path / "here")
    assert load_config(path, ENV, {"listen": None, "data": None}).data == "/data"
    path = write(tmp_path, '[[mirror.listeners]]\naddress = "a:1"\nrole = "registry"\n')
    [listener] = load_config(path, ENV, {"listen": "unix:/run/x"}).listeners
    assert (listener.address, listener.role) == ("unix:/run/x", Role.REGISTRY)
    with pytest.raises(UsageError, match="--listen: expected HOST:PORT"):
        load_config(path, ENV, {"listen": "5000"})
    with pytest.raises(UsageError, match="--listen is for one listener"):
        load_config(write(tmp_path, EVERYTHING), ENV, {"listen": "a:1"})


def test_advice_is_given_about_what_is_allowed(tmp_path: Path) -> None:
    said = [problem.message for problem in advice(load_config(write(tmp_path, EVERYTHING), ENV))]
    assert said == [
        "upstream docker.io: what its credentials may read is open to everybody (anonymous = true)",
        "audit.key is not set: the heads of the audit's chains are not signed",
    ]


@pytest.mark.parametrize(
    "address", ["127.0.0.1:0", "[::1]:5000", "localhost:5000", "0.0.0.0:65535", "unix:/run/m.sock"]
)
def test_an_address(tmp_path: Path, address: str) -> None:
    path = write(tmp_path, f'[mirror]\nlisten = "{address}"\n')
    assert load_config(path, ENV).listeners[0].address == address


@pytest.mark.parametrize(
    "address",
    ["5000", ":5000", "a:65536", "a:-1", "::1:5000", "unix:run", "a b:1", "[::g]:1", "a:"],
)
def test_no_address(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError):
        load_config(write(tmp_path, f'[mirror]\nlisten = "{address}"\n'), ENV)


def structs() -> list[type[Struct]]:
    return [
        kind
        for kind in vars(model).values()
        if isinstance(kind, type) and issubclass(kind, Struct) and kind is not Struct
    ]


def test_every_number_has_a_form_and_every_form_a_field() -> None:
    numbers = {
        (kind, name)
        for kind in structs()
        for name, wanted in get_type_hints(kind).items()
        if {int, float} & {wanted, *get_args(wanted)} and kind is not WindowConfig
    }
    assert numbers - set(FORMS) == set()
    fields = {(kind, name) for kind in structs() for name in kind.__struct_fields__}
    assert {*FORMS, *EACH, *PATHS} - fields == set()


TOML = st.recursive(
    st.sampled_from(("1", "-1", "1.5", "true", '""', '"x"', '"20MB/s"', '"10.0.0.0/8"', "nan")),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(
            st.sampled_from(("name", "allow", "urls", "rate", '"a.b"', '"\\u0000"')),
            inner,
            max_size=3,
        ).map(lambda items: "{" + ", ".join(f"{key} = {item}" for key, item in items.items()) + "}")
    ),
    max_leaves=5,
)


@settings(max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from(
            (
                *MirrorConfig.__struct_fields__,
                "listen",
                'upstreams."a.b"',
                'upstreams."docker.io".urls',
                "auth.ldap",
                "auth.issuers",
                "bandwidth.windows",
                "namespaces.x",
            )
        ),
        TOML,
        max_size=4,
    )
)
def test_whatever_a_file_says_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    path = write(tmp_path_factory.getbasetemp(), f"[mirror]\n{lines}")
    try:
        load_config(path, ENV)
    except UsageError as error:
        assert all(problem.span is not None for problem in error.problems)  # noqa: PT017
