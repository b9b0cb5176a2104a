"""The plan of a run: each job with its place, its script and its variables in order."""

from msgspec import structs

from homeport.pipeline.model.config import Artifacts, Environment, Job, When
from homeport.pipeline.model.pipeline import Pipeline, PipelineJob
from homeport.pipeline.model.plan import JobPlan, Plan, Runs, ScopedVariable, TriggerPlan
from homeport.pipeline.model.trigger import Source, Trigger
from homeport.pipeline.plan.places import choose_place
from homeport.pipeline.plan.resource_group import group_of
from homeport.pipeline.plan.selection import Selected
from homeport.pipeline.variables.predefined import (
    NO_PROJECT,
    job_variables,
    pipeline_variables,
    seed_variables,
)
from homeport.pipeline.variables.scope import compose, inherited
from homeport.pipeline.variables.scoped import choose
from homeport.settings.model import Settings

TIMEOUT = 3600.0
"""GitLab's default job timeout: one hour."""


def make_plan(pipeline: Pipeline, trigger: Trigger, settings: Settings, selected: Selected) -> Plan:
    """Plan the selected jobs; those named by the user start whatever their `when` says."""
    assert trigger.commit is not None  # noqa: S101 - a run is refused before without a commit
    planner = _Planner(pipeline, trigger, settings)
    names = {job.name for job in selected.jobs}
    jobs = tuple(
        planner.job(job, names, index, named=job.name in selected.named)
        for index, job in enumerate(selected.jobs, trigger.first_job_id)
    )
    stages = {job.stage for job in jobs}
    plan = Plan(
        stages=tuple(stage for stage in pipeline.stages if stage in stages),
        jobs=jobs,
        root=trigger.root,
        sha=trigger.commit.sha,
        ref=trigger.ref or "",
        project_path=trigger.project.path if trigger.project else "",
        project=_project(trigger),
        name=pipeline.name,
        auto_cancel=pipeline.auto_cancel,
    )
    if settings.mirror_url is None:
        return plan
    # Imported by who has a mirror: a run without any shall not pay for it.
    from homeport.pipeline.plan.through_mirror import mirror_of, through_mirror

    return through_mirror(plan, mirror_of(settings))


