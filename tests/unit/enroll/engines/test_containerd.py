"""containerd's files: which are read, and what is planned."""

import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.enroll.apply import apply
from homeport.enroll.direct import apply_directly
from homeport.enroll.engines.containerd import KINDS
from homeport.enroll.engines.containerd_config import parse_release
from homeport.enroll.errors import (
    BrokenFileError,
    CannotPullError,
    ConflictError,
    EngineError,
    EnrollError,
)
from homeport.enroll.formats.toml_text import write_value
from homeport.enroll.host import Ran
from homeport.enroll.model import (
    Effect,
    EnginePlan,
    EnrollPlan,
    KeyChange,
    Mirror,
    MirrorKind,
    Mode,
    Ownership,
    Request,
)
from homeport.enroll.undo import undo
from testbed.machine import Machine

GOLDEN = Path(__file__).parent / "golden"
CONFIG = "/etc/containerd/config.toml"
CERTS = "/etc/containerd/certs.d"
MIRROR = Mirror("https://mirror.corp:5443", "https://mirror.corp:5443", MirrorKind.HOMEPORT)
(KIND,) = KINDS


def machine_of(tmp_path: Path, release: str = "1.6.20", config: "str | None" = None) -> Machine:
    machine = Machine(tmp_path / "m", uid=0)
    says = f"containerd github.com/containerd/containerd v{release} abc\n"
    machine.answer("containerd", "--version", says=says)
    machine.write("/run/containerd/containerd.sock", "")
    if config is not None:
        machine.write(CONFIG, config)
    return machine


def plan_of(machine: Machine, *, mode: Mode = Mode.PREFER, mirror: Mirror = MIRROR) -> EnginePlan:
    (engine,) = KIND.detect(machine.host)
    return KIND.plan(machine.host, engine, Request(mirror, mode, ("docker.io",)))


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("kind", ["homeport", "harbor"])
def test_the_hosts_file(tmp_path: Path, mode: Mode, kind: str) -> None:
    paths = {"docker.io": "proxy-hub"} if kind == "harbor" else {}
    mirror = Mirror(MIRROR.url, MIRROR.url, MirrorKind(kind), ca="PEM\n", paths=paths)
    plan = plan_of(machine_of(tmp_path), mode=mode, mirror=mirror)
    authority, hosts, config = plan.changes
    assert authority.path == f"{CERTS}/homeport-ca.crt"
    assert hosts.after is not None
    assert hosts.after.content == (GOLDEN / f"hosts-{kind}-{mode.value}.toml").read_text()
    tomllib.loads(hosts.after.content)
    assert config.ownership is Ownership.WHOLE
    assert plan.proven is False


@pytest.mark.parametrize(
    ("release", "config", "keys"),
    [
        ("1.6.20", "version = 2\n", "io.containerd.grpc.v1.cri"),
        ("1.6.20", "[plugins.cri]\n", "cri"),
        ("1.6.20", None, "io.containerd.grpc.v1.cri"),
        ("1.6.20", "", "io.containerd.grpc.v1.cri"),
        ("2.0.1", None, "io.containerd.cri.v1.images"),
        ("2.2.0", "version = 3\n", "io.containerd.cri.v1.images"),
        ("2.1.0", "version = 2\n", "io.containerd.grpc.v1.cri"),
    ],
)
def test_config_path_is_set_where_its_version_has_it(
    tmp_path: Path, release: str, config: "str | None", keys: str
) -> None:
    machine = machine_of(tmp_path, release, config)
    plan = plan_of(machine)
    change = plan.changes[-1]
    assert change.after is not None
    values = tomllib.loads(change.after.content)
    assert values["plugins"][keys]["registry"] == {"config_path": CERTS}
    assert (plan.effect, plan.stops) == (Effect.RESTART, ())
    assert plan.command == ("systemctl", "restart", "containerd")
    assert [finding.code for finding in plan.findings] == ["containers-go-on"]
    if config:
        way = ("plugins", keys, "registry", "config_path")
        assert change.keys == (KeyChange(way, False, None, True, CERTS),)
        assert change.format == "toml"
    machine.answer("containerd", "--config")
    machine.answer("systemctl", "restart", "containerd")
    machine.answer("ctr", says="io.containerd.grpc.v1  cri  linux/amd64  ok\n")
    assert apply_directly(machine.host, KIND, plan) == ()
    assert plan_of(machine).changes == ()
    machine.answer("ctr", says="io.containerd.grpc.v1  cri  linux/amd64  error\n")
    assert [finding.severity for finding in KIND.confirm(machine.host, plan)] == ["error"]


