"""The flow of the pipeline half, read from top to bottom.

`evaluate_pipeline`: load → expand → parse → evaluate. `run_pipeline`: plan → execute → report.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, structs

from homeport.errors import Problem, Severity, UsageError
from homeport.pipeline.config.compose import compose
from homeport.pipeline.config.extends import resolve_extends
from homeport.pipeline.config.keyword.rules import read_include_rules
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.document.load import load
from homeport.pipeline.document.reference import resolve_references
from homeport.pipeline.evaluate.evaluate import evaluate
from homeport.pipeline.evaluate.rules import RuleBook
from homeport.pipeline.execute.api import Snapshot, Stop
from homeport.pipeline.facts.changes import GitFacts
from homeport.pipeline.facts.given import Given, give_variables
from homeport.pipeline.facts.repository import read_trigger
from homeport.pipeline.facts.wanted import Wanted
from homeport.pipeline.include.api import (
    Expanded,
    FileSource,
    IncludeContext,
    Key,
    Locked,
    RemoteSource,
)
from homeport.pipeline.include.expand import expand_includes
from homeport.pipeline.include.local import WorktreeSource
from homeport.pipeline.model.config import Config, When
from homeport.pipeline.model.document import Document, Map
from homeport.pipeline.model.event import Event, RunFinished
from homeport.pipeline.model.pipeline import Pipeline, Verdict
from homeport.pipeline.model.trigger import Facts, Trigger, Unresolved
from homeport.pipeline.plan.selection import Selected, refuse_unresolved, select_all, select_jobs
from homeport.pipeline.variables.predefined import pipeline_variables
from homeport.pipeline.variables.scoped import chosen_values
from homeport.settings.model import Settings

PULL_POLICY = ("if-not-present",)
"""A local run pulls what it lacks, unless the settings or the job say otherwise."""


class Request(Struct, frozen=True, kw_only=True):
    """What to evaluate: the file (relative to the root) of the working tree at `root`, for the
    `wanted` pipeline. `home` is the user's home folder, for variable files. `count_changes` is
    whether somebody wants to know how many changes are not committed, which costs a look at every
    file. `env` is the environment of the command: where credentials and proxies are looked up.
    `offline` forbids every fetch of an include, `refresh` reads all of them anew."""

    root: Path
    settings: Settings
    env: Mapping[str, str] = {}
    file: str = ".gitlab-ci.yml"
    wanted: Wanted = Wanted()
    home: str | None = None
    offline: bool = False
    refresh: bool = False
    count_changes: bool = False


class Evaluation(Struct, frozen=True, kw_only=True):
    """A pipeline and all that it was made of; `files` are the CI files that were read, `used`
    the includes from elsewhere as the lock file names them."""

    request: Request
    trigger: Trigger
    merged: Map
    config: Config
    pipeline: Pipeline
    files: tuple[str, ...]
    used: Mapping[Key, Locked] = {}


def evaluate_pipeline(request: Request) -> Evaluation:
    """The pipeline of a request. Raises `UsageError` with every problem of a broken file; problems
    of a valid file, and includes that could not be read, are in the result."""
    given = _give(request)
    trigger = given.trigger
    facts = GitFacts(request.root, trigger)
    source = _source(request, trigger, facts)
    used: dict[Key, Locked] = {}
    elsewhere = _elsewhere(request, trigger, source, used)
    expanded = _expand(_read(source, request, trigger), source, trigger, facts, elsewhere)
    merged, unresolved = _resolve(expanded)
    config = _with_chains(
        compose(
            merged,
            unresolved=unresolved,
            missing=expanded.missing,
            written=expanded.content,
        ),
        expanded,
    )
    _refuse_errors(config)
    pipeline = evaluate(config, trigger, facts)
    problems = (*given.problems, *_chained(pipeline.problems, expanded))
    return Evaluation(
        request=request,
        trigger=trigger,
        merged=merged,
        config=config,
        pipeline=structs.replace(pipeline, problems=problems) if problems else pipeline,
        files=expanded.files,
        used=used,
    )


def read_root_file(request: Request) -> tuple[Trigger, bytes]:
    """The facts of a request, and the bytes of the CI file that it would evaluate."""
    trigger = _give(request).trigger
    source = _source(request, trigger, GitFacts(request.root, trigger))
    return trigger, _read_bytes(source, request, trigger)


def _give(request: Request) -> Given:
    trigger = read_trigger(
        request.root,
        wanted=request.wanted,
        config_path=request.file,
        now=_now(),
        count_changes=request.count_changes,
    )
    return give_variables(trigger, request.settings, request.home, request.env)


def _source(request: Request, trigger: Trigger, facts: Facts) -> FileSource:
    """The working tree, or the tree of the commit alone."""
    if not trigger.committed or trigger.commit is None:
        return WorktreeSource(request.root, listing=lambda: _listing(facts))

    from homeport.pipeline.include.tree import TreeSource

    return TreeSource(request.root, trigger.commit.sha, listing=lambda: _listing(facts))


def _read(source: FileSource, request: Request, trigger: Trigger) -> Document:
    return load(_read_bytes(source, request, trigger), request.file)


def _read_bytes(source: FileSource, request: Request, trigger: Trigger) -> bytes:
    content = source.read(request.file)
    if content is None:
        path = request.root / request.file
        if trigger.committed and trigger.commit is not None:
            what = f"is not a file of commit {trigger.commit.sha[:8]}"
        elif path.is_dir():
            what = "is a folder, not a file"
        elif path.exists():
            what = "cannot be read, or lies outside of the repository"
        else:
            what = "does not exist"
        raise UsageError.of(
            f"{request.file} {what}",
            code="no-file",
            hint=f"looked in {request.root}; name another file with -f FILE",
        )
    return content


def _listing(facts: Facts) -> tuple[str, ...]:
    files = facts.files(None, None)
    return () if isinstance(files, Unresolved) else files


def _elsewhere(
    request: Request, trigger: Trigger, source: FileSource, used: dict[Key, Locked]
) -> Callable[[], RemoteSource]:
    """What opens the other projects and hosts; what is read there is put into `used`."""

    def open_all() -> RemoteSource:
        from homeport.lib.git import Git
        from homeport.pipeline.facts.remote import remote_address
        from homeport.pipeline.include.lock import LOCK_FILE, read_lock
        from homeport.pipeline.include.opening import open_elsewhere

        content = source.read(LOCK_FILE)
        address = remote_address(Git(request.root).config, trigger.branch)
        masked = trigger.masked
        values = (each.value for each in trigger.variables if each.key in masked and each.value)
        return open_elsewhere(
            own=None if address is None else trigger.project,
            address=address,
            settings=request.settings,
            env=request.env,
            locked={} if content is None else read_lock(content),
            used=used,
            offline=request.offline,
            refresh=request.refresh,
            secrets=frozenset(values),
            limits=Limits(),
        )

    return open_all


def _expand(
    document: Document,
    source: FileSource,
    trigger: Trigger,
    facts: Facts,
    elsewhere: Callable[[], RemoteSource],
) -> Expanded:
    variables = pipeline_variables(trigger)
    variables.update(chosen_values(trigger.variables, None))
    book = RuleBook(facts)

    def allows(entry: Map, _location: str) -> bool | None:
        rules = read_include_rules(entry)
        verdict = book.decide(rules, variables, When.ALWAYS).decision.verdict
        return None if verdict is Verdict.UNRESOLVED else verdict is Verdict.IN

    def allows_there(entry: Map, source: FileSource | None, seen: Mapping[str, str]) -> bool | None:
        from homeport.pipeline.facts.there import FactsThere

        rules = read_include_rules(entry)
        facts_there = FactsThere(facts, source.paths if source else tuple)
        verdict = RuleBook(facts_there).decide(rules, seen, When.ALWAYS).decision.verdict
        return None if verdict is Verdict.UNRESOLVED else verdict is Verdict.IN

    context = IncludeContext(
        variables=variables, allows=allows, allows_there=allows_there, masked=trigger.masked
    )
    return expand_includes(document, source, context, elsewhere)


def _resolve(expanded: Expanded) -> tuple[Map, Mapping[str, tuple[str, ...]]]:
    """`extends` and `!reference` applied; with includes missing, what cannot be is set apart."""
    partial = bool(expanded.missing)
    try:
        extended, lost = resolve_extends(expanded.content, partial=partial)
        merged, also_lost = resolve_references(extended, partial=partial)
    except UsageError as error:
        raise UsageError(_chained(error.problems, expanded)) from error
    return merged, {**lost, **also_lost}


def _with_chains(config: Config, expanded: Expanded) -> Config:
    """The configuration with the loader's own findings, and where each finding comes from."""
    problems = _chained((*expanded.problems, *config.problems), expanded)
    return structs.replace(config, problems=problems)


