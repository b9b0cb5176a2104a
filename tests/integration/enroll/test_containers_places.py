"""Where Podman, Buildah and Skopeo look, by the real ones.

A mirror of its own: a canary is served 120 times a minute to one address, at most.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.enroll.direct import apply_directly
from homeport.enroll.engines.containers import KINDS, Containers
from homeport.enroll.host import Host
from homeport.enroll.model import Engine, EnginePlan, Mirror, MirrorKind, Request
from testbed.bound import Bound, Doors, bound, doors

REGISTRIES = ("docker.io", "ghcr.io", "quay.io")
CLIENTS = [kind for kind in KINDS if kind.name != "crio"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    upstreams = dict.fromkeys(REGISTRIES, "127.0.0.1:9")
    with doors(tmp_path_factory.mktemp("world"), upstreams) as made:
        yield made


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Bound]:
    with bound(tmp_path / "machine") as made:
        yield made


def request_of(world: Doors, *, only: str, tls: bool = False) -> Request:
    url, hub_url = (world.tls_url, world.tls_url) if tls else (world.url, world.hub_url)
    mirror = Mirror(url, hub_url, MirrorKind.HOMEPORT, ca=world.ca if tls else None)
    return Request(mirror, registries=REGISTRIES, engines=(only,))


def planned(kind: Containers, host: Host, request: Request) -> tuple[Engine, EnginePlan]:
    (engine,) = kind.detect(host)
    return engine, kind.plan(host, engine, request)


def test_a_drop_in_of_the_users_wins_over_the_systems(world: Doors, machine: Bound) -> None:
    kind = CLIENTS[2]
    path = "/root/.config/containers/registries.conf.d/10-mine.conf"
    machine.write(path, '[[registry]]\nlocation = "docker.io"\nblocked = true\n')
    engine, plan = planned(kind, machine.host, request_of(world, only="skopeo"))
    (finding,) = [one for one in plan.findings if one.code == "overriding-table"]
    assert finding.place == f"{path}:1:1"
    (missing,) = apply_directly(machine.host, kind, plan)
    assert missing.place == f"{path}:1:1"
    pull = kind.pull(machine.host, engine, "docker.io/homeport-verify/0123456789abcdef:latest")
    assert "blocked" in pull.said
    assert kind.pull(machine.host, engine, "quay.io/homeport-verify/0123456789abcdef:latest").ok


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: str(kind.name))
def test_the_first_folder_of_certificates_is_the_one_that_is_read(
    world: Doors, machine: Bound, kind: Containers
) -> None:
    host = world.tls_url.removeprefix("https://")
    mine = f"/root/.config/containers/certs.d/{host}"
    machine.at(mine).mkdir(parents=True)
    engine, plan = planned(kind, machine.host, request_of(world, only=kind.name, tls=True))
    assert plan.changes[-1].path == f"{mine}/homeport-ca.crt"
    apply_directly(machine.host, kind, plan)
    reference = f"quay.io/homeport-verify/{secrets.token_hex(8)}:latest"
    pull = kind.pull(machine.host, engine, reference)
    assert pull.ok, pull.said
    machine.at(f"{mine}/homeport-ca.crt").unlink()
    machine.write(f"/etc/containers/certs.d/{host}/ca.crt", world.ca)
    assert not kind.pull(machine.host, engine, reference.replace("quay.io", "ghcr.io")).ok


VARIABLES = [
    "CONTAINERS_REGISTRIES_CONF",
    "CONTAINERS_REGISTRIES_CONF_DIR",
    "REGISTRIES_CONFIG_PATH",
]


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: str(kind.name))
@pytest.mark.parametrize("name", VARIABLES)
def test_the_environment_is_followed_as_the_client_follows_it(
    world: Doors, tmp_path: Path, kind: Containers, name: str
) -> None:
    value = "/etc/containers/other.d" if name.endswith("DIR") else "/etc/containers/other.conf"
    with bound(tmp_path / "machine", {name: value}) as machine:
        machine.at("/etc/containers/other.d").mkdir()
        machine.write("/etc/containers/other.conf", 'short-name-mode = "permissive"\n')
        engine, plan = planned(kind, machine.host, request_of(world, only=kind.name))
        apply_directly(machine.host, kind, plan)
        nonce = secrets.token_hex(8)
        pull = kind.pull(machine.host, engine, f"quay.io/homeport-verify/{nonce}:latest")
        assert pull.ok, pull.said
        # A broken main file is found where the client reads it, and only there.
        machine.write("/etc/containers/other.conf", "broken\n")
        (engine,) = kind.detect(machine.host)
        broken = "broken-file" in [finding.code for finding in engine.findings]
        pull = kind.pull(machine.host, engine, f"ghcr.io/homeport-verify/{nonce}:latest")
        assert pull.ok is not broken, pull.said