def test_a_file_of_comments_gets_a_version(tmp_path: Path) -> None:
    """Of one without, containerd reads the tables of version 1: ours would count for nothing."""
    machine = machine_of(tmp_path, config='# disabled_plugins = ["cri"]\n')
    (change,) = [change for change in plan_of(machine).changes if change.path == CONFIG]
    assert change.after is not None
    assert change.after.content.startswith('# disabled_plugins = ["cri"]\n')
    assert tomllib.loads(change.after.content)["version"] == 2
    assert [key.path[0] for key in change.keys] == ["version", "plugins"]


def test_it_is_not_restarted_with_what_it_would_not_start_with(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, config="version = 2\n")
    plan = plan_of(machine)
    machine.answer("containerd", "--config", says=Ran(1, "", "bad"))
    with pytest.raises(EngineError, match="would not start"):
        KIND.take_up(machine.host, plan)
    assert ("systemctl", "restart", "containerd") not in machine.calls


REGISTRY = '[plugins."io.containerd.grpc.v1.cri".registry]\n'


def test_where_config_path_leads(tmp_path: Path) -> None:
    config = f'version = 2\n{REGISTRY}config_path = "/srv/certs:/etc/docker/certs.d"\n'
    machine = machine_of(tmp_path, "2.2.1", config)
    plan = plan_of(machine)
    assert [change.path for change in plan.changes] == ["/srv/certs/docker.io/hosts.toml"]
    assert plan.effect is Effect.NOTHING
    assert plan.engine.findings == ()
    machine = machine_of(tmp_path / "old", "1.7.2", config)
    assert [one.code for one in KIND.detect(machine.host)[0].findings] == ["config-path-list"]


def test_imports_count(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, config='version = 2\nimports = ["conf.d/*.toml"]\n')
    machine.write("/etc/containerd/conf.d/a.toml", f'version = 2\n{REGISTRY}config_path = "/c"\n')
    assert plan_of(machine).changes[-1].path == "/c/docker.io/hosts.toml"
    machine.write(
        "/etc/containerd/conf.d/a.toml",
        'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "x"\n',
    )
    with pytest.raises(ConflictError) as caught:
        plan_of(machine)
    assert caught.value.place == "/etc/containerd/conf.d/a.toml"


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ("version = 2\nversion = 2\n", "2:1"),
        ("version = 7\n", "1:1"),
        ("\nversion = 3\n", "2:1"),
        (f"version = 2\n{REGISTRY}config_path = 1\n", "3:1"),
        ("version = [\n", "2:1"),
    ],
)
def test_what_it_would_not_start_with_is_refused(tmp_path: Path, config: str, place: str) -> None:
    machine = machine_of(tmp_path, config=config)
    (engine,) = KIND.detect(machine.host)
    assert engine.findings[0].place == f"{CONFIG}:{place}"
    with pytest.raises(BrokenFileError):
        plan_of(machine)


