"""The life of one attempt, with an executor that only pretends."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from msgspec import structs

from homeport.pipeline.execute.api import (
    ExecutorError,
    Exit,
    JobResult,
    JobSpec,
    Selection,
    Session,
    Sink,
    Snapshot,
    Stop,
    unheard,
)
from homeport.pipeline.execute.checkout import Checkout
from homeport.pipeline.execute.job import JobRunner
from homeport.pipeline.execute.state import Finished, Run, State
from homeport.pipeline.execute.stored_tree import StoredTree
from homeport.pipeline.model.config import Artifacts, ArtifactsWhen, Cache, Image
from homeport.pipeline.model.event import Event, FailureReason, JobNote, JobOutput, Status
from homeport.pipeline.model.plan import JobPlan, Plan, Runs, ScopedVariable
from testbed.trees import write_into

OK = Exit(code=0)
FAILED = Exit(code=3, failure=FailureReason.SCRIPT_FAILURE)

Script = Callable[[str, Sink, Stop], Exit]


def saying(text: str, ended: Exit = OK) -> Script:
    def run(_script: str, sink: Sink, _stop: Stop) -> Exit:
        sink(text.encode())
        return ended

    return run


def until_stopped(_script: str, _sink: Sink, stop: Stop) -> Exit:
    """A script that would run for ever."""
    while stop.reason is None:
        time.sleep(0.005)
    return Exit(code=None, message=stop.reason)


class Fake:
    """Executor and session in one: gives the scripts' endings in order, remembers what came."""

    def __init__(self, *scripts: Script, files: Mapping[str, str] = {}) -> None:
        self.scripts = list(scripts)
        self.files = files
        self.spec: JobSpec | None = None
        self.texts: list[str] = []
        self.put_trees: list[Path] = []
        self.put_errors: list[ExecutorError] = []
        self.opened_times = 0
        self.snapshot: Snapshot | None = None
        self.closed = 0
        self.open_error: ExecutorError | None = None
        self.project_dir_value = "/builds/g/n"

    def opened(self) -> JobSpec:
        assert self.spec is not None
        return self.spec

    def executor(self) -> "FakeExecutor":
        return FakeExecutor(self)


class FakeExecutor:
    def __init__(self, fake: Fake) -> None:
        self._fake = fake

    def project_dir(self, run: str, job: str, attempt: int, project_path: str) -> str:
        del run, job, attempt
        return f"/builds/{project_path}"

    def open(
        self,
        spec: JobSpec,
        note: Callable[[str], None],
        stop: Stop | None = None,
        *,
        service_log: Callable[[str], None] = unheard,
        phase: Callable[[str], None] = unheard,
    ) -> Session:
        del stop, service_log, phase
        if self._fake.open_error:
            raise self._fake.open_error
        self._fake.spec = spec
        self._fake.opened_times += 1
        note("opened")
        return FakeSession(self._fake)

    def close(self) -> None:
        pass


class FakeSession:
    def __init__(self, fake: Fake) -> None:
        self._fake = fake

    @property
    def project_dir(self) -> str:
        return "/builds/g/n"

    def put(self, snapshot: Snapshot, artifacts: Sequence[Path]) -> None:
        self._fake.snapshot = snapshot
        self._fake.put_trees = list(artifacts)
        if self._fake.put_errors:
            raise self._fake.put_errors.pop()

    def run(self, script: str, sink: Sink, stop: Stop) -> Exit:
        self._fake.texts.append(script)
        return self._fake.scripts.pop(0)(script, sink, stop)

    def collect(self, selection: Selection, into: StoredTree) -> tuple[str, ...]:
        found = [path for path in selection.paths if path in self._fake.files]
        for path in found:
            write_into(into, path, self._fake.files[path])
        return tuple(path for path in selection.paths if path not in found)

    def close(self) -> None:
        self._fake.closed += 1


