"""A job in the terms in which GitLab's specifications describe one."""

from collections.abc import Mapping
from typing import Any

from homeport.pipeline.model.config import (
    AllowFailure,
    Artifacts,
    Cache,
    CrossNeed,
    Image,
    Job,
    Need,
    Policy,
    Rule,
    Service,
    Variable,
    When,
)

Data = dict[str, Any]


def describe_job(job: Job) -> Data:
    """Its attributes; null or absent are those that are not in force."""
    allow = job.allow_failure
    return {
        "name": job.name,
        "stage": job.stage,
        "script": list(job.script) or None,
        "before_script": list(job.before_script) or None,
        "after_script": list(job.after_script) or None,
        "hooks": {"pre_get_sources_script": list(job.pre_get_sources_script)}
        if job.pre_get_sources_script
        else None,
        "only": _policy(job.only),
        "except": _policy(job.except_),
        "rules": None if job.rules is None else [_rule(rule) for rule in job.rules],
        "when": (job.when or When.ON_SUCCESS).value,
        "start_in": job.raw.get("start_in"),
        "environment": _environment(job),
        "allow_failure": job.when is When.MANUAL if allow is None else allow.allowed,
        "allow_failure_criteria": _criteria(allow),
        "timeout": job.timeout,
        "timeout_seconds": job.timeout,
        "needs": None if job.needs is None else [describe_need(need) for need in job.needs],
        "dependencies": None if job.dependencies is None else list(job.dependencies),
        "image": _image(job.image),
        "services": [_service(service) for service in job.services],
        "variables": describe_variables(job.variables),
        "job_variables": describe_variables(job.variables),
        "tags": list(job.tags),
        "tag_list": list(job.tags),
        "retry": _present(
            max=job.retry.max, when=list(job.retry.when), exit_codes=list(job.retry.exit_codes)
        ),
        "interruptible": job.interruptible,
        "coverage": job.coverage,
        "coverage_regex": job.coverage,
        "resource_group": job.resource_group,
        "parallel": _parallel(job),
        "artifacts": _artifacts(job.artifacts),
        "cache": [_cache(cache) for cache in job.cache],
        "manual_confirmation": job.manual_confirmation,
        "inherit_variables": job.inherit_variables,
        "id_tokens": dict(job.id_tokens),
        "secrets": dict(job.secrets),
        "release": job.release,
        "trigger": _trigger(job),
    }


def describe_variables(variables: Mapping[str, Variable]) -> Data:
    """Names and values; a value that is not expanded is a mapping."""
    return {key: variable.value for key, variable in variables.items()}


def _present(**values: Any) -> Data:
    return {key: value for key, value in values.items() if value not in (None, [], {}, ())}


def _policy(policy: Policy | None) -> Data | None:
    if policy is None:
        return None
    parts = ("refs", "variables", "changes")
    found = {part: getattr(policy, part) for part in parts}
    lists = {part: list(value) for part, value in found.items() if value is not None}
    return {**lists, **_present(kubernetes=policy.kubernetes)}


def _rule(rule: Rule) -> Data:
    changes, exists = rule.changes, rule.exists
    return _present(
        **{"if": rule.if_},
        changes=changes and _present(paths=list(changes.paths), compare_to=changes.compare_to),
        exists=exists
        and _present(paths=list(exists.paths), project=exists.project, ref=exists.ref),
        when=rule.when and rule.when.value,
        variables=describe_variables(rule.variables or {}),
        interruptible=rule.interruptible,
        needs=[describe_need(need) for need in rule.needs or ()],
        allow_failure=rule.allow_failure and rule.allow_failure.allowed,
    )


def _environment(job: Job) -> Data | None:
    found = job.environment
    return found and _present(
        name=found.name,
        url=found.url,
        action=found.action,
        on_stop=found.on_stop,
        auto_stop_in=found.auto_stop_in,
        deployment_tier=found.deployment_tier,
        kubernetes=found.kubernetes,
    )


def _criteria(allow: AllowFailure | None) -> Data | None:
    return {"exit_codes": list(allow.exit_codes)} if allow and allow.exit_codes else None


def describe_need(need: Need | CrossNeed) -> Data:
    """A need with its flags; `name` is null for one of another pipeline."""
    found: Data = {"name": need.job, "artifacts": need.artifacts, "optional": need.optional}
    if isinstance(need, CrossNeed):
        found.update(_present(project=need.project, ref=need.ref, pipeline=need.pipeline))
    return found


def _image(image: Image | None) -> Data | None:
    return image and _present(
        name=image.name,
        entrypoint=image.entrypoint and list(image.entrypoint),
        pull_policy=list(image.pull_policy),
        docker=_present(user=image.docker_user, platform=image.docker_platform),
    )


def _service(service: Service) -> Data:
    return _present(
        name=service.name,
        alias=",".join(service.aliases),
        entrypoint=service.entrypoint and list(service.entrypoint),
        command=service.command and list(service.command),
        pull_policy=list(service.pull_policy),
        variables=describe_variables(service.variables),
        docker=_present(user=service.docker_user, platform=service.docker_platform),
    )


def _parallel(job: Job) -> Data | None:
    parallel = job.parallel
    if parallel is None:
        return None
    matrix = [{key: list(each) for key, each in row.items()} for row in parallel.matrix]
    return _present(number=parallel.total, matrix=matrix)


def _artifacts(artifacts: Artifacts | None) -> Data | None:
    return artifacts and _present(
        name=artifacts.name,
        paths=list(artifacts.paths),
        exclude=list(artifacts.exclude),
        untracked=artifacts.untracked,
        when=artifacts.when.value,
        expire_in=artifacts.expire_in,
        expose_as=artifacts.expose_as,
        public=artifacts.public,
        access=artifacts.access,
        reports={
            name: list(value) if isinstance(value, tuple) else value
            for name, value in artifacts.reports.items()
        },
    )


def _cache(cache: Cache) -> Data:
    key = cache.key
    return _present(
        key=key.key
        or _present(
            files=list(key.files), files_commits=list(key.files_commits), prefix=key.prefix
        ),
        paths=list(cache.paths),
        untracked=cache.untracked,
        unprotect=cache.unprotect,
        policy=cache.policy,
        when=cache.when,
        fallback_keys=list(cache.fallback_keys),
    )


def _trigger(job: Job) -> Data | None:
    trigger = job.trigger
    return trigger and _present(
        project=trigger.project,
        branch=trigger.branch,
        strategy=trigger.strategy,
        include=[dict(each) for each in trigger.include],
        forward=dict(trigger.forward),
        inputs=dict(trigger.inputs),
    )