def test_where_only_docker_uses_it_nothing_is_written(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, config='disabled_plugins = ["cri"]\n')
    plan = plan_of(machine)
    assert plan.changes == ()
    assert [finding.code for finding in plan.findings] == ["nothing-reads-it"]
    machine.answer("nerdctl", says="nerdctl version 1.7.0")
    plan = plan_of(machine)
    assert [change.path for change in plan.changes] == [f"{CERTS}/docker.io/hosts.toml"]
    assert KIND.pull(machine.host, plan.engine, "docker.io/x:1").ok
    assert machine.calls[-1] == (
        "nerdctl",
        "--namespace",
        "homeport-verify",
        "pull",
        "docker.io/x:1",
    )
    KIND.remove(machine.host, plan.engine, "docker.io/x:1")


def test_cri_is_asked_where_it_is_what_was_configured(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, config="version = 2\n")
    machine.answer("crictl", says="ok")
    plan = plan_of(machine)
    assert KIND.pull(machine.host, plan.engine, "docker.io/x:1").ok
    assert machine.calls[-1][:2] == ("crictl", "--runtime-endpoint")


def test_one_that_does_not_run_is_said_to_be_and_not_waited_for(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, config="version = 2\n")
    plan = plan_of(machine)
    words = 'ctr: failed to dial "/run/containerd/containerd.sock": context deadline exceeded'
    machine.answer("ctr", says=Ran(1, "", words))
    for _ in range(2):
        with pytest.raises(EngineError, match="does not answer at /run/containerd") as caught:
            KIND.pull(machine.host, plan.engine, "docker.io/x:1")
        assert "systemctl start containerd" in caught.value.hint
    with pytest.raises(EngineError, match="does not answer"):
        KIND.remove(machine.host, plan.engine, "docker.io/x:1")
    machine.at("/run/containerd/containerd.sock").unlink()
    (engine,) = KIND.detect(machine.host)
    machine.calls.clear()
    with pytest.raises(EngineError, match="does not answer"):
        KIND.pull(machine.host, engine, "docker.io/x:1")
    KIND.remove(machine.host, engine, "docker.io/x:1")
    assert machine.calls == []


