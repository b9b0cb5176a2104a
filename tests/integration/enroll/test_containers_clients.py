"""Podman, Buildah and Skopeo, the real ones, by the drop-in that enrolment plans."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.enroll.apply import apply
from homeport.enroll.direct import apply_directly, undo_directly
from homeport.enroll.engines.containers import KINDS, Containers
from homeport.enroll.errors import BrokenFileError
from homeport.enroll.host import Host
from homeport.enroll.model import (
    Engine,
    EnginePlan,
    EnrollPlan,
    Mirror,
    MirrorKind,
    Mode,
    Request,
)
from homeport.enroll.undo import undo
from testbed.bound import Bound, Doors, bound, doors
from testbed.hub import Hub, hub

REGISTRIES = ("docker.io", "ghcr.io", "quay.io")
CLIENTS = [kind for kind in KINDS if kind.name != "crio"]
AGENTS = {"podman": "containers/", "buildah": "Buildah/", "skopeo": "skopeo/"}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A registry on this machine, which can be had without the mirror, too."""
    with hub(tmp_path_factory.mktemp("local")) as made:
        made.push("team/app:1", size=1000)
        yield made


@pytest.fixture(scope="module")
def world(local: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    upstreams = dict.fromkeys(REGISTRIES, "127.0.0.1:9") | {local.direct: local.address}
    with doors(tmp_path_factory.mktemp("world"), upstreams) as made:
        yield made


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Bound]:
    with bound(tmp_path / "machine") as made:
        yield made


def request_of(
    world: Doors, *registries: str, mode: Mode = Mode.PREFER, only: str = "", tls: bool = False
) -> Request:
    url, hub_url = (world.tls_url, world.tls_url) if tls else (world.url, world.hub_url)
    mirror = Mirror(url, hub_url, MirrorKind.HOMEPORT, ca=world.ca if tls else None)
    return Request(mirror, mode, registries or REGISTRIES, engines=(only,) if only else ())


def planned(kind: Containers, host: Host, request: Request) -> tuple[Engine, EnginePlan]:
    (engine,) = kind.detect(host)
    return engine, kind.plan(host, engine, request)


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: str(kind.name))
@pytest.mark.parametrize("tls", [False, True], ids=["http", "tls"])
def test_each_pulls_a_canary_of_each_registry(
    world: Doors, machine: Bound, kind: Containers, tls: bool
) -> None:
    machine.write(
        "/etc/containers/registries.conf", 'unqualified-search-registries = ["quay.io"]\n'
    )
    before = machine.files()
    engine, plan = planned(kind, machine.host, request_of(world, only=kind.name, tls=tls))
    assert apply_directly(machine.host, kind, plan) == ()
    assert kind.plan(machine.host, engine, request_of(world, only=kind.name, tls=tls)).changes == ()
    for registry in REGISTRIES:
        nonce = secrets.token_hex(8)
        reference = f"{registry}/homeport-verify/{nonce}:latest"
        pull = kind.pull(machine.host, engine, reference)
        assert pull.ok, pull.said
        assert any(AGENTS[kind.name] in seen["agent"] for seen in world.seen(nonce))
        kind.remove(machine.host, engine, reference)
    undo_directly(machine.host, kind, plan)
    assert machine.files() == before
    assert not list(Path(machine.host.env["TMPDIR"]).glob("homeport-*"))


def test_the_first_client_carries_the_change_for_all(world: Doors, machine: Bound) -> None:
    request = request_of(world)
    carriers = [kind.name for kind in CLIENTS if planned(kind, machine.host, request)[1].changes]
    assert carriers == ["podman"]
    _, plan = planned(CLIENTS[2], machine.host, request)
    assert [finding.code for finding in plan.findings] == ["shared-file"]


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: str(kind.name))
def test_only_asks_nobody_but_the_mirror(
    world: Doors, local: Hub, machine: Bound, kind: Containers
) -> None:
    """The mirror cannot be had: the registry itself could, and is asked by PREFER alone."""
    machine.write(
        "/etc/containers/registries.conf",
        f'[[registry]]\nlocation = "{local.direct}"\ninsecure = true\n',
    )
    gone = Mirror("http://127.0.0.1:9", "http://127.0.0.1:9", MirrorKind.HOMEPORT)
    reference = f"{local.direct}/team/app:1"
    for mode, asked in ((Mode.ONLY, False), (Mode.PREFER, True)):
        request = Request(gone, mode, (local.direct,), engines=(kind.name,))
        engine, plan = planned(kind, machine.host, request)
        assert apply_directly(machine.host, kind, plan) == ()
        pull = kind.pull(machine.host, engine, reference)
        assert pull.ok is asked, pull.said
    # and through the mirror, by the registry's name with its port
    _, plan = planned(kind, machine.host, request_of(world, local.direct, only=kind.name))
    assert apply_directly(machine.host, kind, plan) == ()
    nonce = secrets.token_hex(8)
    pull = kind.pull(machine.host, engine, f"{local.direct}/homeport-verify/{nonce}:latest")
    assert pull.ok, pull.said
    assert world.seen(nonce)