def _chained(problems: Iterable[Problem], expanded: Expanded) -> tuple[Problem, ...]:
    """For each finding in an included file, the includes that led there."""
    chains = expanded.chains
    return tuple(
        structs.replace(problem, included_from=chains[problem.span.file])
        if problem.span is not None and chains.get(problem.span.file)
        else problem
        for problem in problems
    )


def _refuse_errors(config: Config) -> None:
    if any(problem.severity is Severity.ERROR for problem in config.problems):
        raise UsageError(config.problems)


class RunOptions(Struct, frozen=True, kw_only=True):
    """What to run of a pipeline, and how. `jobs` are names, groups or globs (none: everything);
    `needs` adds all that they need; `now` starts delayed jobs without their delay; `env` is the
    environment of the command."""

    jobs: tuple[str, ...] = ()
    needs: bool = False
    now: bool = False
    colour: bool = False
    env: Mapping[str, str]


def run_pipeline(
    evaluation: Evaluation, options: RunOptions, emit: Callable[[Event], None], stop: Stop
) -> RunFinished:
    """Run the jobs of an evaluated pipeline; what happens goes to `emit`.

    Raises `UsageError` for jobs that are not there, `MissingError` for what the machine lacks (an
    engine, artifacts of earlier runs, a fact that a job depends on); all before anything runs.
    """
    from homeport.pipeline.execute.earlier import refuse_missing
    from homeport.pipeline.execute.executors import Executors, find_engine
    from homeport.pipeline.execute.job import JobRunner
    from homeport.pipeline.execute.scheduler import run_plan
    from homeport.pipeline.execute.state import State
    from homeport.pipeline.plan.plan import make_plan

    settings = evaluation.request.settings
    selected = _select(evaluation, options)
    plan = make_plan(evaluation.pipeline, evaluation.trigger, settings, selected)
    state = State.open(
        evaluation.request.root,
        options.env,
        kept_runs=settings.keep_runs,
        kept_bytes=settings.keep_size,
    )
    refuse_missing(plan, state.latest)
    engine = find_engine(plan, settings, options.env)
    with (
        Executors(engine, settings, options.env) as executors,
        closing(state.new_run(sha=plan.sha, ref=plan.ref)) as run,
    ):
        executors.prepare(run.builds_path)
        clock = _clock()
        runner = JobRunner(
            plan,
            run,
            _snapshot(evaluation, run.git_path, run.tree_path),
            executor_for=executors.of,
            earlier=state.latest,
            emit=emit,
            clock=clock,
            now=_now,
            secrets=_secrets(evaluation, options.env),
            pull_policy=tuple(policy.value for policy in settings.pull_policy) or PULL_POLICY,
            colour=options.colour,
        )
        finished = run_plan(
            plan,
            runner.run,
            emit,
            run_id=run.id,
            concurrency=settings.concurrency,
            stop=stop,
            clock=clock,
            now=_now,
            play=selected.named,
            now_delayed=options.now,
        )
        run.finish(finished.status)
        return finished


