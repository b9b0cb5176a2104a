"""What is changed for a Docker daemon, and what is said of the rest."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.enroll.engines.docker import Docker
from homeport.enroll.engines.docker_config import MIRRORS, read_config
from homeport.enroll.errors import BrokenFileError, ConflictError, EnrollError
from homeport.enroll.formats.json_text import set_key
from homeport.enroll.model import Effect, EnginePlan, Mirror, MirrorKind, Mode, Request
from testbed.fake_docker import FakeDocker, fake_docker
from testbed.machine import Machine

DOCKER = Docker()
CONFIG = "/etc/docker/daemon.json"
GOLDEN = Path(__file__).parent / "golden"
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
HTTP = Mirror("http://mirror.corp:5001", "http://mirror.corp:5000", MirrorKind.HOMEPORT)
TLS = Mirror("https://mirror.corp", "https://hub.corp:5443", MirrorKind.HOMEPORT, ca=CA)
HARBOR = Mirror(
    "https://harbor.corp", "https://hub.corp", MirrorKind.HARBOR, paths={"ghcr.io": "ghcr-proxy"}
)
IN_CONTAINERD = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
ALL = ("docker.io", "ghcr.io")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDocker]:
    machine = Machine(tmp_path, uid=0)
    machine.at("/etc/docker").mkdir(parents=True)
    machine.at("/etc/systemd/system").mkdir(parents=True)
    with fake_docker(machine) as made:
        made.be_process("-H", "fd://")
        yield made


def plan(daemon: FakeDocker, request: Request) -> EnginePlan:
    host = daemon.machine.host
    (engine,) = DOCKER.detect(host)
    return DOCKER.plan(host, engine, request)


def after(found: EnginePlan) -> dict[str, str]:
    return {change.path: change.after.content for change in found.changes if change.after}


def codes(found: EnginePlan) -> list[str]:
    return [finding.code for finding in found.findings]


def test_a_new_file(daemon: FakeDocker) -> None:
    found = plan(daemon, Request(HTTP))
    (change,) = found.changes
    assert change.after is not None
    assert change.after.content == (
        '{\n  "registry-mirrors": [\n    "http://mirror.corp:5000"\n  ]\n}\n'
    )
    assert (change.before, change.after.mode, change.format) == (None, 0o644, "json")
    assert (found.effect, found.command) == (Effect.RELOAD, ("systemctl", "reload", "docker"))
    assert daemon.signals == []


def test_others_stay_behind_ours(daemon: FakeDocker) -> None:
    text = '{"registry-mirrors": ["http://a", "http://MIRROR.corp:5000/"], "mtu": 1}'
    daemon.machine.write(CONFIG, text, mode=0o600)
    (change,) = plan(daemon, Request(HTTP)).changes
    assert change.keys[0].before == ["http://a", "http://MIRROR.corp:5000/"]
    assert change.keys[0].after == ["http://mirror.corp:5000", "http://a"]
    assert change.after is not None
    assert change.after.mode == 0o600


def test_as_it_should_be_is_no_change(daemon: FakeDocker) -> None:
    daemon.machine.write(CONFIG, '{"registry-mirrors": ["http://mirror.corp:5000/"]}')
    found = plan(daemon, Request(HTTP))
    assert (found.changes, found.effect) == ((), Effect.NOTHING)
    assert codes(found) == ["docker-not-taken-up"]
    daemon.mirrors = ["http://mirror.corp:5000/"]
    assert codes(plan(daemon, Request(HTTP))) == []


def test_null_is_as_if_there_were_none(daemon: FakeDocker) -> None:
    daemon.machine.write(CONFIG, '{"registry-mirrors": null}')
    (change,) = plan(daemon, Request(HTTP)).changes
    assert (change.keys[0].had, change.keys[0].before) == (True, None)


def test_hosts_as_key_and_flag(daemon: FakeDocker) -> None:
    """systemd starts it with -H fd://: the file is broken for the next start."""
    daemon.machine.write(CONFIG, '{"hosts": ["unix:///run/docker.sock"]}')
    with pytest.raises(ConflictError, match="hosts is in the file"):
        plan(daemon, Request(HTTP))


def test_a_flag_that_comes_at_the_next_start(daemon: FakeDocker) -> None:
    daemon.machine.write(
        "/lib/systemd/system/docker.service",
        "[Service]\nEnvironmentFile=-/etc/default/docker\nExecStart=/usr/bin/dockerd $DOCKER_OPTS",
    )
    daemon.machine.write("/etc/default/docker", "DOCKER_OPTS=--registry-mirror=http://m\n")
    with pytest.raises(ConflictError) as caught:
        plan(daemon, Request(HTTP))
    assert "/etc/default/docker" in caught.value.hint