def test_the_mirrors_of_a_shadowed_table_go_on_after_ours(local: Hub, machine: Bound) -> None:
    kind = CLIENTS[0]
    local.push("homeport/old:1")
    machine.write(
        "/etc/containers/registries.conf.d/10-site.conf",
        f"""[[registry]]
prefix = "docker.io"
location = "docker.io"
blocked = true
[[registry.mirror]]
location = "{local.direct}"
insecure = true
""",
    )
    gone = Mirror("http://127.0.0.1:9", "http://127.0.0.1:9", MirrorKind.HOMEPORT)
    request = Request(gone, Mode.PREFER, engines=("podman",))
    engine, plan = planned(kind, machine.host, request)
    (finding,) = [one for one in plan.findings if one.code == "shadowed-table"]
    assert finding.place == "/etc/containers/registries.conf.d/10-site.conf:1:1"
    assert f"follow ours: {local.direct}" in finding.message
    assert apply_directly(machine.host, kind, plan) == ()
    pull = kind.pull(machine.host, engine, "docker.io/homeport/old:1")
    assert pull.ok, pull.said
    assert kind.enrolled(machine.host, engine)["docker.io"] == ("127.0.0.1:9", local.direct)


def test_a_more_exact_table_wins_and_is_said(world: Doors, local: Hub, machine: Bound) -> None:
    kind = CLIENTS[2]
    path = "/etc/containers/registries.conf.d/10-site.conf"
    machine.write(
        path,
        f"""# site
[[registry]]
prefix = "docker.io/team"
location = "{local.direct}/team"
insecure = true
""",
    )
    engine, plan = planned(kind, machine.host, request_of(world, only="skopeo"))
    (finding,) = [one for one in plan.findings if one.code == "more-specific-table"]
    assert finding.place == f"{path}:2:1"
    apply_directly(machine.host, kind, plan)
    assert kind.pull(machine.host, engine, "docker.io/team/app:1").ok


def test_a_later_file_wins_and_is_said(world: Doors, machine: Bound) -> None:
    kind = CLIENTS[2]
    path = "/etc/containers/registries.conf.d/99-z.conf"
    machine.write(path, '[[registry]]\nlocation = "docker.io"\nblocked = true\n')
    engine, plan = planned(kind, machine.host, request_of(world, only="skopeo"))
    (finding,) = [one for one in plan.findings if one.code == "overriding-table"]
    assert (finding.place, finding.severity) == (f"{path}:1:1", "error")
    (missing,) = apply_directly(machine.host, kind, plan)
    assert missing.code == "not-taken-up"
    pull = kind.pull(machine.host, engine, "docker.io/homeport-verify/0123456789abcdef:latest")
    assert not pull.ok
    assert "blocked" in pull.said