class Bench:
    """A job runner with its surroundings."""

    def __init__(self, tmp_path: Path, run: Run) -> None:
        self.current = run
        self.events: list[Event] = []
        self.fake = Fake()
        self.earlier: dict[str, Finished] = {}
        self.snapshot = Snapshot(root=tmp_path, files=("a",), git=None, objects=None)
        self.plan = Plan(
            stages=("test",), jobs=(), root="/r", sha="a" * 40, ref="main", project_path="g/n"
        )
        self.runner = self.make()

    def make(self, **options: Any) -> JobRunner:
        return JobRunner(
            self.plan,
            self.current,
            Checkout(self.snapshot, self.snapshot.root, self.snapshot.root / "sources"),
            executor_for=lambda _: self.fake.executor(),
            earlier=self.earlier.get,
            emit=self.events.append,
            clock=time.monotonic,
            now=lambda: "2026-01-02T03:04:05Z",
            **options,
        )

    def run(
        self, *scripts: Script, files: Mapping[str, str] = {}, stop: Stop | None = None, **job: Any
    ) -> JobResult:
        errors = self.fake.put_errors
        self.fake = Fake(*scripts, files=files)
        self.fake.put_errors = errors
        return self.start(stop=stop, **job)

    def start(self, *, stop: Stop | None = None, attempt: int = 1, **job: Any) -> JobResult:
        fields: dict[str, Any] = {
            "name": "job", "stage": "test", "runs": Runs.SHELL, "script": ("do it",), **job
        }  # fmt: skip
        return self.runner.run(JobPlan(**fields), attempt, stop or Stop())

    @property
    def notes(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, JobNote)]

    @property
    def lines(self) -> list[str]:
        return [
            line for event in self.events if isinstance(event, JobOutput) for line in event.lines
        ]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    run = State.open(
        tmp_path / "repo", {"HOME": str(tmp_path)}, kept_runs=20, kept_bytes=10**9
    ).new_run()
    yield Bench(tmp_path, run)
    run.close()


def outline(result: JobResult) -> tuple[Any, ...]:
    return result.status, result.exit_code, result.failure, result.message


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (saying("hi\n"), (Status.SUCCESS, 0, None, None)),
        (saying("hi\n", FAILED), (Status.FAILED, 3, FailureReason.SCRIPT_FAILURE, None)),
        (
            saying(
                "", Exit(code=None, failure=FailureReason.RUNNER_SYSTEM_FAILURE, message="lost")
            ),
            (Status.FAILED, None, FailureReason.RUNNER_SYSTEM_FAILURE, "lost"),
        ),
    ],
)
def test_how_a_script_ends_is_how_the_job_ends(
    bench: Bench, script: Script, expected: tuple[Any, ...]
) -> None:
    result = bench.run(script)
    assert outline(result) == expected
    assert result.duration >= 0
    assert bench.fake.closed == 1
    assert result.log is not None
    found = State.open(
        bench.snapshot.root / "repo",
        {"HOME": str(bench.snapshot.root)},
        kept_runs=20,
        kept_bytes=10**9,
    )
    latest = found.latest("job")
    assert latest is not None
    assert latest.status is result.status


def test_output_goes_to_events_and_log(bench: Bench) -> None:
    result = bench.run(saying("one\ntwo"))
    assert bench.lines == ["one", "two"]
    assert Path(result.log or "").read_text() == "opened\none\ntwo\n"


def test_before_script_and_script_are_one_script(bench: Bench) -> None:
    bench.run(saying(""), before_script=("first",), script=("second",))
    [text] = bench.fake.texts
    assert text.index("first") < text.index("second")


def test_a_requested_stop_cancels(bench: Bench) -> None:
    stop = Stop()
    stop.request("interrupted")
    assert outline(bench.run(until_stopped, stop=stop)) == (
        Status.CANCELED, None, None, "interrupted",
    )  # fmt: skip
    assert bench.fake.spec is None


def stopping(stop: Stop) -> Script:
    def run(script: str, sink: Sink, own: Stop) -> Exit:
        stop.request("canceled by the user")
        return until_stopped(script, sink, own)

    return run


def test_a_stop_in_the_middle_cancels_and_after_script_runs(bench: Bench) -> None:
    stop = Stop()
    result = bench.run(
        stopping(stop), saying("after\n"), stop=stop, after_script=("clean",),
        artifacts=Artifacts(paths=("out",), when=ArtifactsWhen.ALWAYS), files={"out": "x"},
    )  # fmt: skip
    assert outline(result) == (Status.CANCELED, None, None, "canceled by the user")
    assert bench.lines == ["after"]
    assert "export CI_JOB_STATUS='\\''canceled'\\''" in bench.fake.texts[1]
    assert not bench.current.artifacts_path("job").exists()