def test_keys_of_a_release(daemon: FakeDocker) -> None:
    daemon.machine.write(CONFIG, '{"bip6": "fd00::1/64", "proxies": {"no-proxy": "x"}}')
    assert plan(daemon, Request(HTTP)).changes
    daemon.version["Version"] = "20.10.24+dfsg1"
    with pytest.raises(BrokenFileError, match="bip6 in release 20"):
        plan(daemon, Request(HTTP))
    daemon.machine.write(CONFIG, '{"new-thing": 1}')
    daemon.version["Version"] = "31.0.0"
    assert codes(plan(daemon, Request(HTTP))) == ["docker-key-unknown"]


def test_the_ca_of_both_doors(daemon: FakeDocker) -> None:
    found = plan(daemon, Request(TLS))
    texts = after(found)
    assert texts["/etc/docker/certs.d/mirror.corp/homeport-ca.crt"] == CA + "\n"
    assert texts["/etc/docker/certs.d/hub.corp:5443/homeport-ca.crt"] == CA + "\n"
    assert len(texts) == 3


def test_other_registries_of_the_classic_store(daemon: FakeDocker) -> None:
    found = plan(daemon, Request(HTTP, registries=ALL))
    (limit,) = found.limits
    assert "moby#18818" in limit.why
    assert "containerd image store" in limit.hint
    assert "mirror.corp:5001/REGISTRY/NAME" in limit.hint
    keys = [key.path[0] for key in found.changes[0].keys]
    assert keys == ["registry-mirrors", "insecure-registries"]
    assert found.changes[0].keys[1].after == ["mirror.corp:5001"]
    assert codes(found) == ["docker-http-door"]
    assert found.proven
    tls = plan(daemon, Request(TLS, registries=ALL))
    assert [key.path[0] for key in tls.changes[0].keys] == ["registry-mirrors"]


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("prefer", Request(TLS, Mode.PREFER, ("docker.io", "ghcr.io", "*"))),
        ("only", Request(TLS, Mode.ONLY, ALL)),
        ("harbor", Request(HARBOR, Mode.PREFER, ("ghcr.io",))),
    ],
)
def test_hosts_toml_of_the_containerd_store(
    daemon: FakeDocker, name: str, request_: Request
) -> None:
    daemon.info = IN_CONTAINERD
    found = plan(daemon, request_)
    assert not found.proven
    assert found.limits == ()
    texts = {path: text for path, text in after(found).items() if path.endswith(".toml")}
    said = "".join(f"==> {path}\n{text}" for path, text in sorted(texts.items()))
    assert said == (GOLDEN / f"docker-hosts-{name}.txt").read_text()
    if name == "prefer":
        assert "/etc/docker/certs.d/docker.io/hosts.toml" not in texts


def test_a_hosts_toml_of_somebody_else_stays(daemon: FakeDocker) -> None:
    daemon.info = IN_CONTAINERD
    path = "/etc/docker/certs.d/ghcr.io/hosts.toml"
    daemon.machine.write(path, 'server = "https://x"\n')
    found = plan(daemon, Request(HTTP, registries=("ghcr.io",)))
    assert found.changes == ()
    assert path in found.limits[0].why


def test_a_foreign_mirror_without_a_path_serves_no_other_registry(daemon: FakeDocker) -> None:
    """It would give Docker Hub's image of the same name."""
    daemon.info = IN_CONTAINERD
    for name in ("quay.io", "*"):
        found = plan(daemon, Request(HARBOR, registries=(name,)))
        assert found.changes == ()
        assert "path" in found.limits[0].why


def test_a_default_that_is_shadowed_is_told(daemon: FakeDocker) -> None:
    daemon.info = IN_CONTAINERD
    daemon.machine.write("/etc/docker/certs.d/_default/hosts.toml", 'server = "https://x"\n')
    assert codes(plan(daemon, Request(HTTP, registries=("ghcr.io",)))) == [
        "docker-default-shadowed"
    ]


def test_a_containerd_store_that_is_too_old(daemon: FakeDocker) -> None:
    daemon.info = IN_CONTAINERD
    daemon.version["Version"] = "25.0.3"
    found = plan(daemon, Request(TLS, registries=ALL))
    assert "update to Docker 28" in found.limits[0].hint


@pytest.mark.parametrize("name", ["../../x", "a/b", "", "ghcr.io:x", ".."])
def test_names_that_are_no_registries(daemon: FakeDocker, name: str) -> None:
    daemon.info = IN_CONTAINERD
    with pytest.raises(EnrollError, match="no name of a registry"):
        plan(daemon, Request(HTTP, registries=(name,)))


