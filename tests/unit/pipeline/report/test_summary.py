"""What is said of a run when it is over."""

from pathlib import Path

from homeport.pipeline.model.event import (
    DeploymentRecorded,
    Event,
    JobFinished,
    JobStarted,
    PagesKept,
    ReleaseRecorded,
    RunFinished,
    RunStarted,
    Status,
)
from homeport.pipeline.report.summary import Summary


def ended(job: str, status: str, **fields: object) -> JobFinished:
    return JobFinished(job=job, stage="test", status=Status(status), **fields)  # type: ignore[arg-type]


def tell(
    *jobs: JobFinished,
    status: str,
    started: tuple[JobStarted, ...] = (),
    colour: bool = False,
    **fields: object,
) -> list[str]:
    names = tuple(sorted(job.job for job in jobs))
    events: list[Event] = [
        RunStarted(run="1", at="", jobs=names, ref="main", sha="0" * 40),
        *started,
        *jobs,
        RunFinished(time=64.2, run="1", status=Status(status), at="", **fields),  # type: ignore[arg-type]
    ]
    summary = Summary()
    for event in events:
        assert list(summary.lines(colour=colour)) == []
        summary.add(event)
    return list(summary.lines(colour=colour))


def test_a_failed_run() -> None:
    assert tell(
        ended("c", "skipped", reason="a failed"),
        ended("a", "failed", duration=3.25, reason="exit status 2", log="/state/1/a.log"),
        ended("b", "success", duration=61.0, coverage="87.5", log="/state/1/b.log"),
        started=(
            JobStarted(job="a", stage="test", runs="container", image="alpine", attempt=1),
            JobStarted(job="a", stage="test", runs="container", image="alpine", attempt=2),
            JobStarted(job="b", stage="test", runs="shell"),
        ),
        status="failed",
    ) == [
        "Job  Stage  Status   Duration  Ran     Reason",
        "a    test   failed   3.2s      alpine  exit status 2, attempt 2",
        "b    test   success  1m 01s    shell   coverage 87.5",
        "c    test   skipped                    a failed",
        "",
        "Pipeline failed after 1m 04s: 1 succeeded, 1 failed, 1 skipped",
        "Log: /state/1/a.log",
    ]


def test_allowed_failures_are_warnings() -> None:
    lines = tell(
        ended("a", "failed", allowed=True, log="/state/1/a.log"),
        ended("b", "success", log="/state/1/b.log"),
        status="success",
        warnings=True,
    )
    assert lines[1] == "a    test   failed (allowed)"
    assert lines[-3:] == [
        "Pipeline succeeded with warnings after 1m 04s: 1 succeeded, 1 failed",
        "Warning: allowed to fail: a",
        "Log: /state/1/a.log",
    ]


def test_a_blocked_run_names_its_manual_jobs() -> None:
    assert tell(
        ended("deploy it", "manual", reason="a manual job that was not started"),
        ended("later", "created", reason="waits for the manual job deploy it"),
        status="manual",
        blocked=("deploy it",),
    )[-3:] == [
        "Pipeline is blocked after 1m 04s: 1 manual, 1 waiting",
        "It waits for manual jobs: deploy it",
        "  start them with: homeport run 'deploy it'",
    ]


def test_a_good_run_tells_where_the_logs_are() -> None:
    assert tell(
        ended("a", "success", log="/state/1/a.log"),
        ended("b", "success", log="/state/1/b.log"),
        status="success",
    )[-2:] == ["Pipeline succeeded after 1m 04s: 2 succeeded", "Logs: /state/1"]


def test_an_image_that_was_not_used_is_told() -> None:
    lines = tell(
        ended("a", "success"),
        status="success",
        started=(JobStarted(job="a", stage="test", runs="shell", image="alpine"),),
    )
    assert lines[1].endswith("shell, not its image")


def test_a_run_without_jobs() -> None:
    assert tell(status="success") == ["Pipeline succeeded after 1m 04s"]


def test_canceled_and_skipped_runs() -> None:
    assert tell(ended("a", "canceled"), status="canceled")[-1].startswith("Pipeline was canceled")
    assert tell(ended("a", "skipped"), status="skipped")[-1].startswith(
        "Pipeline was skipped, as none of its jobs ran, after "
    )


def test_colours_do_not_move_columns_and_names_cannot_colour() -> None:
    jobs = (ended("evil\x1b[31m", "success"), ended("b", "failed", reason="r\x1b]0;t\x07"))
    plain = tell(*jobs, status="failed")
    coloured = tell(*jobs, status="failed", colour=True)
    for code in ("1", "31", "32"):
        coloured = [line.replace(f"\x1b[{code}m", "") for line in coloured]
    assert [line.replace("\x1b[0m", "").rstrip() for line in coloured] == plain
    assert "\x1b" not in "".join(plain)


def test_the_ends_of_the_logs_of_failed_jobs_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "bad.log"
    log.write_bytes(
        b"x" * 5000 + b"\nfirst\nsecond\n\x1b[31mthird\x1b[0m\n\n\x1b]0;title\x07last\n"
    )
    summary = Summary()
    summary.add(JobFinished(job="good", stage="test", status=Status.SUCCESS))
    summary.add(JobFinished(job="bad", stage="test", status=Status.FAILED, log=str(log)))
    summary.add(RunFinished(run="1", status=Status.FAILED, at=""))
    lines = list(summary.lines(colour=False))
    assert lines[lines.index(f"Log: {log}") :] == [
        f"Log: {log}",
        "  second",
        "  third",
        "  last",
    ]


def test_what_would_now_be_on_a_server() -> None:
    summary = Summary()
    for event in (
        RunStarted(run="1", at="", jobs=("a",), ref="main", sha="0" * 40),
        ReleaseRecorded(job="a", tag_name="v1\x1b", name="v1", description="", ref=""),
        DeploymentRecorded(
            job="a", environment="live", action="start", tier="", url="https://x", on_stop="b"
        ),
        DeploymentRecorded(job="b", environment="live", action="stop", tier=""),
        PagesKept(job="a", path="/state/public"),
        RunFinished(time=1.0, run="1", status=Status.SUCCESS, at=""),
    ):
        summary.add(event)
    _, *told = summary.lines(colour=False)
    assert told[1:] == [
        "Environment live: deployed by a at https://x; b stops it",
        "Environment live: stopped by b",
        "Site of a: /state/public",
    ]
    assert told[0].startswith("Release v1")
    assert told[0].endswith(" of a: recorded, not published")
    assert "\x1b" not in told[0]
