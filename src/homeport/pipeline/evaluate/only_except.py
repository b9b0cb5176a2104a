"""`only:` and `except:`: refs, variables, changes and kubernetes.

Source: GitLab's CI/CD YAML reference, "Deprecated keywords", `only` / `except`. A job is in if
every part of `only` holds and no part of `except` does.
"""

from collections.abc import Iterator, Mapping

from homeport.pipeline.evaluate.rules import check_placed
from homeport.pipeline.model.config import Changes, Policy, Rule
from homeport.pipeline.model.pipeline import Check, Decision, Verdict
from homeport.pipeline.model.trigger import Facts, Source, Trigger


def decide_only_except(
    only: Policy | None,
    except_: Policy | None,
    trigger: Trigger,
    variables: Mapping[str, str],
    facts: Facts,
) -> Decision:
    """Whether a job without `rules` is in."""
    checks: list[Check] = []
    unresolved: Check | None = None
    for policy, keyword, wanted in ((only, "only", True), (except_, "except", False)):
        if policy is None:
            continue
        for check in _parts(policy, keyword, trigger, variables, facts):
            checks.append(check)
            if check.result is None:
                unresolved = unresolved or check
            elif check.result is not wanted:
                return Decision(
                    verdict=Verdict.OUT,
                    reason=_against(check),
                    checks=tuple(checks),
                    span=policy.span,
                )
    if unresolved is not None:
        return Decision(
            verdict=Verdict.UNRESOLVED,
            reason=f"{unresolved.clause} cannot be decided here: {unresolved.note}",
            checks=tuple(checks),
        )
    return Decision(verdict=Verdict.IN, reason=_reason(checks), checks=tuple(checks))


def _against(check: Check) -> str:
    if check.span is None and check.clause == "only:refs":
        return "it has no rules, and so is in pipelines of branches and tags alone"
    return f"{check.clause} {'holds' if check.result else 'does not hold'} ({check.text})"


def _reason(checks: list[Check]) -> str:
    if not checks:
        return "it has no rules, only or except"
    if len(checks) == 1 and checks[0].span is None:
        return "it has no rules, and so is in every pipeline of a branch or a tag"
    return "; ".join(
        f"{check.clause} {'holds' if check.result else 'does not hold'} ({check.text})"
        for check in checks
    )


def _parts(
    policy: Policy,
    keyword: str,
    trigger: Trigger,
    variables: Mapping[str, str],
    facts: Facts,
) -> Iterator[Check]:
    if policy.refs is not None:
        yield Check(
            clause=f"{keyword}:refs",
            text=", ".join(policy.refs),
            result=any(_ref_matches(ref, trigger) for ref in policy.refs),
            values={"CI_COMMIT_REF_NAME": trigger.ref, "CI_PIPELINE_SOURCE": trigger.source.value},
            span=policy.span,
        )
    if policy.kubernetes is not None:
        yield Check(
            clause=f"{keyword}:kubernetes",
            text=policy.kubernetes,
            result=False,
            note="no Kubernetes cluster is connected to a local run",
            span=policy.span,
        )
    if policy.variables is not None:
        rules = [Rule(if_=expression) for expression in policy.variables]
        yield _any(
            f"{keyword}:variables",
            policy.variables,
            rules,
            policy=policy,
            variables=variables,
            facts=facts,
        )
    if policy.changes is not None:
        rules = [Rule(changes=Changes(paths=policy.changes))]
        yield _any(
            f"{keyword}:changes",
            policy.changes,
            rules,
            policy=policy,
            variables=variables,
            facts=facts,
        )


def _any(
    clause: str,
    texts: tuple[str, ...],
    rules: list[Rule],
    *,
    policy: Policy,
    variables: Mapping[str, str],
    facts: Facts,
) -> Check:
    result: bool | None = False
    values: dict[str, str | None] = {}
    note = None
    for rule in rules:
        matched, found = check_placed(rule, variables, facts, policy.span)
        for check in found:
            values.update(check.values)
            note = note or check.note
        if matched:
            result = True
            break
        if matched is None:
            result = None
    return Check(
        clause=clause,
        text=", ".join(texts),
        result=result,
        values=values,
        note=note,
        span=policy.span,
    )


def _ref_matches(pattern: str, trigger: Trigger) -> bool:
    """Source: GitLab's `Policy::Refs`. In a merge request pipeline no pattern matches a name."""
    pattern, at, path = pattern.partition("@")
    if at and (trigger.project is None or trigger.project.path != path):
        return False
    if pattern in _keywords(trigger):
        return True
    if _is_merge_request(trigger) or trigger.ref is None:
        return False
    from homeport.pipeline.conditions.patterns import matches_ref

    return matches_ref(pattern, trigger.ref)


def _keywords(trigger: Trigger) -> frozenset[str]:
    """The special words that are true of this pipeline."""
    words = set(_SOURCE_WORDS.get(trigger.source, ()))
    if trigger.tag is not None:
        words.add("tags")
    elif not _is_merge_request(trigger):
        words.add("branches")
    return frozenset(words)


def _is_merge_request(trigger: Trigger) -> bool:
    """Also of a child of a merge request's pipeline."""
    return trigger.merge_request is not None or trigger.source is Source.MERGE_REQUEST


_SOURCE_WORDS: Mapping[Source, tuple[str, ...]] = {
    Source.PUSH: ("push", "pushes"),
    Source.WEB: ("web", "webs"),
    Source.SCHEDULE: ("schedule", "schedules"),
    Source.API: ("api", "apis"),
    Source.TRIGGER: ("trigger", "triggers"),
    Source.PIPELINE: ("pipeline", "pipelines"),
    Source.PARENT_PIPELINE: ("parent_pipeline", "parent_pipelines"),
    Source.MERGE_REQUEST: ("merge_request", "merge_requests"),
}
"""GitLab takes the source's name and its plural."""
