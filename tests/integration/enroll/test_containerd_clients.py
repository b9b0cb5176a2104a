"""A real containerd, by the hosts.toml that enrolment plans; ctr reads it as CRI and nerdctl do."""

import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from homeport.enroll.direct import apply_directly, undo_directly
from homeport.enroll.engines.containerd import KINDS
from homeport.enroll.errors import BrokenFileError, ConflictError
from homeport.enroll.model import Effect, Engine, EnginePlan, Mirror, MirrorKind, Mode, Request
from testbed.bound import Bound, Doors, bound, containerd, doors
from testbed.hub import Hub, hub

REGISTRIES = ("docker.io", "ghcr.io", "quay.io")
NO_CRI = 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
(KIND,) = KINDS


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


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bound]:
    with bound(tmp_path_factory.mktemp("m") / "machine") as made, containerd(made):
        yield made


@pytest.fixture(autouse=True)
def _clean(machine: Bound) -> None:
    subprocess.run(["rm", "-rf", str(machine.at("/etc/containerd"))], check=True)
    machine.write("/etc/containerd/config.toml", NO_CRI)


def planned(machine: Bound, request: Request) -> tuple[Engine, EnginePlan]:
    (engine,) = KIND.detect(machine.host)
    return engine, KIND.plan(machine.host, engine, request)


def request_of(url: str, *registries: str, ca: str | None = None) -> Request:
    mirror = Mirror(url, url, MirrorKind.HOMEPORT, ca=ca)
    return Request(mirror, registries=registries or REGISTRIES, engines=("containerd",))


REQUEST = request_of("http://127.0.0.1:9")


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("tls", [False, True], ids=["http", "tls"])
def test_a_canary_of_each_registry(world: Doors, machine: Bound, mode: Mode, tls: bool) -> None:
    before = machine.files()
    url, ca = (world.tls_url, world.ca) if tls else (world.url, None)
    request = replace(request_of(url, ca=ca), mode=mode)
    engine, plan = planned(machine, request)
    assert engine.running
    assert plan.effect is Effect.NOTHING
    assert plan.proven
    assert apply_directly(machine.host, KIND, plan) == ()
    assert KIND.plan(machine.host, engine, request).changes == ()
    for registry in REGISTRIES:
        nonce = secrets.token_hex(8)
        reference = f"{registry}/homeport-verify/{nonce}:latest"
        pull = KIND.pull(machine.host, engine, reference)
        assert pull.ok, pull.said
        assert any("containerd/" in seen["agent"] for seen in world.seen(nonce))
        KIND.remove(machine.host, engine, reference)
    assert KIND.enrolled(machine.host, engine) == dict.fromkeys(REGISTRIES, (url,))
    said = machine.host.run("ctr", "--address", "/run/containerd/containerd.sock", "ns", "ls", "-q")
    assert "homeport-verify" not in said.out
    undo_directly(machine.host, KIND, plan)
    assert machine.files() == before


def test_only_asks_nobody_but_the_mirror(world: Doors, local: Hub, machine: Bound) -> None:
    """The mirror cannot be had: the registry itself could, and is asked by PREFER alone."""
    reference = f"{local.direct}/team/app:1"
    for mode, asked in ((Mode.ONLY, False), (Mode.PREFER, True)):
        request = replace(request_of("http://127.0.0.1:9", local.direct), mode=mode)
        engine, plan = planned(machine, request)
        assert apply_directly(machine.host, KIND, plan) == ()
        pull = KIND.pull(machine.host, engine, reference)
        assert pull.ok is asked, pull.said
    KIND.remove(machine.host, engine, reference)
    _, plan = planned(machine, replace(request_of(world.url, local.direct), mode=Mode.ONLY))
    assert apply_directly(machine.host, KIND, plan) == ()
    pull = KIND.pull(machine.host, engine, reference)
    assert pull.ok, pull.said
    assert local.count("GET", "/v2/team/app/")


