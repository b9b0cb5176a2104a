"""One configured job → its instances in, or out of, the pipeline, each with its decision."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from homeport.pipeline.config.instances import interpolate_needs
from homeport.pipeline.evaluate.matrix import Expansion, Instance
from homeport.pipeline.evaluate.only_except import decide_only_except
from homeport.pipeline.evaluate.rules import Outcome, RuleBook
from homeport.pipeline.model.config import (
    AllowFailure,
    CrossNeed,
    Environment,
    Job,
    Need,
    Rule,
    Variable,
    When,
)
from homeport.pipeline.model.pipeline import Decision, PipelineJob, Verdict
from homeport.pipeline.model.trigger import Facts, Trigger
from homeport.pipeline.variables.expand import expand_nested
from homeport.pipeline.variables.predefined import group_name, slug, trigger_variables
from homeport.pipeline.variables.scope import inherited
from homeport.pipeline.variables.scoped import chosen_values

FORBIDDEN = AllowFailure(allowed=False)
ALLOWED = AllowFailure(allowed=True)


class Setting(Struct, frozen=True, kw_only=True):
    """What every job of a pipeline is evaluated against.

    `predefined` and `root` are variables of the whole pipeline, `starter` those of its user, and
    `user` those given from outside for every environment, which win; `rules` and `expansion` are
    shared by all jobs.
    """

    trigger: Trigger
    facts: Facts
    predefined: Mapping[str, str]
    root: Mapping[str, Variable]
    user: Mapping[str, str]
    starter: Mapping[str, str]
    rules: RuleBook
    expansion: Expansion


def build_jobs(job: Job, setting: Setting) -> Iterator[PipelineJob]:
    """The instances of `job`, those that are out too."""
    expanded = setting.expansion.of(job.name)
    if expanded is None:
        yield _build(job, None, job.needs, setting)
        return
    for instance in expanded:
        needs = None if job.needs is None else tuple(interpolate_needs(job, instance.variables)[0])
        yield _build(job, instance, needs, setting)


def _build(
    job: Job,
    instance: Instance | None,
    needs: tuple[Need | CrossNeed, ...] | None,
    setting: Setting,
) -> PipelineJob:
    name = instance.name if instance else job.name
    context: dict[str, str] | None = None
    environment: str | None = None
    if job.environment is not None or _has_conditions(job):
        context = _context(job, name, instance, setting)
    if job.environment is not None and context is not None:
        environment = expand_nested(job.environment.name, context)
        _enter(environment, context, setting)
    outcome = _decide(job, context, setting)
    rule = outcome.rule
    own_needs, cross_needs = split_needs(needs, setting.expansion)
    if rule is not None and rule.needs:
        # Needs of other pipelines and projects stay: a rule cannot have them.
        own_needs = split_needs(rule.needs, setting.expansion)[0]
    dependencies = (
        setting.expansion.expand_names(job.dependencies) if job.dependencies is not None else ()
    )
    interruptible = job.interruptible
    if rule is not None and rule.interruptible is not None:
        interruptible = rule.interruptible
    return PipelineJob(
        name=name,
        group=job.name,
        job=job,
        stage=job.stage,
        decision=outcome.decision,
        when=outcome.when,
        allow_failure=_allow_failure(job, rule),
        start_in=_start_in(job, rule),
        needs=own_needs,
        cross_needs=cross_needs,
        dependencies=dependencies,
        variables=_variables(job, instance, rule),
        matrix=instance.variables if instance else {},
        node_index=instance.index if instance else None,
        node_total=instance.total if instance else None,
        interruptible=bool(interruptible),
        environment=environment,
        unresolved=job.unresolved,
    )


def _has_conditions(job: Job) -> bool:
    return not (job.rules is None and job.only is None and job.except_ is None)


def _decide(job: Job, context: dict[str, str] | None, setting: Setting) -> Outcome:
    default = job.when or When.ON_SUCCESS
    if job.unresolved:
        reason = f"it names what no known file defines: {'; '.join(job.unresolved)}"
        decision = Decision(verdict=Verdict.UNRESOLVED, reason=reason, span=job.span)
        return Outcome(decision=decision, when=default)
    if context is None or not _has_conditions(job):
        decision = Decision(verdict=Verdict.IN, reason="it has no rules, only or except")
        return Outcome(decision=decision, when=default)
    if job.rules is not None:
        return setting.rules.decide(job.rules, context, default)
    decision = decide_only_except(job.only, job.except_, setting.trigger, context, setting.facts)
    return Outcome(decision=decision, when=default)


def _context(job: Job, name: str, instance: Instance | None, setting: Setting) -> dict[str, str]:
    """The variables that a job's conditions see; not expanded, as GitLab does not either."""
    context = dict(setting.predefined)
    context["CI_JOB_NAME"] = name
    context["CI_JOB_NAME_SLUG"] = slug(name)
    context["CI_JOB_GROUP_NAME"] = group_name(name)
    context["CI_JOB_STAGE"] = job.stage
    context["CI_NODE_TOTAL"] = "1"
    if job.when in (When.MANUAL, When.DELAYED):
        context["CI_JOB_MANUAL"] = "true"
    context.update(trigger_variables(setting.trigger))
    if instance is not None:
        context["CI_NODE_INDEX"] = str(instance.index)
        context["CI_NODE_TOTAL"] = str(instance.total)
    if job.environment is not None:
        _describe(job.environment, context)
    for key, variable in inherited(setting.root, job.inherit_variables).items():
        context[key] = variable.value
    for key, variable in job.variables.items():
        context[key] = variable.value
    if instance is not None:
        context.update(instance.variables)
    context.update(setting.starter)
    context.update(setting.user)
    for key in setting.trigger.unset:
        context.pop(key, None)
    return context


