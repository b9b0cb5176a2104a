"""The whole evaluation, in GitLab's order: workflow, then each job, then needs.

Source: GitLab's "CI/CD pipelines" and CI/CD YAML reference; the messages are those of pipeline
creation.
"""

from collections.abc import Mapping, Sequence

from homeport.errors import Problem, Severity
from homeport.pipeline.evaluate.circles import Circles
from homeport.pipeline.evaluate.jobs import Setting, build_jobs
from homeport.pipeline.evaluate.matrix import Expansion
from homeport.pipeline.evaluate.metadata import auto_cancel, pipeline_name
from homeport.pipeline.evaluate.needs import MAX_NEEDS, settle_needs
from homeport.pipeline.evaluate.rules import Outcome, RuleBook
from homeport.pipeline.model.config import Config, Rule, Variable, When
from homeport.pipeline.model.pipeline import Decision, Pipeline, PipelineJob, Verdict
from homeport.pipeline.model.trigger import Facts, Trigger
from homeport.pipeline.variables.predefined import pipeline_variables, seed_variables
from homeport.pipeline.variables.scoped import chosen_values

MAX_NAME = 255
EDGES = frozenset((".pre", ".post"))
NO_JOBS = (
    "Pipeline will not run for the selected trigger. The rules configuration prevented any jobs "
    "from being added to the pipeline."
)
FILTERED = "Pipeline filtered out by workflow rules."


def evaluate(
    config: Config, trigger: Trigger, facts: Facts, *, max_needs: int = MAX_NEEDS
) -> Pipeline:
    """The pipeline that GitLab would create; its problems carry what creation would complain of.

    A configuration with errors is not evaluated: check `config.problems` first. `max_needs` is how
    many jobs one may need.
    """
    predefined = pipeline_variables(trigger)
    user = chosen_values(trigger.variables, None)
    rules = RuleBook(facts)
    outcome = _workflow(config, predefined, user, rules)
    workflow, root = outcome.decision, _root_variables(config, outcome.rule)
    if workflow.verdict is Verdict.OUT:
        return Pipeline(
            workflow=workflow,
            stages=(),
            jobs=(),
            variables=root,
            problems=(*config.problems, _filtered(workflow)),
            missing=config.missing,
        )
    setting = Setting(
        trigger=trigger,
        facts=facts,
        predefined=predefined,
        root=root,
        user=user,
        starter=seed_variables(trigger),
        rules=rules,
        expansion=Expansion(config.jobs),
    )
    included, excluded, problems = _build_all(config, setting)
    jobs, found = settle_needs(
        _in_stage_order(included, config.stages), setting.expansion, max_needs=max_needs
    )
    problems += found
    problems += Circles(root, user).find(jobs)
    name, unfit = pipeline_name(config.workflow, predefined, root, user)
    if not problems and not any(job.stage not in EDGES for job in jobs):
        problems.append(_no_jobs(config))
    problems += unfit
    stages = {job.stage for job in jobs}
    return Pipeline(
        workflow=workflow,
        stages=tuple(stage for stage in config.stages if stage in stages),
        jobs=jobs,
        excluded=tuple(excluded),
        name=name,
        variables=root,
        auto_cancel=auto_cancel(config.workflow, outcome.rule),
        problems=(*config.problems, *problems),
        missing=config.missing,
    )


def _workflow(
    config: Config, predefined: Mapping[str, str], user: Mapping[str, str], rules: RuleBook
) -> Outcome:
    """What `workflow:rules` decide, and by which rule."""
    if config.workflow.rules is None:
        reason = "there are no workflow rules"
        return Outcome(decision=Decision(verdict=Verdict.IN, reason=reason))
    context = dict(predefined)
    context.update((key, variable.value) for key, variable in config.variables.items())
    context.update(user)
    return rules.decide(config.workflow.rules, context, When.ALWAYS)


def _root_variables(config: Config, rule: Rule | None) -> Mapping[str, Variable]:
    """The global variables with those of the workflow's rule."""
    if rule is None or not rule.variables:
        return config.variables
    return {**config.variables, **rule.variables}


def _no_jobs(config: Config) -> Problem:
    """An error, unless jobs may be in a file that could not be read."""
    if not config.missing:
        hint = "homeport list --all shows why each job is out" if config.jobs else None
        return Problem(code="no-jobs", message=NO_JOBS, hint=hint)
    message = "no known job is in this pipeline; there may be some in the includes not read"
    return Problem(code="no-known-jobs", severity=Severity.NOTE, message=message)


def _filtered(decision: Decision) -> Problem:
    return Problem(
        code="filtered-by-workflow",
        severity=Severity.NOTE,
        message=f"{FILTERED} ({decision.reason})",
        span=decision.span,
    )


def _build_all(
    config: Config, setting: Setting
) -> tuple[list[PipelineJob], list[PipelineJob], list[Problem]]:
    """The jobs that are in, and those that are out.

    Of several with one name, which `parallel:matrix` can make, GitLab keeps the last, in the place
    of the first.
    """
    named = {
        built.name: built for job in config.jobs.values() for built in build_jobs(job, setting)
    }
    included: list[PipelineJob] = []
    excluded: list[PipelineJob] = []
    problems: list[Problem] = []
    for built in named.values():
        if built.decision.verdict is Verdict.OUT:
            excluded.append(built)
        else:
            included.append(built)
            if len(built.name) > MAX_NAME:
                problems.append(_name_too_long(built))
    return included, excluded, problems


def _name_too_long(job: PipelineJob) -> Problem:
    return Problem(
        code="job-name-too-long",
        message=f"{job.name}: Name is too long (maximum is {MAX_NAME} characters)",
        span=job.job.span,
    )


def _in_stage_order(jobs: Sequence[PipelineJob], stages: Sequence[str]) -> list[PipelineJob]:
    order = {stage: index for index, stage in enumerate(stages)}
    return sorted(jobs, key=lambda job: order.get(job.stage, len(order)))
