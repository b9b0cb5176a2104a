"""Run what a command line of gitlab-ci-local asks for."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from homeport.cli.gitlab_ci_local_comments import Comments
from homeport.errors import ExitCode, HomeportError, Problem, Severity, UsageError
from homeport.pipeline.model.config import When
from homeport.pipeline.model.event import Event, JobFinished, RunFinished, Status
from homeport.pipeline.model.pipeline import Pipeline, Verdict
from homeport.pipeline.run import RunOptions, run_pipeline

if TYPE_CHECKING:
    from homeport.cli.gitlab_ci_local_console import Console
    from homeport.cli.gitlab_ci_local_options import Options
    from homeport.cli.gitlab_ci_local_request import Translation
    from homeport.pipeline.execute.api import Stop
    from homeport.pipeline.flow import Evaluation


def run(translation: "Translation") -> int:
    """The exit status of docs/reference/exit-status.md, as `homeport run` has it."""
    from homeport.cli.gitlab_ci_local_list import comments_of
    from homeport.cli.gitlab_ci_local_request import say
    from homeport.cli.output import has_errors, print_problems
    from homeport.cli.run import stop_on_signals
    from homeport.cli.source import worth_saying

    options = translation.options
    translation.refuse_for_run()
    evaluation = translation.evaluate(for_run=True)
    if options.jobs:
        from homeport.cli.gitlab_ci_local_named import with_named

        evaluation, notes = with_named(evaluation, options.jobs)
        say(notes)
    pipeline = evaluation.pipeline
    if pipeline.workflow.verdict is Verdict.OUT:
        print_problems(pipeline.problems)
        return ExitCode.OK
    if has_errors(pipeline.problems):
        raise HomeportError(pipeline.problems)
    print_problems(worth_saying(pipeline, strict=False))
    wanted = choose(pipeline, options)
    if wanted is None:
        return ExitCode.OK
    if pipeline.missing and not wanted.jobs:
        _refuse_partial()
        return ExitCode.ENVIRONMENT
    comments = comments_of(translation, evaluation)
    agent = evaluation.request.settings.container.ssh_agent
    say(_ignored(comments, wanted, pipeline, agent=agent))
    finished_jobs: list[JobFinished] = []
    console = _console(evaluation, options)

    def emit(event: Event) -> None:
        if isinstance(event, JobFinished):
            finished_jobs.append(event)
        console(event)

    gc.freeze()
    gc.enable()  # a run may take hours
    stop = stop_on_signals()
    with closing(console):
        finished = run_pipeline(evaluation, wanted, emit, stop)
        if options.switch("artifacts-to-source", default=True):
            say(_to_source(evaluation, finished, finished_jobs, comments))
    return _status(finished, stop)


def choose(pipeline: Pipeline, options: "Options") -> RunOptions | None:
    """What to run; None if that is nothing."""
    from homeport.cli.gitlab_ci_local_named import known_name
    from homeport.pipeline.plan.selection import select_jobs

    manual = tuple(known_name(name, pipeline) for name in options.list("manual"))
    jobs = tuple(known_name(name, pipeline) for name in options.jobs)
    stage = options.text("stage")
    # A log with colours tells the lines of the script from those of its output.
    if jobs:
        if stage is not None:
            raise _usage("--stage and the names of jobs exclude each other")
        only = options.switch("only-needs")
        if not only:
            return RunOptions(jobs=jobs, needs=options.switch("needs"), colour=True)
        named = select_jobs(pipeline, jobs, needs=False).named
        needed = select_jobs(pipeline, jobs, needs=True).jobs
        return _these([job.name for job in needed if job.name not in named])
    if stage is not None:
        if stage not in pipeline.stages:
            raise _usage(f"there is no job of stage {stage} in this pipeline")
        played = select_jobs(pipeline, manual, needs=False).named if manual else frozenset()
        return _these(
            [
                job.name
                for job in pipeline.jobs
                if job.stage == stage and (job.when is not When.MANUAL or job.name in played)
            ]
        )
    return RunOptions(play=manual, colour=True)


def _these(names: Sequence[str]) -> RunOptions | None:
    return RunOptions(jobs=tuple(names), colour=True) if names else None


def _console(evaluation: "Evaluation", options: "Options") -> "Console":
    from homeport.cli.gitlab_ci_local_console import Console, ConsoleOptions
    from homeport.cli.output import wants_colour

    pipeline = evaluation.pipeline
    jobs = (*pipeline.jobs, *pipeline.excluded)
    names = options.jobs or tuple(job.name for job in jobs)
    if options.jobs and options.switch("needs"):
        named = (job for job in jobs if job.group in names or job.name in names)
        names += tuple(need.job for job in named for need in job.needs or ())
    padding = max(map(len, names), default=0)
    most = options.number("max-job-name-padding")
    if most is not None:
        padding = min(padding, max(most, 0))
    return Console(
        sys.stdout,
        ConsoleOptions(
            padding=padding,
            colour=options.switch("color", default=True) and wants_colour(sys.stdout),
            quiet=options.switch("quiet"),
            timestamps=options.switch("timestamps"),
            environments={
                job.name: job.environment for job in pipeline.jobs if job.environment is not None
            },
        ),
    )


def _to_source(
    evaluation: "Evaluation",
    finished: RunFinished,
    jobs: Sequence[JobFinished],
    comments: Comments,
) -> Iterator[Problem]:
    """Copy the artifacts of a run, job by job as they ended; notes about what was refused."""
    from homeport.cli.to_source import copy_artifacts

    groups = {job.name: job.group for job in evaluation.pipeline.jobs}
    wanted = (event.job for event in jobs if groups.get(event.job, event.job) not in comments.kept)
    for copied in copy_artifacts(evaluation, finished.run, wanted):
        yield from map(_warning, copied.warnings)


def _ignored(
    comments: Comments, wanted: RunOptions, pipeline: Pipeline, *, agent: bool
) -> Iterator[Problem]:
    """`agent` says that the user gives jobs the SSH agent, as one of these comments asks."""
    for word, job in comments.ignored:
        if agent and word == "InjectSSHAgent":
            continue
        named = not wanted.jobs or job in wanted.jobs
        if named and any(each.group == job for each in pipeline.jobs):
            instead = {
                "Interactive": "the job has no terminal",
                "InjectSSHAgent": "your own setting container.ssh_agent gives jobs the agent, a "
                "repository's comment does not",
            }[word]
            yield _warning(f"@{word} of {job} has no effect: {instead}")


def _refuse_partial() -> None:
    print(
        "homeport: the pipeline is not run, since some of its includes could not be read;\n"
        "  name jobs to run those that are known",
        file=sys.stderr,
    )


def _status(finished: RunFinished, stop: "Stop") -> ExitCode:
    if stop.reason is not None and finished.status is Status.CANCELED:
        return ExitCode.INTERRUPTED
    # The last two wait for a manual job, of this pipeline or of a child.
    good = (Status.SUCCESS, Status.SKIPPED, Status.MANUAL, Status.RUNNING)
    fine = finished.status in good
    return ExitCode.OK if fine and not finished.failed else ExitCode.FAILED


def _warning(message: str) -> Problem:
    return Problem(code="gitlab-ci-local", severity=Severity.WARNING, message=message)


def _usage(message: str) -> UsageError:
    return UsageError.of(message, code="gitlab-ci-local")