def _select(evaluation: Evaluation, options: RunOptions) -> Selected:
    pipeline = evaluation.pipeline
    if evaluation.trigger.commit is None:
        raise UsageError.of(
            f"{evaluation.request.root} has no commit yet, and a job runs for a commit",
            code="no-commit",
            hint="commit something first; list, lint, render and explain work without",
        )
    if options.jobs:
        selected = select_jobs(pipeline, options.jobs, needs=options.needs)
    else:
        selected = select_all(pipeline)
    refuse_unresolved(selected)
    return selected


def _snapshot(evaluation: Evaluation, into: Path, tree: Path) -> Snapshot:
    from homeport.lib.git import Git
    from homeport.pipeline.execute.snapshot import take_snapshot

    trigger, root = evaluation.trigger, evaluation.request.root
    git = Git(root)
    origins = git.config.get("remote.origin.url", ())
    return take_snapshot(
        git,
        root,
        trigger.commit.sha if trigger.commit else "",
        into=into,
        branch=trigger.branch,
        origin=origins[-1] if origins else None,
        tree=tree if trigger.committed else None,
    )


def _secrets(evaluation: Evaluation, env: Mapping[str, str]) -> frozenset[str]:
    """Values that no output may show: the user's masked variables, secrets that jobs are passed."""
    trigger, settings = evaluation.trigger, evaluation.request.settings
    given = (variable.value for variable in trigger.variables if variable.key in trigger.masked)
    passed = (env.get(name, "") for name in settings.pass_env if settings.masks(name))
    return frozenset(value for value in (*given, *passed) if value)


def _clock() -> Callable[[], float]:
    began = time.monotonic()
    return lambda: time.monotonic() - began


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
