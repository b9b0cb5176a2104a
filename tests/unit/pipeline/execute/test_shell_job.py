"""Whole jobs on the shell executor: what they leave, what they hide, what they hand on."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homeport.pipeline.execute.api import JobResult, Snapshot, Stop
from homeport.pipeline.execute.checkout import Checkout
from homeport.pipeline.execute.job import JobRunner
from homeport.pipeline.execute.shell import ShellExecutor
from homeport.pipeline.execute.state import Run, State
from homeport.pipeline.model.config import Artifacts, ArtifactsWhen
from homeport.pipeline.model.event import Event, FailureReason, JobOutput, Status
from homeport.pipeline.model.plan import JobPlan, Plan, Runs, ScopedVariable

PATH = "/usr/local/bin:/usr/bin:/bin"


class Jobs:
    def __init__(self, tmp_path: Path, shell: str) -> None:
        root = tmp_path / "tree"
        root.mkdir()
        (root / "file").write_text("mine\n")
        self.root = root
        self.state = State.open(
            root, {"HOME": str(tmp_path / "home")}, kept_runs=20, kept_bytes=10**9
        )
        self.current: Run = self.state.new_run()
        self.events: list[Event] = []
        executor = ShellExecutor(self.current.builds_path, host_env={"PATH": PATH}, shell=shell)
        self.runner = JobRunner(
            Plan(stages=(), jobs=(), root=str(root), sha="", ref="main", project_path="g/n"),
            self.current,
            Checkout(
                Snapshot(root=root, files=("file",), git=None, objects=None),
                root,
                self.current.builds_path / ".sources",
            ),
            executor_for=lambda _: executor,
            earlier=self.state.latest,
            emit=self.events.append,
            clock=time.monotonic,
            now=lambda: "2026-01-02T03:04:05Z",
        )

    def run(self, *script: str, **fields: Any) -> JobResult:
        given = {"name": "job", "stage": "test", "runs": Runs.SHELL, "script": script, **fields}
        return self.runner.run(JobPlan(**given), 1, Stop())

    @property
    def lines(self) -> list[str]:
        return [
            line
            for event in self.events
            if isinstance(event, JobOutput)
            for line in event.lines
            if not line.startswith("$ ")
        ]


@pytest.fixture(params=["bash", "dash"])
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path, request.param)
    yield made
    made.current.close()


@pytest.mark.parametrize(
    "secret",
    [
        "hunter22hunter22",
        "it's a secret's secret",
        'double "quoted" $secret `x`',
        "back\\slash\\secret",
        "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END KEY-----\n",
        "caf\u00e9 secret \u2603",
        "tab\tsecret",
        "100% secret %s \\n",
    ],
)
def test_a_secret_is_in_no_byte_that_is_written(jobs: Jobs, secret: str, tmp_path: Path) -> None:
    result = jobs.run(
        "set -x",
        'echo "$S"',
        'printf "%s" "$S" | head -c 9; sleep 0.02; printf "%s\\n" "$S" | tail -c +10',
        "export -p",
        "env",
        'x="$S"; : "$x"',
        "set +x",
        "exit 1",
        variables=(ScopedVariable(key="S", value=secret, masked=True, raw=True),),
        after_script=('echo "$S"',),
    )
    assert result.status is Status.FAILED
    needles = [line for line in secret.split("\n") if len(line) >= 4]
    texts = [str(event) for event in jobs.events] + [str(result)]
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files)
    for needle in needles:
        assert not [text for text in texts if needle in text]
        assert not [path for path in files if needle.encode() in path.read_bytes()]
    assert "[MASKED]" in " ".join(jobs.lines)


def test_jobs_hand_on_and_leave_nothing_behind(jobs: Jobs) -> None:
    build = jobs.run(
        "mkdir -p out/deep; echo built > out/deep/app; ln -s app out/deep/l",
        "chmod 755 out/deep/app",
        'echo "VERSION=1.$((1 + 1))" > build.env',
        "echo changed > file",
        name="build",
        artifacts=Artifacts(paths=("out/",), reports={"dotenv": ("build.env",)}),
    )
    assert (build.status, build.dotenv) == (Status.SUCCESS, {"VERSION": "1.2"})
    test = jobs.run(
        'cat file out/deep/l; echo "$VERSION $NAME"; test -x out/deep/app',
        name="test",
        dependencies=("build",),
        variables=(ScopedVariable(key="NAME", value="app-$VERSION"),),
    )
    assert test.status is Status.SUCCESS
    assert jobs.lines[-3:] == ["mine", "built", "1.2 app-1.2"]
    assert (jobs.root / "file").read_text() == "mine\n"
    assert [path.name for path in jobs.root.iterdir()] == ["file"]
    assert list(jobs.current.builds_path.iterdir()) == []


def test_after_script_has_a_shell_of_its_own(jobs: Jobs) -> None:
    result = jobs.run(
        "export LOST=1; cd /; echo $CI_JOB_STATUS",
        "exit 4",
        after_script=('echo "$CI_JOB_STATUS ${LOST-none}"; test "$PWD" = "$CI_PROJECT_DIR"', "pwd"),
    )
    assert (result.status, result.exit_code) == (Status.FAILED, 4)
    assert jobs.lines[0] == "running"
    assert jobs.lines[1] == "failed none"
    assert jobs.lines[2].endswith("/g/n")


def test_a_timeout_ends_the_tree(jobs: Jobs) -> None:
    begun = time.monotonic()
    result = jobs.run("sleep 60 & sleep 60", timeout=0.3, after_script=("echo cleaned",))
    assert time.monotonic() - begun < 15
    assert result.failure is FailureReason.JOB_EXECUTION_TIMEOUT
    assert jobs.lines == ["cleaned"]


def test_files_are_beside_the_project_and_dotted_paths_work(jobs: Jobs) -> None:
    result = jobs.run(
        'cat "$CONF"; dirname "$CONF"',
        variables=(ScopedVariable(key="CONF", value="a=$B\n", file=True),
                   ScopedVariable(key="B", value="1")),
        artifacts=Artifacts(paths=("$CI_PROJECT_DIR/file",), when=ArtifactsWhen.ALWAYS),
    )  # fmt: skip
    assert result.status is Status.SUCCESS
    assert jobs.lines[0] == "a=1"
    assert jobs.lines[1].endswith("/g/n.tmp")
    assert (jobs.current.artifacts_path("job") / "file").read_text() == "mine\n"
