"""Container jobs on real engines: what depends on the image, on git, and on the engine's health."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from homeport.engine.api import Engine
from homeport.engine.docker import connect
from homeport.lib.git import Git
from homeport.pipeline.execute.api import ExecutorError, Exit, JobSpec, Session, Snapshot, Stop
from homeport.pipeline.execute.container import ContainerExecutor
from homeport.pipeline.execute.script import script_text
from homeport.pipeline.execute.snapshot import take_snapshot
from homeport.pipeline.model.config import Image
from homeport.pipeline.model.event import FailureReason
from testbed.engine_proxy import Proxy

pytestmark = pytest.mark.engine
RUN = f"integration-{os.getpid()}"
Open = Callable[..., Session]


@pytest.fixture(params=["docker", "podman"])
def address(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_address"))


@pytest.fixture
def engine(address: str) -> Iterator[Engine]:
    engine = connect(address)
    yield engine
    engine.close()


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """A repository of 25 commits with an uncommitted change and an untracked file."""
    root = tmp_path / "tree"
    root.mkdir()
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    for name in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{name}_NAME": "a", f"GIT_{name}_EMAIL": "a@example.com"}

    def git(*args: str) -> str:
        done = subprocess.run(["git", *args], cwd=root, env=env, check=True, capture_output=True)
        return done.stdout.decode().strip()

    git("init", "-q", "-b", "main")
    for number in range(25):
        (root / "file").write_text(f"{number}\n")
        git("add", "file")
        git("commit", "-qm", f"commit {number}")
    git("tag", "v1")
    (root / "file").write_text("changed\n")
    (root / "untracked").write_text("")
    return take_snapshot(
        Git(root), root, git("rev-parse", "HEAD"), into=tmp_path / "snapshot", branch="main"
    )


@pytest.fixture
def open_session(engine: Engine, snapshot: Snapshot) -> Iterator[Open]:
    executor = ContainerExecutor(engine)

    def open_one(image: Image | str, job: str = "job") -> Session:
        named = Image(name=image) if isinstance(image, str) else image
        spec = JobSpec(
            run=RUN, job=job, attempt=1, env={}, files={}, project_path="g/p", image=named
        )
        session = executor.open(spec, lambda _: None)
        session.put(snapshot, [])
        return session

    yield open_one
    executor.close()
    assert engine.containers({"homeport.run": RUN}) == ()


def run(session: Session, *commands: str, stop: Stop | None = None) -> tuple[Exit, str]:
    out: list[bytes] = []
    script = script_text(["\n".join((":", *commands))])
    ended = session.run(script, out.append, stop or Stop())
    return ended, b"".join(out).decode().replace("$ : # collapsed multi-line command\n", "")


@pytest.mark.parametrize(
    ("image", "shell"), [("alpine:3.20", "busybox"), ("debian:bookworm", "bash")]
)
def test_the_best_shell_of_the_image_runs_the_script(
    open_session: Open, image: str, shell: str
) -> None:
    ask = '[ -n "${BASH_VERSION-}" ] && echo bash || readlink /proc/$$/exe | sed "s|.*/||"'
    assert run(open_session(image), ask) == (Exit(code=0), f"{shell}\n")


@pytest.mark.parametrize(
    ("image", "code", "output"),
    [
        (Image(name="entrypoint-exec"), 3, "entry: sh -c exec 2>\nran\n"),
        (Image(name="entrypoint-exec", entrypoint=("",)), 3, "ran\n"),
        (Image(name="entrypoint-exec", entrypoint=()), 3, "entry: sh -c exec 2>\nran\n"),
        (Image(name="entrypoint-closed", entrypoint=("",)), 3, "ran\n"),
        (Image(name="alpine", entrypoint=("/bin/env", "X=1")), 3, "ran 1\n"),
    ],
)
def test_entry_points(open_session: Open, image: Image, code: int, output: str) -> None:
    failed = Exit(code=code, failure=FailureReason.SCRIPT_FAILURE)
    assert run(open_session(image), "echo ran $X", "exit 3") == (failed, output)


def test_an_entry_point_that_starts_no_shell_is_what_runs(open_session: Open) -> None:
    ended, output = run(open_session("entrypoint-closed"), "echo never")
    assert ended == Exit(code=0)
    assert output.startswith("closed sh -c exec")


def test_an_image_without_a_shell_is_named(open_session: Open) -> None:
    session = open_session("no-shell")
    with pytest.raises(ExecutorError, match="image no-shell has no shell"):
        run(session, "echo never")


def test_a_user_of_the_image_may_write_everywhere_in_the_workspace(open_session: Open) -> None:
    session = open_session("nonroot")
    assert run(
        session,
        "id -u",
        "echo more >> file; mkdir new; echo x > new/x; rm untracked",
        "git log --oneline | wc -l; git status --short; git tag",
        "git -c user.name=a -c user.email=b commit -qam mine; git rev-list --count HEAD",
    ) == (Exit(code=0), "1000\n20\n M file\n?? new/\nv1\n21\n")


def test_another_user_than_the_images(open_session: Open) -> None:
    image = Image(name="alpine", docker_user="1234:1234")
    assert run(open_session(image), "id -u; echo x > mine; cat mine") == (
        Exit(code=0),
        "1234\nx\n",
    )


def test_git_works_in_the_container(open_session: Open, snapshot: Snapshot) -> None:
    assert snapshot.git is not None
    sha = (snapshot.git / "HEAD").read_text().strip()
    assert run(
        open_session("debian:bookworm"),
        "git rev-parse HEAD origin/main; git describe --tags; git status --short",
        "git rev-list --count HEAD; git fsck; git show --stat --format=%s | head -1",
        "git symbolic-ref -q HEAD || echo detached",
    ) == (Exit(code=0), f"{sha}\n{sha}\nv1\n M file\n?? untracked\n20\ncommit 24\ndetached\n")


def test_a_missing_image_is_one_clear_error(engine: Engine) -> None:
    spec = JobSpec(
        run=RUN,
        job="job",
        attempt=1,
        env={},
        files={},
        project_path="g/p",
        image=Image(name="127.0.0.1:1/not-here:1"),
        pull_policy=("never",),
    )
    with pytest.raises(ExecutorError, match=r"failed to pull image .*not-here:1.*never"):
        ContainerExecutor(engine).open(spec, lambda _: None)


@pytest.fixture
def proxy(tmp_path: Path, address: str) -> Iterator[tuple[Proxy, str]]:
    made = Proxy(tmp_path / "socket", address.removeprefix("unix://"))
    yield made, f"unix://{tmp_path}/socket"
    made.close()


def test_an_engine_that_dies_mid_job_is_one_clear_error(
    proxy: tuple[Proxy, str], engine: Engine, snapshot: Snapshot
) -> None:
    through = connect(proxy[1])
    executor = ContainerExecutor(through)
    spec = JobSpec(
        run=f"{RUN}-dies",
        job="job",
        attempt=1,
        env={},
        files={},
        project_path="g/p",
        image=Image(name="alpine"),
    )
    session = executor.open(spec, lambda _: None)
    session.put(snapshot, [])

    def sink(data: bytes) -> None:
        if b"ready\n" in data.splitlines(keepends=True):
            proxy[0].cut()

    start = time.monotonic()
    with pytest.raises(ExecutorError, match="lost the container of image alpine: the container"):
        session.run(script_text(["echo ready", "sleep 60"]), sink, Stop())
    assert time.monotonic() - start < 10
    session.close()
    executor.close()
    through.close()
    for container in engine.containers({"homeport.run": f"{RUN}-dies"}):
        engine.remove(container)
