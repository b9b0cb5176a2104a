"""Child pipelines: evaluate → plan → execute for what a trigger job makes while a pipeline runs.

In: a trigger job of a running pipeline. Out: a pipeline of its own on the same executors, whose
jobs are named `trigger job:job`. Source: GitLab's `Ci::CreateDownstreamPipelineService` and
"Downstream pipelines".
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from threading import Lock

from msgspec import Struct, structs

from homeport.errors import HomeportError, Problem, Severity
from homeport.lib.git import Git
from homeport.lib.redact import Redactor
from homeport.pipeline.execute.api import ChildResult, ExecutorError, Stop
from homeport.pipeline.execute.children import ChildOf, is_awaited
from homeport.pipeline.execute.executors import Executors
from homeport.pipeline.execute.handover import Given
from homeport.pipeline.execute.job import JobRunner
from homeport.pipeline.execute.scheduler import run_plan
from homeport.pipeline.execute.slots import Slots
from homeport.pipeline.facts.subject import choose_subject
from homeport.pipeline.facts.wanted import Wanted
from homeport.pipeline.flow import Evaluation, Request, evaluate_child, evaluate_downstream, now
from homeport.pipeline.include.local import WorktreeSource
from homeport.pipeline.include.location import LocationError
from homeport.pipeline.model.config import CrossNeed
from homeport.pipeline.model.event import Event, JobNote
from homeport.pipeline.model.pipeline import Verdict
from homeport.pipeline.model.plan import JobPlan, Plan, TriggerPlan
from homeport.pipeline.model.trigger import Source, Trigger, Upstream
from homeport.pipeline.plan.plan import make_plan
from homeport.pipeline.plan.selection import Selected, below, refuse_unresolved, select_all
from homeport.pipeline.variables.expand import expand
from homeport.pipeline.variables.forwarded import divide, forwarded_variables, known_variables
from homeport.settings.layers import COMMAND_LINE
from homeport.settings.model import Settings

MAX_DEPTH = 2
"""How deep child pipelines may nest (GitLab's MAX_NESTED_CHILDREN)."""

MAX_PIPELINES = 1000
"""How many pipelines one run may have (GitLab's `pipeline_hierarchy_size`)."""

MAX_CYCLES = 2
"""How often a project may be among the pipelines that led to one of its own."""

NOT_CREATED = "downstream pipeline can not be created"
TOO_DEEP = "reached maximum depth of child pipelines"
UNREACHED = "include-unreachable"
NOT_FOUND = "downstream project could not be found"
LOOP = "pipeline loop detected"
TOO_MANY = "downstream pipeline tree is too large"

MakeRunner = Callable[
    [Evaluation, Plan, Callable[[Event], None], Callable[[CrossNeed], Given | None]], JobRunner
]


class Shared(Struct, frozen=True, kw_only=True):
    """What all pipelines of one run have in common: `make_runner` makes what runs the jobs of one,
    `secrets` are values that no word about them may show; `play` are jobs of child pipelines to
    start by hand: names, groups or globs behind `trigger job:`."""

    run_id: str
    executors: Executors
    slots: Slots
    emit: Callable[[Event], None]
    clock: Callable[[], float]
    make_runner: MakeRunner
    secrets: frozenset[str] = frozenset()
    play: tuple[str, ...] = ()
    now_delayed: bool = False


class Numbers:
    """The ids and names of the pipelines and jobs of one run, of which `plan` is the main pipeline.
    May be used by any thread."""

    def __init__(self, plan: Plan) -> None:
        self._lock = Lock()
        self._pipelines = 1
        self._next_job = 1 + len(plan.jobs)
        self._names = {job.name for job in plan.jobs}

    def next_pipeline(self) -> int | None:
        """The id of one more pipeline; None where there are too many."""
        with self._lock:
            if self._pipelines >= MAX_PIPELINES:
                return None
            self._pipelines += 1
            return self._pipelines

    def number_jobs(self, jobs: int) -> int:
        """The id of the first of so many jobs."""
        with self._lock:
            first = self._next_job
            self._next_job += jobs
            return first

    def name_jobs(self, trigger: str, jobs: Iterable[str], pipeline: int) -> str:
        """What goes before the names of a child's jobs, so that no two of a run are the same."""
        jobs = tuple(jobs)
        prefix = f"{trigger}:"
        with self._lock:
            if any(prefix + name in self._names for name in jobs):
                prefix = f"{trigger} (pipeline {pipeline}):"
            self._names.update(prefix + name for name in jobs)
        return prefix


class Pipelines:
    """The `Downstream` of one pipeline.

    `emit` takes its events; `prefix` is what its jobs' names begin with, `above` are the pipelines
    that led to it, and `triggers` their jobs that did and wait for it.
    """

    def __init__(
        self,
        shared: Shared,
        numbers: Numbers,
        evaluation: Evaluation,
        runner: JobRunner,
        *,
        emit: Callable[[Event], None],
        prefix: str = "",
        above: tuple["Pipelines", ...] = (),
        triggers: tuple[str, ...] = (),
    ) -> None:
        self._shared = shared
        self._numbers = numbers
        self._evaluation = evaluation
        self._runner = runner
        self._emit = emit
        self._prefix = prefix
        self._above = above
        self.triggers = triggers

    def run(self, job: JobPlan, stop: Stop, created: Callable[[], None]) -> ChildResult:
        """See `Downstream`."""
        trigger = job.trigger
        assert trigger is not None  # noqa: S101 - narrows the type

        def emit(event: Event) -> None:
            self._shared.emit(structs.replace(event, pipeline=job.name))

        try:
            number = self._admit(trigger)
            child = self._evaluate(job, trigger, number)
            selected = self._select(child, job.name)
            plan, prefix = self._plan(child, selected, job.name, number)
            self._shared.executors.require(plan)
            runner = self._shared.make_runner(child, plan, emit, self._find)
        except HomeportError as error:
            return self._refuse(job, error.problems)
        except (RefusedError, ExecutorError, OSError) as error:
            return ChildResult(message=self._redacted(str(error)))
        if stop.reason is not None:
            return ChildResult(message=stop.reason)
        nested = Pipelines(
            self._shared,
            self._numbers,
            child,
            runner,
            emit=emit,
            prefix=prefix,
            above=(*self._above, self),
            triggers=(*self.triggers, job.name) if is_awaited(job) else self.triggers,
        )
        created()
        finished = run_plan(
            plan,
            runner.run,
            emit,
            run_id=self._shared.run_id,
            concurrency=1,
            stop=stop,
            clock=self._shared.clock,
            now=now,
            play=frozenset(prefix + name for name in selected.named),
            now_delayed=self._shared.now_delayed,
            slots=self._shared.slots,
            downstream=nested,
            child=ChildOf(job=job.name, id=number, awaited=is_awaited(job), above=nested.triggers),
        )
        return ChildResult(finished=finished)

    def _admit(self, trigger: TriggerPlan) -> int:
        """The id of one more pipeline. Raises `RefusedError` where there may be none."""
        if trigger.project is None and self.depth >= MAX_DEPTH:
            raise RefusedError(TOO_DEEP)
        number = self._numbers.next_pipeline()
        if number is None:
            raise RefusedError(TOO_MANY)
        return number

    def _evaluate(self, job: JobPlan, trigger: TriggerPlan, number: int) -> Evaluation:
        parent = self._evaluation.trigger
        named = on_command_line(self._evaluation.request.settings)
        own, pipeline = divide(parent.variables, named)
        variables, dotenv = (*job.variables, *job.overrides), self._runner.given_to(job).dotenv
        handed = forwarded_variables(trigger, job=variables, dotenv=dotenv, pipeline=pipeline)
        made = partial(structs.replace, pipeline_id=number, created_at=now())
        upstream = Upstream(pipeline_id=parent.pipeline_id, job_id=trigger.job_id)
        if trigger.project is None:
            child = made(
                parent,
                source=Source.PARENT_PIPELINE,
                upstream=structs.replace(upstream, depth=self.depth + 1),
                variables=(*own, *handed),
            )
            return whole(evaluate_child(self._evaluation, child, trigger.include, self._artifact))
        known = known_variables(variables, dotenv)
        values = {key: variable.value for key, variable in known.items()}
        branch = expand(trigger.branch or "", values)
        request = self._request(expand(trigger.project, values), branch)

        def become(there: Trigger) -> Trigger:
            if there.commit is None:
                raise HomeportError.of(f"{request.root} has no commit yet", code="no-commit")
            self._say_what_runs(job, there)
            variables = (*divide(there.variables, named)[0], *handed)
            return made(there, upstream=upstream, variables=variables)

        return whole(evaluate_downstream(request, become, trigger.inputs))

    def _request(self, project: str, branch: str) -> Request:
        """The checkout of a project, or the commit of a branch that is not checked out there.
        Raises `RefusedError` without a checkout, and for a circle."""
        before = self._evaluation.request
        path = before.settings.projects.get(project.strip("/").lower())
        if path is None:
            raise RefusedError(f"{NOT_FOUND}: --project {project}=PATH runs a checkout of it")
        root = Path(path)
        mains = [each for each in (*self._above, self) if each.depth == 0]
        if sum(each.root == root for each in mains) > MAX_CYCLES:
            raise RefusedError(LOOP)
        return Request(
            root=root,
            settings=before.settings,
            env=before.env,
            wanted=Wanted(kind="pipeline", ref=_not_checked_out(root, branch)),
            home=before.home,
            offline=before.offline,
            refresh=before.refresh,
        )

    def _say_what_runs(self, job: JobPlan, there: Trigger) -> None:
        what = f"{there.ref} is checked out"
        if there.committed and there.commit is not None:
            what = f"{there.ref} is {there.commit.sha[:8]}"
        self._note(job, f"its pipeline is that of {there.root}, where {what}", warning=False)

    def _select(self, child: Evaluation, trigger_job: str) -> Selected:
        """All jobs of a child pipeline; those that the user has named are started by hand."""
        before = f"{trigger_job}:"
        named = [name.removeprefix(before) for name in self._shared.play if name.startswith(before)]
        deeper = below(child.pipeline, named)
        play = [*dict.fromkeys(deeper.get(name, name) for name in named)]
        selected = select_all(child.pipeline, play=play)
        refuse_unresolved(selected)
        return selected

    def _plan(
        self, child: Evaluation, selected: Selected, trigger_job: str, number: int
    ) -> tuple[Plan, str]:
        """The plan of a child pipeline, and what goes before the names of its jobs."""
        first = self._numbers.number_jobs(len(selected.jobs))
        trigger = structs.replace(child.trigger, first_job_id=first)
        plan = make_plan(child.pipeline, trigger, child.request.settings, selected)
        names = [job.name for job in plan.jobs]
        prefix = self._numbers.name_jobs(trigger_job, names, number)
        return with_prefix(plan, prefix), prefix

    def found(self, job: str) -> Given | None:
        """What a job of this pipeline leaves to others."""
        return self._runner.found(self._prefix + job)

    @property
    def depth(self) -> int:
        """How many child pipelines of one project lead here, itself included."""
        upstream = self._evaluation.trigger.upstream
        return 0 if upstream is None else upstream.depth

    @property
    def root(self) -> Path:
        """The checkout that it is of."""
        return self._evaluation.request.root

    @property
    def id(self) -> int:
        """Its `CI_PIPELINE_ID`."""
        return self._evaluation.trigger.pipeline_id

    def _artifact(self, job: str, path: str) -> bytes | None:
        """A file of a job's artifacts, for `trigger:include:artifact`."""
        given = self.found(job)
        if given is None or given.artifacts is None:
            return None
        content = WorktreeSource(given.artifacts, listing=tuple).read(_inside(path))
        if content is None:
            raise LocationError(
                f"Path `{path}` does not exist inside the `{job}` artifacts archive!"
            )
        return content

    def _refuse(self, job: JobPlan, problems: Iterable[Problem]) -> ChildResult:
        """The trigger job fails in GitLab's words; all that is wrong is told beside."""
        told = [problem for problem in problems if problem.severity is not Severity.WARNING]
        for problem in told:
            self._note(job, str(problem), warning=True)
        first = next((each for each in told if each.severity is Severity.ERROR), told[0])
        line = first.message.partition("\n")[0]  # the rest is in the note
        return ChildResult(message=self._redacted(f"{NOT_CREATED}, {line}"))

    def _note(self, job: JobPlan, message: str, *, warning: bool) -> None:
        time = self._shared.clock()
        text = self._redacted(message)
        self._emit(JobNote(time=time, job=job.name, message=text, warning=warning))

    def _redacted(self, text: str) -> str:
        return Redactor(self._shared.secrets).redact_text(text)

    def _find(self, need: CrossNeed) -> Given | None:
        """A job of this pipeline, or of one above, by the pipeline's id."""
        for pipeline in (*self._above, self):
            if str(pipeline.id) == need.pipeline:
                return pipeline.found(need.job or "")
        return None


def whole(evaluation: Evaluation) -> Evaluation:
    """The evaluation, if there is a pipeline and all of it is known. Raises `HomeportError`."""
    pipeline = evaluation.pipeline
    errors = [each for each in pipeline.problems if each.severity is Severity.ERROR]
    if errors:
        raise HomeportError(errors)
    if pipeline.workflow.verdict is not Verdict.IN:
        raise HomeportError(pipeline.problems)
    for missing in pipeline.missing:
        message = f"include {missing.kind} {missing.location} was not read: {missing.reason}"
        raise HomeportError([Problem(code=UNREACHED, message=message, span=missing.span)])
    return evaluation


class RefusedError(Exception):
    """No pipeline is made, for a reason that GitLab has words of its own for."""


def on_command_line(settings: Settings) -> frozenset[str]:
    """The variables that `--variable` gives."""
    places = settings.origin.items()
    found = (key.partition("variables.")[2] for key, place in places if place == COMMAND_LINE)
    return frozenset(found) - {""}


def with_prefix(plan: Plan, prefix: str) -> Plan:
    """The plan with `prefix` before every job's name."""

    def named(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(prefix + name for name in names)

    jobs = tuple(
        structs.replace(
            job,
            name=prefix + job.name,
            needs=None if job.needs is None else named(job.needs),
            dependencies=named(job.dependencies),
        )
        for job in plan.jobs
    )
    return structs.replace(plan, jobs=jobs)


def _inside(path: str) -> str:
    return path.removeprefix("./")


def _not_checked_out(root: Path, branch: str) -> str | None:
    """The branch, unless it is checked out: then the working tree runs, as in every local run."""
    return None if branch in ("", choose_subject(Git(root), Wanted()).branch) else branch