def _describe(environment: Environment, context: dict[str, str]) -> None:
    """What conditions may know of an environment beside its name: only what the job itself says."""
    context["CI_ENVIRONMENT_ACTION"] = environment.action
    if environment.deployment_tier is not None:
        context["CI_ENVIRONMENT_TIER"] = environment.deployment_tier
    if environment.url is not None:
        context["CI_ENVIRONMENT_URL"] = environment.url


def _enter(environment: str, context: dict[str, str], setting: Setting) -> None:
    """Add what a job has by its environment: its name, and the variables scoped to it."""
    context.setdefault("CI_ENVIRONMENT_NAME", environment)
    context.update(chosen_values(setting.trigger.variables, environment))


def split_needs(
    needs: tuple[Need | CrossNeed, ...] | None, expansion: Expansion
) -> tuple[tuple[Need, ...] | None, tuple[CrossNeed, ...]]:
    """Needs of this pipeline, parallel jobs expanded, and those of others."""
    if needs is None:
        return None, ()
    own: list[Need] = []
    cross: list[CrossNeed] = []
    for need in needs:
        if isinstance(need, Need):
            own.extend(expansion.expand_need(need))
        else:
            cross.append(need)
    return tuple(own), tuple(cross)


def _allow_failure(job: Job, rule: Rule | None) -> AllowFailure:
    """A rule's word, else the job's, else: a job that is manual by itself may fail."""
    if rule is not None and rule.allow_failure is not None:
        return rule.allow_failure
    if job.allow_failure is not None:
        return job.allow_failure
    return ALLOWED if job.when is When.MANUAL else FORBIDDEN


def _start_in(job: Job, rule: Rule | None) -> float | None:
    return rule.start_in if rule is not None and rule.start_in is not None else job.start_in


def _variables(job: Job, instance: Instance | None, rule: Rule | None) -> Mapping[str, Variable]:
    own = job.variables
    added = rule.variables if rule is not None else None
    if instance is None and not added:
        return own
    merged = dict(own)
    if instance is not None:
        for key, value in instance.variables.items():
            merged[key] = Variable(value=value)
    merged.update(added or {})
    return merged