def test_only_says_that_docker_hub_is_still_asked(daemon: FakeDocker) -> None:
    (limit,) = plan(daemon, Request(HTTP, Mode.ONLY)).limits
    assert "block the way out" in limit.hint


def test_a_captured_mirror_without_a_restart(daemon: FakeDocker) -> None:
    daemon.info = {"HttpProxy": "http://proxy:3128", "NoProxy": "corp.example"}
    found = plan(daemon, Request(HTTP))
    assert codes(found) == ["docker-proxy-captures"]
    assert "--allow-restart" in found.findings[0].hint
    assert found.effect is Effect.RELOAD
    assert list(after(found)) == [CONFIG]


def test_a_captured_mirror_with_a_restart(daemon: FakeDocker) -> None:
    daemon.info = {"HttpProxy": "http://proxy:3128", "NoProxy": "corp.example"}
    daemon.running = ["web", "db"]
    found = plan(daemon, Request(HTTP, allow_restart=True))
    drop_in = "/etc/systemd/system/docker.service.d/zz-homeport-no-proxy.conf"
    assert after(found)[drop_in].endswith(
        '[Service]\nEnvironment="NO_PROXY=corp.example,mirror.corp" '
        '"no_proxy=corp.example,mirror.corp"\n'
    )
    assert (found.effect, found.stops) == (Effect.RESTART, ("db", "web"))
    daemon.info["LiveRestoreEnabled"] = True
    assert plan(daemon, Request(HTTP, allow_restart=True)).stops == ()


def test_a_no_proxy_that_would_break_the_unit(daemon: FakeDocker) -> None:
    daemon.info = {"HttpProxy": "http://proxy", "NoProxy": 'x"\nExecStart=/bin/evil'}
    with pytest.raises(EnrollError, match="NO_PROXY"):
        plan(daemon, Request(HTTP, allow_restart=True))


def test_loopback_in_a_rootless_daemon(daemon: FakeDocker) -> None:
    daemon.info = {"SecurityOptions": ["name=rootless"]}
    here = Mirror("http://127.0.0.1:5000", "http://127.0.0.1:5000")
    assert "docker-rootless-loopback" not in codes(plan(daemon, Request(here)))
    daemon.version["Version"] = "24.0.9"
    assert "docker-rootless-loopback" in codes(plan(daemon, Request(here)))
    assert "docker-rootless-loopback" not in codes(plan(daemon, Request(HTTP)))


def test_an_engine_elsewhere_gets_a_limit(tmp_path: Path) -> None:
    machine = Machine(tmp_path, env={"DOCKER_HOST": "tcp://10.0.0.1:2375"})
    (engine,) = DOCKER.detect(machine.host)
    found = DOCKER.plan(machine.host, engine, Request(HTTP))
    assert found.changes == ()
    assert "fleet" in found.limits[0].hint


def test_desktop_is_restarted_by_its_owner(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with fake_docker(machine, "/root/.docker/desktop/docker.sock"):
        (engine,) = DOCKER.detect(machine.host)
        found = DOCKER.plan(machine.host, engine, Request(TLS))
    assert found.effect is Effect.RECREATE
    assert not found.proven
    assert "/root/.docker/certs.d/hub.corp:5443/homeport-ca.crt" in after(found)


SCALARS = st.one_of(st.text(max_size=8), st.integers(0, 9999), st.booleans())
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "debug": st.booleans(),
        "mtu": st.integers(0, 9000),
        "bip": st.text(max_size=8),
        "labels": st.lists(st.text(max_size=4).map(lambda text: f"k={text}"), max_size=3),
        "log-opts": st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3),
        "features": st.dictionaries(st.text(max_size=4), st.booleans(), max_size=2),
        "runtimes": st.dictionaries(
            st.text(max_size=4), st.dictionaries(st.text(max_size=4), SCALARS, max_size=2)
        ),
        MIRRORS: st.none() | st.lists(st.sampled_from(["http://a", "https://b:5/"]), unique=True),
    },
)


@given(CONFIGS, st.sampled_from([None, 2, "\t"]))
def test_valid_files_are_taken_and_stay_valid(
    values: dict[str, object], indent: "int | str"
) -> None:
    text = json.dumps(values, indent=indent)
    assert read_config(text, "d", 20).values == values
    edited = set_key(text, "d", (MIRRORS,), ["http://m"])
    assert read_config(edited, "d", 20).values == {**values, MIRRORS: ["http://m"]}