def test_the_timeout_ends_the_job_and_after_script_runs(bench: Bench) -> None:
    result = bench.run(
        until_stopped, saying("after\n"), timeout=0.05, after_script=("clean",),
        artifacts=Artifacts(paths=("out",), when=ArtifactsWhen.ALWAYS), files={"out": "x"},
    )  # fmt: skip
    assert outline(result) == (
        Status.FAILED, None, FailureReason.JOB_EXECUTION_TIMEOUT,
        "execution took longer than 50ms",
    )  # fmt: skip
    assert bench.lines == ["after"]
    assert "export CI_JOB_STATUS='\\''failed'\\''" in bench.fake.texts[1]
    assert not bench.current.artifacts_path("job").exists()


def variables(**values: str) -> tuple[ScopedVariable, ...]:
    return tuple(ScopedVariable(key=key, value=value) for key, value in values.items())


def test_a_script_timeout_leaves_time_for_artifacts(bench: Bench) -> None:
    result = bench.run(
        until_stopped,
        variables=variables(RUNNER_SCRIPT_TIMEOUT="50ms"),
        artifacts=Artifacts(paths=("out",), when=ArtifactsWhen.ON_FAILURE),
        files={"out": "x"},
    )
    assert result.failure is FailureReason.JOB_EXECUTION_TIMEOUT
    assert (bench.current.artifacts_path("job") / "out").read_text() == "x"


@pytest.mark.parametrize(
    ("ignore", "script", "after", "expected"),
    [
        ("", OK, FAILED, (Status.SUCCESS, 0)),
        ("true", OK, FAILED, (Status.SUCCESS, 0)),
        ("false", OK, FAILED, (Status.FAILED, 3)),
        ("false", OK, OK, (Status.SUCCESS, 0)),
        ("false", Exit(code=7, failure=FailureReason.SCRIPT_FAILURE), FAILED, (Status.FAILED, 7)),
    ],
)
def test_failures_of_after_script(
    bench: Bench, ignore: str, script: Exit, after: Exit, expected: tuple[Status, int]
) -> None:
    result = bench.run(
        saying("", script), saying("", after), after_script=("clean",),
        variables=variables(AFTER_SCRIPT_IGNORE_ERRORS=ignore),
    )  # fmt: skip
    assert (result.status, result.exit_code) == expected


@pytest.mark.parametrize(("ignore", "status"), [("true", Status.SUCCESS), ("false", Status.FAILED)])
def test_after_script_has_a_limit_of_its_own(bench: Bench, ignore: str, status: Status) -> None:
    result = bench.run(
        saying(""), until_stopped, after_script=("clean",),
        variables=variables(RUNNER_AFTER_SCRIPT_TIMEOUT="50ms", AFTER_SCRIPT_IGNORE_ERRORS=ignore),
    )  # fmt: skip
    assert result.status is status
    assert any("execution took longer than 50ms" in note for note in bench.notes)


def test_a_limit_that_is_no_duration_is_warned_about(bench: Bench) -> None:
    bench.run(
        saying(""), saying(""), after_script=("clean",),
        variables=variables(RUNNER_AFTER_SCRIPT_TIMEOUT="soon"),
    )  # fmt: skip
    assert "WARNING: RUNNER_AFTER_SCRIPT_TIMEOUT is no duration such as 10m: soon" in bench.notes


@pytest.mark.parametrize(
    ("when", "ended", "stored"),
    [
        (ArtifactsWhen.ON_SUCCESS, OK, True),
        (ArtifactsWhen.ON_SUCCESS, FAILED, False),
        (ArtifactsWhen.ON_FAILURE, OK, False),
        (ArtifactsWhen.ON_FAILURE, FAILED, True),
        (ArtifactsWhen.ALWAYS, OK, True),
        (ArtifactsWhen.ALWAYS, FAILED, True),
    ],
)
def test_artifacts_are_taken_when_they_are_due(
    bench: Bench, when: ArtifactsWhen, ended: Exit, stored: bool
) -> None:
    bench.run(saying("", ended), artifacts=Artifacts(paths=("out",), when=when), files={"out": ""})
    assert bench.current.artifacts_path("job").is_dir() is stored


