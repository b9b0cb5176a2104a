"""The second half of the flow: plan → execute → report, for an evaluated pipeline."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from homeport.errors import UsageError
from homeport.pipeline.execute.api import Stop
from homeport.pipeline.execute.checkout import Checkout
from homeport.pipeline.execute.dotenv import DotenvLimits
from homeport.pipeline.execute.earlier import refuse_missing
from homeport.pipeline.execute.ending import Ask
from homeport.pipeline.execute.executors import Executors, find_engine
from homeport.pipeline.execute.history import Recorder
from homeport.pipeline.execute.interactive import Interactive
from homeport.pipeline.execute.job import JobRunner
from homeport.pipeline.execute.scheduler import run_plan
from homeport.pipeline.execute.slots import Slots
from homeport.pipeline.execute.snapshot import take_snapshot
from homeport.pipeline.execute.state import Run, State, state_base
from homeport.pipeline.execute.workspace import remove
from homeport.pipeline.flow import Evaluation, now
from homeport.pipeline.model.config import When
from homeport.pipeline.model.event import Event, RunFinished
from homeport.pipeline.model.plan import Plan, Runs
from homeport.pipeline.needed import with_other_projects
from homeport.pipeline.plan.plan import make_plan
from homeport.pipeline.plan.registry_prefix import prefixes_of
from homeport.pipeline.plan.selection import (
    Selected,
    below,
    refuse_unresolved,
    select_all,
    select_jobs,
)
from homeport.settings.model import LimitSettings

if TYPE_CHECKING:
    from homeport.pipeline.execute.resource_groups import ResourceGroups

PULL_POLICY = ("if-not-present",)
"""A local run pulls what it lacks, unless the settings or the job say otherwise."""


class RunOptions(Struct, frozen=True, kw_only=True):
    """What to run of a pipeline, and how. `jobs` are names, groups or globs (none: everything);
    `needs` adds all that they need; `now` starts delayed jobs without their delay; `play` are
    manual jobs to start, by name, group or glob, where the whole pipeline is run.
    `only` leaves out the other jobs (None: none), whatever is said to start those that are left.
    `ask` is put to somebody when manual jobs block all that is left. `interactive` opens shells on
    the terminal; where that is before the scripts, the run is not remembered."""

    jobs: tuple[str, ...] = ()
    needs: bool = False
    now: bool = False
    play: tuple[str, ...] = ()
    colour: bool = False
    only: frozenset[str] | None = None
    ask: Ask | None = None
    interactive: Interactive | None = None


def run_pipeline(
    evaluation: Evaluation, options: RunOptions, emit: Callable[[Event], None], stop: Stop
) -> RunFinished:
    """Run the jobs of an evaluated pipeline; what happens goes to `emit`.

    Raises `UsageError` for jobs that are not there, `MissingError` for what the machine lacks (an
    engine, artifacts of earlier runs, a fact that a job depends on); all before anything runs.
    """
    settings, env = evaluation.request.settings, evaluation.request.env
    prefixes_of(settings)  # refuses what is no registry
    selected = _select(evaluation, options)
    plan = make_plan(evaluation.pipeline, evaluation.trigger, settings, selected)
    state = State.open(
        evaluation.request.root,
        env,
        kept_runs=settings.keep_runs,
        kept_bytes=settings.keep_size,
    )
    refuse_missing(plan, state.latest)
    engine = find_engine(plan, settings, env)
    with (
        Executors(engine, settings, env) as executors,
        closing(state.new_run(sha=plan.sha, ref=plan.ref)) as run,
        Recorder(run.history_path, plan) as recorder,
    ):
        executors.prepare(run.builds_path)
        emit = _both(recorder, emit)
        if options.interactive is not None:
            emit = options.interactive.quietly(emit)
        clock = _clock()
        secrets = _secrets(evaluation, env)
        make_runner = partial(
            JobRunner,
            run=run,
            checkout=_checkout(evaluation, plan, run.git_path, run.tree_path, run.builds_path),
            executor_for=executors.of,
            clock=clock,
            now=now,
            pull_policy=tuple(policy.value for policy in settings.pull_policy) or PULL_POLICY,
            dotenv_limits=_dotenv_limits(settings.limits),
            colour=options.colour,
            cache_folder=state.cache_path / "cache",
            cache_bytes=settings.keep_cache_size,
            services_timeout=settings.container.services_timeout,
            interactive=options.interactive,
            key_folder=state_base(env),
        )
        runner = make_runner(
            plan,
            earlier=state.latest,
            emit=emit,
            secrets=secrets,
            upstream=with_other_projects(lambda _need: None, evaluation, plan, run),
        )
        slots = Slots(settings.concurrency, partial(_resource_groups, state, run, executors))
        downstream = None
        if any(job.runs is Runs.DOWNSTREAM for job in plan.jobs):
            from homeport.pipeline.downstream import Numbers, Pipelines, Shared

            began = clock()
            shared = Shared(
                run_id=run.id,
                executors=executors,
                slots=slots,
                emit=emit,
                clock=lambda: clock() - began,
                make_runner=lambda child, plan, emit, upstream: make_runner(
                    plan,
                    earlier=lambda _job: None,
                    emit=emit,
                    secrets=secrets | _secrets(child, env),
                    upstream=with_other_projects(upstream, child, plan, run),
                    **_elsewhere(child, plan, evaluation, run),
                ),
                secrets=secrets,
                play=tuple(below(evaluation.pipeline, (*options.jobs, *options.play))),
                now_delayed=options.now,
            )
            downstream = Pipelines(shared, Numbers(plan), evaluation, runner, emit=emit)
        finished = run_plan(
            plan,
            runner.run,
            emit,
            run_id=run.id,
            concurrency=settings.concurrency,
            stop=stop,
            clock=clock,
            now=now,
            play=selected.named,
            now_delayed=options.now,
            ask=options.ask,
            slots=slots,
            downstream=downstream,
        )
        run.finish(finished.status)
        if options.interactive is not None and options.interactive.before:
            remove(str(run.folder))
        return finished


def _select(evaluation: Evaluation, options: RunOptions) -> Selected:
    pipeline = evaluation.pipeline
    if evaluation.trigger.commit is None:
        raise UsageError.of(
            f"{evaluation.request.root} has no commit yet, and a job runs for a commit",
            code="no-commit",
            hint="commit something first; list, lint, render and explain work without",
        )
    # A job of a child pipeline is started in that, which its trigger job has to make.
    over = below(pipeline, (*options.jobs, *options.play))
    jobs = [*dict.fromkeys(over.get(name, name) for name in options.jobs)]
    play = [*dict.fromkeys(over.get(name, name) for name in options.play)]
    if jobs:
        selected = select_jobs(pipeline, jobs, needs=options.needs)
    else:
        selected = select_all(pipeline, play=play)
    if options.only is not None:
        kept = tuple(job for job in selected.jobs if job.name in options.only)
        selected = structs.replace(selected, jobs=kept)
    refuse_unresolved(selected)
    return selected


def _checkout(evaluation: Evaluation, plan: Plan, into: Path, tree: Path, builds: Path) -> Checkout:
    trigger, git = evaluation.trigger, evaluation.git
    origins = git.config.get("remote.origin.url", ())
    origin = origins[-1] if origins else None
    snapshot = take_snapshot(
        git,
        git.root,
        trigger.commit.sha if trigger.commit else "",
        into=into,
        branch=trigger.branch,
        origin=origin,
        tree=tree if trigger.committed or not _is_laid_out_once(plan) else None,
        committed=trigger.committed,
    )
    return Checkout(
        snapshot,
        git.root,
        builds / ".sources",
        origin=origin,
        offline=evaluation.request.offline,
        is_first=trigger.commit is not None and not trigger.commit.parents,
    )


def _is_laid_out_once(plan: Plan) -> bool:
    """Whether just one workspace is made, and at once: then it is a copy of its own already."""
    jobs = [job for job in plan.jobs if job.runs is not Runs.NOWHERE]
    return len(jobs) == 1 and all(
        job.runs is not Runs.DOWNSTREAM
        and job.retry.max == 0
        and job.when not in (When.DELAYED, When.MANUAL)
        for job in jobs
    )


def _elsewhere(child: Evaluation, plan: Plan, main: Evaluation, run: Run) -> dict[str, Any]:
    """What is different for jobs of another project: its own files, and its own caches."""
    request = child.request
    if request.root == main.request.root:
        return {}
    folder = run.builds_path / f".project-{child.trigger.pipeline_id}"
    folder.mkdir(mode=0o700)
    state = State.open(request.root, request.env, kept_runs=0, kept_bytes=0)
    return {
        "checkout": _checkout(child, plan, folder / "git", folder / "tree", folder),
        "cache_folder": state.cache_path / "cache",
    }


def _resource_groups(state: State, run: Run, executors: Executors) -> "ResourceGroups":
    # Imported by who has one: a run without any shall not pay for it.
    from homeport.pipeline.execute.resource_groups import ResourceGroups

    return ResourceGroups(state.folder, run=run.id, root=run.root, bury=executors.bury)


def _dotenv_limits(own: LimitSettings) -> DotenvLimits:
    given = {"size": own.dotenv_size, "variables": own.dotenv_variables}
    return DotenvLimits(**{name: value for name, value in given.items() if value is not None})


def _secrets(evaluation: Evaluation, env: Mapping[str, str]) -> frozenset[str]:
    """Values that no output may show: the user's masked variables, secrets that jobs are passed."""
    trigger, settings = evaluation.trigger, evaluation.request.settings
    given = (variable.value for variable in trigger.variables if variable.key in trigger.masked)
    passed = (env.get(name, "") for name in settings.pass_env if settings.masks(name))
    return frozenset(value for value in (*given, *passed) if value)


def _both(recorder: Recorder, emit: Callable[[Event], None]) -> Callable[[Event], None]:
    """Events are remembered before they are told: who hears of one can look it up."""

    def tell(event: Event) -> None:
        recorder(event)
        emit(event)

    return tell


def _clock() -> Callable[[], float]:
    began = time.monotonic()
    return lambda: time.monotonic() - began
