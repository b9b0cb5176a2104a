"""The container executor on an engine in memory; real ones hold it to the executors' contract."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from homeport.engine.api import EngineError, ImageInfo
from homeport.engine.fake import FakeEngine
from homeport.engine.fake_container import FakeContainer, play
from homeport.engine.options import ContainerOptions
from homeport.pipeline.execute.api import (
    ExecutorError,
    Exit,
    JobSpec,
    Selection,
    Session,
    Snapshot,
    Stop,
)
from homeport.pipeline.execute.container import ContainerExecutor, container_name
from homeport.pipeline.execute.container_access import HostAccess
from homeport.pipeline.model.config import Image
from homeport.pipeline.model.event import FailureReason
from testbed.trees import a_tree


def image(identity: str = "sha256:1", platform: str = "linux/amd64") -> ImageInfo:
    return ImageInfo(id=identity, entrypoint=(), command=(), user="", env={}, platform=platform)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(images={"alpine:3": image()})


def spec(**values: Any) -> JobSpec:
    base: dict[str, Any] = {
        "run": "r1",
        "job": "build",
        "attempt": 1,
        "env": {},
        "files": {},
        "project_path": "g/p",
        "image": Image(name="alpine:3"),
    }
    return JobSpec(**{**base, **values})


def ignore(_: object) -> None:
    return


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "file").write_text("content\n")
    return Snapshot(root=root, files=("file",), git=None, objects=None)


Open = Callable[..., Session]


@pytest.fixture
def session(engine: FakeEngine, snapshot: Snapshot) -> Session:
    opened = ContainerExecutor(engine, grace=0.1).open(spec(), ignore)
    opened.put(snapshot, [])
    return opened


def run(session: Session, script: str, stop: Stop | None = None) -> tuple[Exit, str]:
    out: list[bytes] = []
    ended = session.run(script, out.append, stop or Stop())
    return ended, b"".join(out).decode()


def test_a_trivial_job_asks_the_engine_for_no_more_than_it_must(
    engine: FakeEngine, snapshot: Snapshot
) -> None:
    executor = ContainerExecutor(engine)
    for attempt in (1, 2):
        session = executor.open(spec(attempt=attempt), ignore)
        session.put(snapshot, [])
        assert run(session, "echo hello") == (Exit(code=0), "hello\n")
        session.close()
    executor.close()
    per_job = ("create", "put_archive", "attach", "start", "wait", "remove")
    assert engine.calls == {**dict.fromkeys(per_job, 2), "image": 1, "containers": 1}
    assert engine.held == {}


def test_the_container_is_the_jobs(engine: FakeEngine) -> None:
    options = ContainerOptions(privileged=True, devices=("/dev/kvm",), volumes=("/a:/b",))
    access = HostAccess(options=options)
    wanted = Image(name="alpine:3", docker_user="app", docker_platform="linux/amd64")
    job = spec(job="build: [a b]", env={"A": "1"}, image=wanted)
    ContainerExecutor(engine, access, state="here").open(job, ignore)
    (made,) = (container.spec for container in engine.held.values())
    assert made.image == "alpine:3"
    assert made.labels == {
        "homeport.run": "r1",
        "homeport.job": "build: [a b]",
        "homeport.state": "here",
    }
    assert made.env["A"] == "1"
    assert made.env["GIT_CONFIG_VALUE_0"] == "/builds/g/p"
    assert (made.user, made.platform, made.stdin) == ("app", "linux/amd64", True)
    assert made.options == options
    assert made.command is not None
    assert made.command[0] == "sh"
    assert made.working_dir is None


def test_nothing_of_the_machine_is_given_by_default(engine: FakeEngine) -> None:
    ContainerExecutor(engine).open(spec(), ignore)
    (made,) = (container.spec for container in engine.held.values())
    assert made.options == ContainerOptions()
    assert made.network is None


@pytest.mark.parametrize(
    ("written", "asked"),
    [(None, None), ((), None), (("",), ()), (("/bin/sh", "-c"), ("/bin/sh", "-c"))],
)
def test_entry_points_as_the_runner_takes_them(
    engine: FakeEngine, written: tuple[str, ...] | None, asked: tuple[str, ...] | None
) -> None:
    job = spec(image=Image(name="alpine:3", entrypoint=written))
    ContainerExecutor(engine).open(job, ignore)
    assert [container.spec.entrypoint for container in engine.held.values()] == [asked]


@pytest.mark.parametrize(
    ("job", "other"),
    [
        ({"job": "a b"}, {"job": "a-b"}),
        ({"job": "x" * 100 + "1"}, {"job": "x" * 100 + "2"}),
        ({"attempt": 1}, {"attempt": 2}),
        ({"run": "1"}, {"run": "2"}),
        ({"job": "\u00e9"}, {"job": "\u00e8"}),
    ],
)
def test_container_names_differ_and_are_allowed(job: dict[str, Any], other: dict[str, Any]) -> None:
    names = [container_name(spec(**values)) for values in (job, other)]
    assert names[0] != names[1]
    for name in names:
        assert name.replace("-", "").isalnum()
        assert len(name) < 128


def test_the_workspace_is_in_the_container(engine: FakeEngine, snapshot: Snapshot) -> None:
    session = ContainerExecutor(engine).open(spec(files={"CERT": "pem"}), ignore)
    session.put(snapshot, [])
    (container,) = engine.held.values()
    assert container.files["builds/g/p/file"][1] == b"content\n"
    assert container.files["builds/g/p.tmp/CERT"][1] == b"pem"
    assert session.project_dir == "/builds/g/p"


def test_the_script_is_read_in_the_project_folder(session: Session, engine: FakeEngine) -> None:
    run(session, "echo x")
    (container,) = engine.held.values()
    assert container.stdin.decode() == "cd '/builds/g/p' || exit 1\necho x"


def test_a_failed_script(session: Session) -> None:
    failed = Exit(code=7, failure=FailureReason.SCRIPT_FAILURE)
    assert run(session, "exit 7") == (failed, "")
    assert run(session, "cat /builds/g/p/file") == (Exit(code=0), "content\n")


def stop_when_running(engine: FakeEngine, stop: Stop) -> None:
    (container,) = engine.held.values()

    def wait() -> None:
        container.started.wait(10)
        stop.request("canceled")

    threading.Thread(target=wait).start()


def test_a_stop_asks_all_processes_first(session: Session, engine: FakeEngine) -> None:
    stop = Stop()
    stop_when_running(engine, stop)
    assert run(session, "sleep 60", stop) == (Exit(code=None, message="canceled"), "")
    (container,) = engine.held.values()
    assert container.executed == [("sh", "-c", "kill -TERM -1")]
    assert run(session, "echo after") == (Exit(code=0), "after\n")


def test_a_stop_kills_what_does_not_listen(snapshot: Snapshot) -> None:
    def deaf(container: FakeContainer, script: str) -> int:
        while container.signal != "SIGKILL":
            container.signalled.wait(0.01)
        return play(container, script)

    engine = FakeEngine(images={"alpine:3": image()}, program=deaf)
    session = ContainerExecutor(engine, grace=0.05).open(spec(), ignore)
    session.put(snapshot, [])
    stop = Stop()
    stop_when_running(engine, stop)
    assert run(session, "sleep 60", stop)[0] == Exit(code=None, message="canceled")


def test_an_engine_that_does_not_answer_a_stop_is_let_go(
    session: Session, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeport.pipeline.execute.container_session._PATIENCE", 0.05)

    def hang(*_: object) -> None:
        raise EngineError.of("no answer in time")

    monkeypatch.setattr(engine, "kill", hang)
    monkeypatch.setattr(engine, "execute", hang)
    stop = Stop()
    stop_when_running(engine, stop)
    assert run(session, "sleep 60", stop)[0] == Exit(code=None, message="canceled")


def test_an_engine_that_dies_is_one_clear_error(session: Session, engine: FakeEngine) -> None:
    (container,) = engine.held.values()

    def die() -> None:
        container.started.wait(10)
        engine.die("it hung up")

    threading.Thread(target=die).start()
    with pytest.raises(ExecutorError, match=r"lost the container of image alpine:3.*hung up"):
        run(session, "sleep 60")
    session.close()


@pytest.mark.parametrize("method", ["put", "run", "collect"])
def test_each_step_without_an_engine_is_a_clear_error(
    session: Session, engine: FakeEngine, snapshot: Snapshot, tmp_path: Path, method: str
) -> None:
    engine.die("gone")
    steps = {
        "put": lambda: session.put(snapshot, []),
        "run": lambda: session.run("", ignore, Stop()),
        "collect": lambda: session.collect(Selection(paths=("a",)), a_tree(tmp_path)),
    }
    with pytest.raises(ExecutorError, match=r"container of image alpine:3: .*gone"):
        steps[method]()


def test_an_image_without_a_shell_is_named(
    session: Session, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: str) -> None:
        raise EngineError.of('exec: "sh": executable file not found in $PATH')

    monkeypatch.setattr(engine, "start", start)
    with pytest.raises(ExecutorError, match="image alpine:3 has no shell"):
        run(session, "echo")


def test_closing_removes_what_sessions_left(engine: FakeEngine) -> None:
    executor = ContainerExecutor(engine)
    executor.open(spec(), ignore)
    executor.open(spec(job="other"), ignore)
    executor.close()
    executor.close()
    assert engine.held == {}


def test_an_unreadable_tree_is_a_clear_error(
    session: Session, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied", "file")

    monkeypatch.setattr("homeport.pipeline.execute.container_archive.os.open", refuse)
    with pytest.raises(ExecutorError, match="cannot read the workspace: file: Permission denied"):
        session.put(snapshot, [])