def test_missing_artifacts_are_warned_about(bench: Bench) -> None:
    result = bench.run(
        saying(""), artifacts=Artifacts(paths=("$DIR/x",)), variables=variables(DIR="out")
    )
    assert result.status is Status.SUCCESS
    assert bench.notes[-2:] == [
        (
            "WARNING: out/x: no matching files. Ensure that the artifact path is relative to the "
            "working directory (/builds/g/n)"
        ),
        "ERROR: No files to upload",
    ]
    assert not bench.current.artifacts_path("job").exists()


def test_a_retry_replaces_what_the_first_attempt_left(bench: Bench) -> None:
    artifacts = Artifacts(paths=("out",), when=ArtifactsWhen.ALWAYS)
    first = bench.run(saying("1\n", FAILED), artifacts=artifacts, files={"out": "1"})
    second = bench.run(saying("2\n"), artifacts=artifacts, attempt=2)
    assert not bench.current.artifacts_path("job").exists()
    assert first.log != second.log
    assert Path(first.log or "").read_text() == "opened\n1\n"


def test_dotenv_and_artifacts_go_to_those_that_depend_on_them(bench: Bench) -> None:
    reports = {"dotenv": ("build.env",), "junit": ("junit.xml",)}
    files = {"out": "x", "build.env": "VERSION=1.2\n", "junit.xml": "<x/>"}
    result = bench.run(
        saying(""), name="build", artifacts=Artifacts(paths=("out",), reports=reports), files=files
    )
    assert result.dotenv == {"VERSION": "1.2"}
    assert (bench.current.reports_path("build") / "junit/junit.xml").read_text() == "<x/>"

    bench.run(
        saying(""), name="test", dependencies=("build",), image=Image(name="i:$VERSION"),
        variables=variables(VERSION="written", TAG="v$VERSION"),
    )  # fmt: skip
    assert bench.fake.put_trees == [bench.current.artifacts_path("build")]
    assert bench.fake.opened().env["TAG"] == "v1.2"
    assert bench.fake.opened().image == Image(name="i:1.2")

    bench.run(saying(""), name="apart")
    assert bench.fake.put_trees == []
    assert "VERSION" not in bench.fake.opened().env


def test_the_last_run_of_a_needed_job_is_used_and_said(bench: Bench, tmp_path: Path) -> None:
    bench.earlier["build"] = Finished(
        run="r1", status=Status.SUCCESS, artifacts=tmp_path, dotenv={"A": "1"}, age=90.0
    )
    bench.run(saying(""), dependencies=("build", "never-ran"))
    assert bench.fake.put_trees == [tmp_path]
    assert bench.fake.opened().env["A"] == "1"
    assert bench.notes[0] == "Artifacts of build are from run r1, 1m 30s ago"


def test_artifacts_that_are_gone_fail_the_job(bench: Bench) -> None:
    bench.run(saying(""), name="build", artifacts=Artifacts(paths=("out",)), files={"out": "x"})
    (bench.current.artifacts_path("build") / "out").unlink()
    bench.current.artifacts_path("build").rmdir()
    result = bench.run(saying(""), dependencies=("build",))
    assert result.status is Status.FAILED
    assert "could not retrieve the needed artifacts" in (result.message or "")


@pytest.mark.parametrize(("ended", "code"), [(OK, 0), (FAILED, 3)])
def test_a_bad_dotenv_report_fails_the_job(bench: Bench, ended: Exit, code: int) -> None:
    result = bench.run(
        saying("", ended), artifacts=Artifacts(reports={"dotenv": ("a",)}), files={"a": "bad\n"}
    )
    assert (result.status, result.exit_code) == (Status.FAILED, code)
    assert bench.notes[-1] == "ERROR: the dotenv report was refused: a:1: Invalid Format"


def test_coverage_is_found(bench: Bench) -> None:
    assert bench.run(saying("total 81.5%\n"), coverage=r"total (\d+\.\d+)%").coverage == "81.5"
    assert bench.run(saying("none\n"), coverage=r"total (\d+\.\d+)%").coverage is None


def test_a_place_that_fails_is_a_system_failure_in_words(bench: Bench) -> None:
    bench.fake = Fake()
    bench.fake.open_error = ExecutorError("the image hunter22 is not there")
    result = bench.start(variables=(ScopedVariable(key="A", value="hunter22", masked=True),))
    assert outline(result) == (
        Status.FAILED, None, FailureReason.RUNNER_SYSTEM_FAILURE, "the image [MASKED] is not there",
    )  # fmt: skip
    assert bench.notes == ["ERROR: the image [MASKED] is not there"]