TABLE = '[[registry]]\nlocation = "x.y"\n'
FILES = [
    ("a = 1\na = 2", "2:1"),
    ("[[registry]]\nblocked = true", "1:1"),
    ('registry = "x"', "1:1"),
    ('[[registry]]\nprefix = "x.y"', "2:1"),
    ("[[registry]]\nlocation = 5", "2:1"),
    ('[[registry]]\nlocation = "https://x.y"', "2:1"),
    ('[[registry]]\nlocation = "x.y/"', ""),
    ('[[registry]]\nlocation = "x.y"\nprefix = "http://x.y"', "3:1"),
    ("short-name-mode = 'zz'", "1:1"),
    ('[[registry]]\nlocation = "x.y"\n[[registry.mirror]]\ninsecure = true', "3:1"),
    ('unqualified-search-registries = ["a/b"]', "1:1"),
    ('[aliases]\n"a:1" = "x.y/z"', "2:1"),
    ('[aliases]\n"a" = "z"', "2:1"),
    ('[[registry]]\nlocation = "x.y"\ninsecure = "yes"', "3:1"),
    (f'{TABLE}[[registry]]\nlocation = "x.y"\nprefix = "z.z"\nblocked = true', "3:1"),
    ('[[registry]]\nlocation = "x.y"\n[[registry]]\nlocation = "x.y"', ""),
    ("frob = 1", ""),
    (f'{TABLE}[[registry.mirror]]\nlocation = "m"\npull-from-mirror = "zz"', "5:1"),
    ("\ufeff# bom", "1:1"),
    ('[[registry]]\nprefix = "*.x.y"', ""),
    ("x = 99999999999999999999", "1:5"),
    ('[registries.search]\nregistries = ["a"]', "1:1"),
    ("[registries.search]\nregistries = []", ""),
    ("[registries.search]\nregistries = 5", "1:1"),
    ("[registries]\nx = 1", ""),
    ("x = ", "1:5"),
]


@pytest.mark.parametrize(("text", "place"), FILES, ids=range(len(FILES)))
def test_what_breaks_every_pull_is_refused_before_anything_is_touched(
    world: Doors, machine: Bound, text: str, place: str
) -> None:
    """Our reader and the client are of one mind about each file."""
    path = "/etc/containers/registries.conf.d/50-site.conf"
    machine.write(path, text + "\n")
    before = machine.files()
    kind = CLIENTS[2]
    (engine,) = kind.detect(machine.host)
    pull = kind.pull(machine.host, engine, "127.0.0.1:9/none:1")
    assert ("loading registries configuration" in pull.said) is bool(place), pull.said
    if not place:
        assert kind.plan(machine.host, engine, request_of(world, only="skopeo")).changes
        return
    (finding,) = [one for one in engine.findings if one.code == "broken-file"]
    assert finding.place == f"{path}:{place}"
    with pytest.raises(BrokenFileError):
        kind.plan(machine.host, engine, request_of(world, only="skopeo"))
    assert machine.files() == before


def test_a_users_own_file_keeps_the_systems_from_being_read(world: Doors, machine: Bound) -> None:
    kind = CLIENTS[0]
    machine.write("/etc/containers/registries.conf", "broken")
    machine.write("/root/.config/containers/registries.conf", "")
    engine, plan = planned(kind, machine.host, request_of(world, only="podman", tls=True))
    assert [change.path for change in plan.changes] == [
        "/root/.config/containers/registries.conf.d/99-homeport.conf",
        f"/root/.config/containers/certs.d/{world.tls_url[8:]}/homeport-ca.crt",
    ]
    apply_directly(machine.host, kind, plan)
    nonce = secrets.token_hex(8)
    pull = kind.pull(machine.host, engine, f"ghcr.io/homeport-verify/{nonce}:latest")
    assert pull.ok, pull.said


def test_all_clients_by_apply_and_undo(world: Doors, machine: Bound) -> None:
    """One writes the file, all use it, and nothing stays behind."""
    machine.write("/etc/containers/registries.conf", "# mine\n")
    before = machine.files()
    request = request_of(world, mode=Mode.ONLY, tls=True)
    plans = [planned(kind, machine.host, request)[1] for kind in CLIENTS]
    results = apply(machine.host, EnrollPlan(request, tuple(plans)))
    assert [result.state for result in results] == ["done", "unchanged", "unchanged"]
    for kind, plan in zip(CLIENTS, plans, strict=True):
        nonce = secrets.token_hex(8)
        pull = kind.pull(machine.host, plan.engine, f"quay.io/homeport-verify/{nonce}:latest")
        assert pull.ok, pull.said
        assert world.seen(nonce)
    plans = [planned(kind, machine.host, request)[1] for kind in CLIENTS]
    assert not EnrollPlan(request, tuple(plans)).drifted
    undo(machine.host)
    assert machine.files() == before
    assert not machine.at("/etc/containers/certs.d").exists()