def test_a_users_nerdctl(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", env={"HOME": "/home/ann"}, uid=1000)
    assert KIND.detect(machine.host) == ()
    machine.answer("nerdctl", says="nerdctl version 1.7.0")
    plan = plan_of(machine)
    (change,) = plan.changes
    assert change.path == "/home/ann/.config/containerd/certs.d/docker.io/hosts.toml"
    assert (plan.proven, plan.effect) == (False, Effect.NOTHING)


@pytest.mark.parametrize(
    ("said", "release"),
    [
        ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3", (1, 6, 20)),
        ("containerd containerd.io v2.2.0 abc", (2, 2, 0)),
        ("containerd", ()),
    ],
)
def test_releases(said: str, release: tuple[int, ...]) -> None:
    assert parse_release(said) == release


LAYOUTS = [
    'version = 2\n\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri"]\n    a = 1 # c\n\n[debug]\n',
    'version = 2\r\n[plugins."io.containerd.grpc.v1.cri".registry]\r\n  config_path = ""\r\n',
    'version = 2\nplugins."io.containerd.grpc.v1.cri" = { registry = { } }\n',
    "version = 2",
    '# disabled_plugins = ["cri"]\n\n# [debug]\n',
    "",
    None,
]


@pytest.mark.parametrize("config", LAYOUTS, ids=range(len(LAYOUTS)))
@pytest.mark.parametrize("edited", [False, True], ids=["as it was", "edited since"])
def test_apply_and_undo_by_the_journal(tmp_path: Path, config: "str | None", edited: bool) -> None:
    machine = machine_of(tmp_path, config=config)
    machine.answer("containerd", "--config")
    machine.answer("systemctl", "restart", "containerd")
    machine.answer("ctr", says="")
    before = machine.files()
    (engine,) = KIND.detect(machine.host)
    request = Request(MIRROR, registries=("docker.io",), allow_restart=True)
    plan = EnrollPlan(request, (KIND.plan(machine.host, engine, request),))
    assert [result.state for result in apply(machine.host, plan)] == ["done"]
    if edited and config:
        text = machine.at(CONFIG).read_bytes().decode()
        machine.write(CONFIG, f"# theirs\n{text}")
    undo(machine.host, allow_restart=True)
    after = machine.files()
    if edited and config:
        content = after.pop(CONFIG)[0].decode()
        was = before.pop(CONFIG)[0].decode()
        assert content.startswith("# theirs\n")
        assert tomllib.loads(content) == tomllib.loads(was)
        if "{ }" not in was and was.endswith("\n"):
            assert content == f"# theirs\n{was}"
    kept = {name for name in after if name.startswith("/var")}
    assert {name: after[name] for name in after if name not in kept} == before
    assert machine.calls.count(("systemctl", "restart", "containerd")) == 2


def test_the_proxy_of_the_daemon_is_found(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, config="version = 2\n")
    machine.answer("systemctl", "show", says="MainPID=77\n")
    machine.write("/proc/77/environ", "A=b\0HTTPS_PROXY=http://u:secret@proxy.corp:3128\0")
    (finding,) = [one for one in plan_of(machine).findings if one.code == "proxy"]
    assert "proxy.corp:3128" in finding.message
    assert "secret" not in finding.message
    machine.write("/proc/77/environ", "HTTPS_PROXY=http://proxy.corp\0NO_PROXY=.corp\0")
    assert "proxy" not in [one.code for one in plan_of(machine).findings]


def test_nothing_is_pulled_where_nothing_was_written(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, config='disabled_plugins = ["cri"]\n')
    (engine,) = KIND.detect(machine.host)
    with pytest.raises(CannotPullError):
        KIND.pull(machine.host, engine, "docker.io/x:1")
    request = Request(MIRROR, registries=("docker.io",), engines=("containerd:system",))
    assert KIND.plan(machine.host, engine, request).changes


def test_what_the_users_files_do_not_do_is_said(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, config="version = 2\n")
    for name, text in {
        "a.io": "[host\n",
        "b.io": 'server = "https://b"\n',
        "c.io": '[host."m.corp"]\ncapabilities = ["pull"]\n',
        "d.io": 'server = "https://d"\n[host."http://m"]\ncapabilities = ["pull", "resolve"]\n',
    }.items():
        machine.write(f"{CERTS}/{name}/hosts.toml", text)
    (engine,) = KIND.detect(machine.host)
    assert [(one.code, one.place.removeprefix(CERTS)) for one in engine.findings] == [
        ("broken-hosts-file", "/a.io/hosts.toml:1:6"),
        ("server-without-host", "/b.io/hosts.toml:1:1"),
        ("no-scheme", "/c.io/hosts.toml:1:1"),
        ("no-resolve", "/c.io/hosts.toml:1:1"),
    ]


ODD = st.recursive(
    st.sampled_from([0, 1, 2, 3, True, "", "x", "cri", "/c", "conf.d/*.toml", 2.0]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "registry",
                    "mirrors",
                    "configs",
                    "tls",
                    "config_path",
                    "cri",
                    "server",
                    "host",
                    "capabilities",
                    "io.containerd.grpc.v1.cri",
                    "io.containerd.cri.v1.images",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(
    st.dictionaries(
        st.sampled_from(["version", "plugins", "imports", "disabled_plugins", "host", "server"]),
        ODD,
    )
)
def test_no_file_is_too_odd_to_be_refused(values: dict[str, Any]) -> None:
    """Detection never raises; a plan raises nothing but EnrollError, and sets what it says."""
    with tempfile.TemporaryDirectory() as folder:
        text = "".join(f"{key} = {write_value(value)}\n" for key, value in values.items())
        machine = machine_of(Path(folder), config=text)
        machine.write("/etc/containerd/conf.d/a.toml", text)
        machine.write(f"{CERTS}/x.io/hosts.toml", text)
        try:
            plan = plan_of(machine)
        except EnrollError:
            return
        for change in plan.changes:
            assert change.after is not None
            tomllib.loads(change.after.content)