def test_a_folder_with_underscores_is_the_one_that_is_read(
    world: Doors, local: Hub, machine: Bound
) -> None:
    name = local.direct.replace(":", "_") + "_"
    machine.write(f"/etc/containerd/certs.d/{name}/ca.crt", "x")
    engine, plan = planned(machine, request_of(world.url, local.direct))
    (change,) = plan.changes
    assert change.path == f"/etc/containerd/certs.d/{name}/hosts.toml"
    assert [finding.code for finding in plan.findings] == ["shadowed-certificates"]
    apply_directly(machine.host, KIND, plan)
    nonce = secrets.token_hex(8)
    assert KIND.pull(machine.host, engine, f"{local.direct}/homeport-verify/{nonce}:latest").ok
    assert world.seen(nonce)


def test_a_users_hosts_file_is_refused_with_what_to_add(world: Doors, machine: Bound) -> None:
    path = "/etc/containerd/certs.d/docker.io/hosts.toml"
    machine.write(path, '[host."https://mine"]\n')
    with pytest.raises(ConflictError) as caught:
        planned(machine, request_of(world.url))
    assert f'[host."{world.url}"]' in caught.value.hint
    assert caught.value.place == path


CONFIGS = [
    'version = 2\n\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri"]\n    sandbox_image = "p"\n',
    "version = 2\n",
    '[plugins.cri]\n  sandbox_image = "p"\n',
    "",
]


@pytest.mark.parametrize("text", CONFIGS, ids=range(len(CONFIGS)))
def test_the_real_containerd_reads_the_edited_configuration(
    world: Doors, machine: Bound, text: str, tmp_path: Path
) -> None:
    machine.write("/etc/containerd/config.toml", text)
    _, plan = planned(machine, request_of(world.url))
    assert plan.effect is Effect.RESTART
    change = plan.changes[-1]
    assert change.after is not None
    written = tmp_path / "config.toml"
    written.write_text(change.after.content)
    command = ["containerd", "--config", str(written), "config", "dump"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert 'config_path = "/etc/containerd/certs.d"' in done.stdout
    # and its CRI plugin starts with it
    extra = f'root = "{tmp_path}/root"\nstate = "{tmp_path}/state"\n'
    address = f'[grpc]\n  address = "{tmp_path}/c.sock"\n'
    start, _, rest = change.after.content.partition("[")
    written.write_text(f"{start}{extra}{address}[{rest}")
    assert _cri_state(written, tmp_path) == "ok"


OLD = [
    'mirrors."docker.io"]\n  endpoint = ["http://127.0.0.1:9"]\n',
    'configs."registry.corp".tls]\n  insecure_skip_verify = true\n',
]


@pytest.mark.parametrize("table", OLD, ids=["mirrors", "tls"])
def test_mirrors_of_the_old_kind_are_refused_as_cri_refuses_them(
    machine: Bound, table: str, tmp_path: Path
) -> None:
    registry = 'plugins."io.containerd.grpc.v1.cri".registry'
    old = f"[{registry}.{table}"
    for more, error in (("", ConflictError), ('config_path = "/etc/x"\n', BrokenFileError)):
        text = f"version = 2\n[{registry}]\n{more}{old}"
        machine.write("/etc/containerd/config.toml", text)
        before = machine.files()
        with pytest.raises(error) as caught:
            KIND.plan(machine.host, Engine("containerd", "containerd:system", ""), REQUEST)
        line = text.splitlines().index(old.splitlines()[0]) + 1
        assert caught.value.place == f"/etc/containerd/config.toml:{line}:1"
        assert machine.files() == before
    head = f'root = "{tmp_path}/root"\nstate = "{tmp_path}/state"\n'
    config = tmp_path / "config.toml"
    config.write_text(f'{head}{text}[grpc]\n  address = "{tmp_path}/c.sock"\n')
    assert _cri_state(config, tmp_path) == "error"


def _cri_state(config: Path, folder: Path) -> str:
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        ["containerd", "--config", str(config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            command = ["ctr", "--address", f"{folder}/c.sock", "plugins", "ls"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
            states = [
                line.split()[-1]
                for line in done.stdout.splitlines()
                if line.split()[1:2] == ["cri"]
            ]
            if states:
                return states[0]
        return (folder / "log").read_text()
    finally:
        process.terminate()
        process.wait(20)
        log.close()