def test_a_variable_cycle_is_a_failure_in_words(bench: Bench) -> None:
    result = bench.run(variables=variables(A="$B", B="$A"))
    assert result.status is Status.FAILED
    assert "circular variable reference detected" in (result.message or "")


def test_secrets_show_nowhere(bench: Bench) -> None:
    bench.runner = bench.make(secrets=frozenset({"global-secret"}))
    result = bench.run(
        saying("hunter22 global-secret\n", Exit(code=1, failure=FailureReason.SCRIPT_FAILURE)),
        variables=(ScopedVariable(key="PW", value="hunter$N", masked=True), *variables(N="22")),
    )
    assert bench.fake.opened().env["PW"] == "hunter22"
    assert bench.lines == ["[MASKED] [MASKED]"]
    assert "hunter22" not in Path(result.log or "").read_text()
    for text in map(str, (result, *bench.events)):
        assert "hunter22" not in text
        assert "global-secret" not in text


def test_a_log_that_cannot_be_written_is_a_failure_in_words(bench: Bench) -> None:
    bench.current.log_path("job").mkdir()
    result = bench.run(saying(""))
    assert result.status is Status.FAILED
    assert "job.log: Is a directory" in (result.message or "")


@pytest.fixture
def caching(bench: Bench, tmp_path: Path) -> Bench:
    bench.plan = structs.replace(bench.plan, root=str(tmp_path))
    bench.runner = bench.make(cache_folder=tmp_path / "cache", cache_bytes=1000)
    return bench


CACHED = {"cache": (Cache(paths=("out",)),), "files": {"out": "x"}}


def test_caches_go_on_below_artifacts(caching: Bench) -> None:
    caching.run(saying(""), name="made", artifacts=Artifacts(paths=("out",)), files={"out": "a"})
    caching.run(saying(""), **CACHED)
    assert caching.fake.put_trees == []
    caching.run(saying(""), dependencies=("made",), **CACHED)
    cached, made = caching.fake.put_trees
    assert cached.is_relative_to(caching.snapshot.root / "cache")
    assert made == caching.current.artifacts_path("made")


def test_caches_are_kept_after_after_script_and_before_artifacts(caching: Bench) -> None:
    caching.run(
        saying(""), saying(""), after_script=("b",), artifacts=Artifacts(paths=("a",)), **CACHED
    )
    assert [note.split()[0] for note in caching.notes] == [
        "opened", "Checking", "No", "Running", "Creating", "Created", "WARNING:", "ERROR:",
    ]  # fmt: skip


@pytest.mark.parametrize("ended", ["timeout", "stop"])
def test_nothing_is_kept_once_the_jobs_time_is_over(caching: Bench, ended: str) -> None:
    stop = Stop()
    if ended == "stop":
        timer = Timer(0.05, stop.request, ("interrupted",))
        timer.start()
    always = (Cache(paths=("out",), when="always"),)
    caching.run(
        until_stopped,
        timeout=0.05 if ended == "timeout" else 60.0,
        stop=stop,
        cache=always,
        files={"out": "x"},
    )
    assert not any(note.startswith("Creating") for note in caching.notes)


def test_a_cache_that_cannot_be_put_is_left_out(caching: Bench) -> None:
    caching.run(saying(""), **CACHED)
    caching.fake.put_errors = [ExecutorError("the disk is full")]
    result = caching.run(saying("ran\n"), **CACHED)
    assert result.status is Status.SUCCESS
    assert caching.fake.put_trees == []
    assert (caching.fake.opened_times, caching.fake.closed) == (2, 2)
    assert "WARNING: Failed to extract cache: the disk is full" in caching.notes


def test_without_a_cache_a_workspace_that_cannot_be_put_fails_the_job(caching: Bench) -> None:
    caching.fake.put_errors = [ExecutorError("the disk is full")]
    result = caching.run(saying(""), **CACHED)
    assert outline(result)[2:] == (FailureReason.RUNNER_SYSTEM_FAILURE, "the disk is full")
    assert (caching.fake.opened_times, caching.fake.closed) == (1, 1)