class _Planner:
    def __init__(self, pipeline: Pipeline, trigger: Trigger, settings: Settings) -> None:
        self._pipeline = pipeline
        self._trigger = trigger
        self._settings = settings
        self._predefined = pipeline_variables(trigger)
        self._producers = {job.name for job in pipeline.jobs if _produces(job.job.artifacts)}
        self._reporters = {job.name for job in pipeline.jobs if _reports(job.job.artifacts)}
        self._starter = seed_variables(trigger)
        self._overrides: dict[str | None, tuple[ScopedVariable, ...]] = {}

    def job(self, job: PipelineJob, names: set[str], index: int, *, named: bool) -> JobPlan:
        config = job.job
        is_child = self._trigger.source is Source.PARENT_PIPELINE
        given = self._given(job.environment)
        place = choose_place(
            job, self._settings, is_child=is_child, given={variable.key for variable in given}
        )
        needs = job.needs
        variables = self._variables(job, index, place.runs)
        # Of what came before it, a trigger job takes variables alone.
        givers = self._producers if config.trigger is None else self._reporters
        plan = JobPlan(
            name=job.name,
            group=job.group,
            stage=job.stage,
            runs=place.runs,
            not_run=place.not_run,
            image=place.image,
            services=config.services,
            variables=variables,
            overrides=given,
            # Steps have no scripts around them, also none from default:.
            before_script=() if config.run else config.before_script,
            script=config.script,
            after_script=() if config.run else config.after_script,
            pre_get_sources_script=config.pre_get_sources_script,
            run=config.run,
            when=_when(job.when, named=named),
            start_in=None if named else job.start_in,
            allow_failure=job.allow_failure,
            needs=None if needs is None else tuple(n.job for n in needs if n.job in names),
            dependencies=tuple(name for name in job.dependencies if name in givers),
            artifacts=config.artifacts,
            cache=config.cache,
            retry=config.retry,
            timeout=config.timeout or TIMEOUT,
            coverage=config.coverage,
            resource_group=group_of(config.resource_group, (*variables, *given)),
            interruptible=job.interruptible,
            trigger=self._trigger_of(job, index),
            upstream=tuple(
                need
                for need in job.cross_needs
                if (need.project or (need.pipeline and is_child)) and need.job and need.artifacts
            ),
            release=config.release,
            environment=_environment(job),
            pages=_site(config),
        )
        if config.secrets:
            from homeport.pipeline.plan.secrets import with_secrets

            plan = with_secrets(plan, config.secrets, self._settings)
        if config.id_tokens:
            from homeport.pipeline.plan.id_tokens import with_id_tokens

            facts = {**self._predefined_of(job, index, place.runs), **self._starter}
            plan = with_id_tokens(plan, config.id_tokens, self._settings, facts)
        return plan

    def _trigger_of(self, job: PipelineJob, index: int) -> TriggerPlan | None:
        trigger = job.job.trigger
        if trigger is None:
            return None
        written = {
            **inherited(self._pipeline.variables, job.job.inherit_variables),
            **job.variables,
        }
        return TriggerPlan(
            include=trigger.include,
            project=trigger.project,
            branch=trigger.branch,
            strategy=trigger.strategy,
            forward=trigger.forward,
            inputs=trigger.inputs,
            variables=tuple(
                ScopedVariable(key=key, value=variable.value, raw=not variable.expand)
                for key, variable in written.items()
            ),
            job_id=index,
        )

    def _given(self, environment: str | None) -> tuple[ScopedVariable, ...]:
        """What jobs of an environment get from outside of the file."""
        if environment not in self._overrides:
            trigger = self._trigger
            self._overrides[environment] = tuple(
                ScopedVariable(
                    key=key,
                    value=variable.value,
                    raw=not variable.expand,
                    masked=key in trigger.masked,
                    file=variable.file,
                )
                for key, variable in choose(trigger.variables, environment).items()
            )
        return self._overrides[environment]

    def _variables(self, job: PipelineJob, index: int, runs: Runs) -> tuple[ScopedVariable, ...]:
        composed = compose(
            predefined=self._predefined_of(job, index, runs),
            global_variables=self._pipeline.variables,
            inherit=job.job.inherit_variables,
            job_variables=job.variables,
            starter=self._starter,
            masked=self._settings.masked,
        )
        unset = self._trigger.unset
        return tuple(v for v in composed if v.key not in unset) if unset else composed

    def _predefined_of(self, job: PipelineJob, index: int, runs: Runs) -> dict[str, str]:
        config = job.job
        environment = config.environment
        return {
            **self._predefined,
            **job_variables(
                self._trigger,
                name=job.name,
                stage=job.stage,
                job_id=index,
                image=config.image.name if config.image and runs is Runs.CONTAINER else None,
                timeout=int(config.timeout or TIMEOUT),
                manual=job.when in (When.MANUAL, When.DELAYED),
                node_index=job.node_index,
                node_total=job.node_total,
                environment_name=job.environment,
                environment_url=environment.url if environment else None,
                environment_action=environment.action if environment else None,
                environment_tier=environment.deployment_tier if environment else None,
            ),
        }


def _when(when: When, *, named: bool) -> When:
    """A job asked for by name runs: it is played, not delayed, and needs no failure first."""
    if not named or when in (When.MANUAL, When.ALWAYS):
        return when
    return When.ALWAYS if when is When.ON_FAILURE else When.ON_SUCCESS


def _project(trigger: Trigger) -> str:
    project = trigger.project
    has_server = project is not None and project.host != NO_PROJECT.host
    return f"{project.host}/{project.path}" if project and has_server else trigger.root


def _produces(artifacts: Artifacts | None) -> bool:
    return artifacts is not None and bool(
        artifacts.paths or artifacts.untracked or artifacts.reports
    )


def _reports(artifacts: Artifacts | None) -> bool:
    return artifacts is not None and "dotenv" in artifacts.reports


def _environment(job: PipelineJob) -> Environment | None:
    found = job.job.environment
    if found is None or job.environment is None:
        return None
    return structs.replace(found, name=job.environment)


def _site(job: Job) -> str | None:
    """The folder of the site that a job makes."""
    if "pages" not in job.raw and job.name != "pages":
        return None
    from homeport.pipeline.config.keyword.pages import is_pages_job, publish_path

    return publish_path(job.raw) if is_pages_job(job.name, job.raw) else None
