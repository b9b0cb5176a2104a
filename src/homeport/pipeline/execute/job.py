"""One attempt of one job, from its variables to its result; the same for every executor.

open a session → put the workspace: snapshot, caches, artifacts → script → after_script
→ caches → artifacts, reports, coverage → close
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from homeport.errors import HomeportError
from homeport.lib.deadlines import Deadlines
from homeport.lib.redact import Redactor
from homeport.pipeline.execute.api import (
    SERVICES_TIMEOUT,
    Executor,
    ExecutorError,
    JobResult,
    JobSpec,
    Session,
    Stop,
)
from homeport.pipeline.execute.checkout import Checkout, Sources
from homeport.pipeline.execute.dotenv import NO_CHANGE, DotenvError, DotenvLimits
from homeport.pipeline.execute.environment import Environment, parse_duration
from homeport.pipeline.execute.failed import broken, refused
from homeport.pipeline.execute.git_variables import clone_path
from homeport.pipeline.execute.handover import Given, Handover, Needed
from homeport.pipeline.execute.job_environment import job_environment
from homeport.pipeline.execute.output import Output
from homeport.pipeline.execute.phases import Phases
from homeport.pipeline.execute.scripts import ScriptRunner
from homeport.pipeline.execute.state import Finished, Run
from homeport.pipeline.model.config import CrossNeed
from homeport.pipeline.model.event import Event, Status
from homeport.pipeline.model.plan import JobPlan, Plan, Runs

if TYPE_CHECKING:
    from homeport.pipeline.execute.cache import JobCaches
    from homeport.pipeline.execute.interactive import Interactive
    from homeport.pipeline.execute.outcomes import Outcomes


class JobRunner:
    """Runs jobs of one plan, from several threads at once.

    `executor_for` gives a job's executor. `earlier` finds the last run of a job that is not of this
    run. `emit` is called on the jobs' threads; `clock` gives seconds since the run began, `now` the
    time of day in ISO 8601. `secrets` are values to hide in every job beside its own masked ones.
    `cache_folder` is where the repository's caches are kept, `cache_bytes` what they may take;
    without a folder there are none. `upstream` finds jobs of the pipelines above this one.
    `interactive` opens shells in the jobs' places. `key_folder` has the key of `id_tokens`.
    """

    def __init__(
        self,
        plan: Plan,
        run: Run,
        checkout: Checkout,
        *,
        executor_for: Callable[[JobPlan], Executor],
        earlier: Callable[[str], Finished | None],
        emit: Callable[[Event], None],
        clock: Callable[[], float],
        now: Callable[[], str],
        secrets: frozenset[str] = frozenset(),
        pull_policy: tuple[str, ...] = ("if-not-present",),
        dotenv_limits: DotenvLimits = NO_CHANGE,
        colour: bool = False,
        cache_folder: Path | None = None,
        cache_bytes: int = 0,
        services_timeout: float = SERVICES_TIMEOUT,
        interactive: "Interactive | None" = None,
        upstream: Callable[[CrossNeed], Given | None] = lambda _need: None,
        key_folder: Path | None = None,
    ) -> None:
        self._plan = plan
        self._run = run
        self._checkout = checkout
        self._executor_for = executor_for
        self._handover = Handover(run, earlier, dotenv_limits)
        self._emit = emit
        self._clock = clock
        self._now = now
        self._secrets = secrets
        self._pull_policy = pull_policy
        self._colour = colour
        self._cache_folder = cache_folder
        self._cache_bytes = cache_bytes
        self._services_timeout = services_timeout
        self._interactive = interactive
        self._upstream = upstream
        self._key_folder = key_folder
        self._deadlines = Deadlines()

    def given_to(self, job: JobPlan) -> Needed:
        """What a job gets from those before it, without running it."""
        return self._handover.needed_by(job)

    def found(self, job: str) -> Given | None:
        """What a job that has ended leaves to others."""
        return self._handover.find(job)

    def run(self, job: JobPlan, attempt: int, stop: Stop) -> JobResult:
        """Run one attempt (counted from 1) to its end and remember the result.

        A failure of the place, or of the disk, is a result, too.
        """
        began = self._clock()
        log = self._run.log_path(job.name, attempt)
        phases = Phases(self._clock)
        if stop.reason is not None:
            result = JobResult(status=Status.CANCELED, message=stop.reason)
        else:
            result = self._prepare(job, attempt, stop, log, phases)
        result = structs.replace(
            result,
            duration=max(0.0, self._clock() - began),
            log=str(log) if log.exists() else None,
            phases=phases.end(),
        )
        if self._interactive is not None and self._interactive.before:
            return result  # the job has not run: what it left earlier still counts
        try:
            self._handover.remember(job.name, result)
        except HomeportError as error:
            failed = broken(error, Redactor(self._secrets))
            result = structs.replace(failed, duration=result.duration, log=result.log)
        return result

    def _prepare(
        self, job: JobPlan, attempt: int, stop: Stop, log: Path, phases: Phases
    ) -> JobResult:
        """Compose what the job gets; then what comes out of it is redacted."""
        redactor = Redactor(self._secrets)
        output = None
        try:
            needed = self._handover.needed_by(job)
            executor = self._executor_for(job)
            environment = self._environment(job, attempt, executor, needed)
            secrets = self._secrets | environment.secrets
            redactor = Redactor(secrets)
            above = self._handover.needed_from(job.upstream, environment.expand, self._upstream)
            output = Output(job.name, log, Redactor(secrets), self._emit, self._clock)
            for note in (*job.notes, *needed.notes):
                output.note(note, warning=note.startswith("WARNING: "))
            phases.begin("workspace")
            sources = self._sources(job, environment, output, stop)
            environment = structs.replace(environment, env={**environment.env, **sources.env})
            spec = self._spec(job, attempt, environment, output)
            spec = structs.replace(spec, sources=sources.snapshot)
            result = self._work(
                job,
                environment=environment,
                sources=sources,
                open_session=partial(
                    executor.open,
                    spec,
                    output.note,
                    stop,
                    service_log=output.aside,
                    phase=phases.begin,
                ),
                artifacts=(*needed.artifacts, *above),
                output=output,
                stop=stop,
                phases=phases,
            )
            output.close()
        except (HomeportError, ExecutorError, OSError) as error:
            result = broken(error, redactor)
            if stop.reason is not None:
                result = JobResult(status=Status.CANCELED, message=stop.reason)
            elif output is not None:
                with suppress(OSError, ValueError):  # ValueError: the log is closed already
                    output.note(f"ERROR: {result.message}", warning=True)
        finally:
            if output is not None:
                with suppress(OSError):
                    output.close()
        if result.message is not None:  # which may quote what a step has said
            result = structs.replace(result, message=redactor.redact_text(result.message))
        if job.coverage is not None and log.exists():
            from homeport.pipeline.execute.coverage import find_coverage

            result = structs.replace(result, coverage=find_coverage(job.coverage, log))
        return result

    def _work(
        self,
        job: JobPlan,
        *,
        environment: Environment,
        sources: Sources,
        open_session: Callable[[], Session],
        artifacts: Sequence[Path],
        output: Output,
        stop: Stop,
        phases: Phases,
    ) -> JobResult:
        if job.image is not None:
            phases.begin("image")
        session = open_session()
        phases.begin("workspace")
        try:
            tree = sources.snapshot
            scripts = ScriptRunner(
                job,
                environment,
                session,
                output,
                deadlines=self._deadlines,
                colour=self._colour,
                tree=tree,
            )
            failed = self._before_sources(job, sources, session, scripts, stop=stop)
            if failed is not None:
                return failed
            caches = self._caches(job, environment, output) if job.cache else None
            if caches is None:
                session.put(tree, (*sources.trees, *artifacts))
            else:
                with caches.restored() as restored:
                    try:
                        session.put(tree, (*sources.trees, *restored, *artifacts))
                    except ExecutorError as error:
                        if not restored:
                            raise
                        _warn(output, f"WARNING: Failed to extract cache: {error}")
                        session.close()
                        session = open_session()
                        scripts.session = session
                        session.put(tree, (*sources.trees, *artifacts))
            if self._interactive is not None and self._interactive.before:
                self._interactive.open(job.name, session, stop)
                return JobResult(status=Status.SUCCESS, exit_code=0)
            if self._interactive is not None:
                scripts.on_failure = partial(self._interactive.open, job.name, session, stop)
            phases.begin("script")
            result = self._released(job, environment, scripts.run(stop))
            phases.begin("artifacts")
            if result.status is Status.CANCELED or scripts.out_of_time:
                # As on GitLab: nothing is uploaded once the job's own time is over.
                return result
            success = result.status is Status.SUCCESS
            if caches is not None:
                caches.save(session, success=success)
            try:
                dotenv = self._handover.take(
                    job,
                    session,
                    success=success,
                    expand=environment.expand,
                    warn=partial(_warn, output),
                )
            except DotenvError as error:
                return refused(result, error, output)
            return self._recorded(job, environment, structs.replace(result, dotenv=dotenv))
        finally:
            phases.begin("cleanup")
            session.close()

    def _before_sources(
        self,
        job: JobPlan,
        sources: Sources,
        session: Session,
        scripts: ScriptRunner,
        *,
        stop: Stop,
    ) -> JobResult | None:
        """Run the job's hook; its failure, if it fails. Without sources there is none."""
        if not job.pre_get_sources_script or sources.snapshot.git is None:
            return None
        session.put(self._checkout.nothing, ())
        return scripts.before_sources(stop)

    def _released(self, job: JobPlan, environment: Environment, result: JobResult) -> JobResult:
        outcomes = self._outcomes(job, environment)
        return result if outcomes is None else outcomes.release(result)

    def _recorded(self, job: JobPlan, environment: Environment, result: JobResult) -> JobResult:
        outcomes = self._outcomes(job, environment)
        artifacts = self._run.artifacts_path(job.name)
        return result if outcomes is None else outcomes.end(result, artifacts)

    def _outcomes(self, job: JobPlan, environment: Environment) -> "Outcomes | None":
        if job.release is None and job.pages is None and job.environment is None:
            return None
        from homeport.pipeline.execute.outcomes import Outcomes

        return Outcomes(
            job=job,
            environment=environment,
            hide=Redactor(self._secrets | environment.secrets).redact_text,
            tell=self._emit,
            time=self._clock,
        )

    def _caches(self, job: JobPlan, environment: Environment, output: Output) -> "JobCaches | None":
        if self._cache_folder is None:
            return None
        # Imported by who has a cache: a run without any shall not pay for it.
        from homeport.pipeline.execute.cache import JobCaches
        from homeport.pipeline.execute.cache_key import KeySources
        from homeport.pipeline.execute.cache_store import CacheStore

        root = Path(self._plan.root)
        return JobCaches(
            job.cache,
            CacheStore(self._cache_folder, self._cache_bytes),
            KeySources(
                root=self._checkout.snapshot.root,
                files=self._checkout.snapshot.files,
                repository=root,
                sha=self._plan.sha,
                committed=self._checkout.snapshot.committed,
            ),
            expand=environment.expand,
            env=environment.env,
            secrets=self._secrets | environment.secrets,
            note=output.note,
            warn=partial(_warn, output),
        )

    def _environment(
        self, job: JobPlan, attempt: int, executor: Executor, needed: Needed
    ) -> Environment:
        return job_environment(
            job,
            needed.dotenv,
            self._plan.project_path,
            lambda path: executor.project_dir(self._run.id, job.name, attempt, path),
            started_at=self._now(),
            key_folder=self._key_folder,
        )

    def _spec(
        self, job: JobPlan, attempt: int, environment: Environment, output: Output
    ) -> JobSpec:
        image = None if job.image is None else environment.expand_image(job.image)
        return JobSpec(
            run=self._run.id,
            job=job.name,
            attempt=attempt,
            env=environment.env,
            files=environment.files,
            project_path=clone_path(environment) or self._plan.project_path,
            image=image,
            pull_policy=(image.pull_policy if image else ()) or self._pull_policy,
            masked=environment.secrets,
            services=tuple(
                environment.expand_service(service, self._pull_policy) for service in job.services
            ),
            services_timeout=self._services_limit(environment, output),
            debug_services=environment.is_on("CI_DEBUG_SERVICES"),
            placed=job.placed,
        )

    def _services_limit(self, environment: Environment, output: Output) -> float:
        """Seconds, as a number or a duration; the Runner's own setting, as a variable."""
        text = environment.env.get("WAIT_FOR_SERVICES_TIMEOUT", "")
        if not text:
            return self._services_timeout
        seconds = parse_duration(text)
        if seconds is None and text.lstrip("-").isdecimal() and len(text) < 9:
            seconds = float(text)
        if seconds is None:
            _warn(output, f"WARNING: WAIT_FOR_SERVICES_TIMEOUT is no number of seconds: {text}")
            return self._services_timeout
        return seconds

    def _sources(
        self, job: JobPlan, environment: Environment, output: Output, stop: Stop
    ) -> Sources:
        return self._checkout.get(
            environment,
            environment.env["CI_PROJECT_DIR"],
            packed=job.runs is Runs.CONTAINER,
            warn=partial(_warn, output),
            stop=stop,
        )


def _warn(output: Output, message: str) -> None:
    output.note(message, warning=True)
