"""`rules:` of a job and of `workflow:`: the first rule whose clauses all hold decides.

Source: GitLab's CI/CD YAML reference, `rules` and `workflow:rules`.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from homeport.errors import Span, UsageError
from homeport.pipeline.model.config import Rule, When
from homeport.pipeline.model.pipeline import Check, Decision, Verdict
from homeport.pipeline.model.trigger import Facts


class Outcome(Struct, frozen=True, kw_only=True):
    """What a list of rules decided: the rule that matched (None: none did) and the decision."""

    decision: Decision
    rule: Rule | None = None
    when: When = When.NEVER


class RuleBook:
    """Evaluates lists of rules against one repository's facts, remembering equal questions.

    Thousands of jobs share few lists of rules (by `extends` and anchors): a list without path
    clauses is evaluated once for each distinct set of the values that it reads.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._reads: dict[int, tuple[tuple[Rule, ...], tuple[str, ...] | None]] = {}
        self._answers: dict[tuple[object, ...], Outcome] = {}

    def decide(
        self, rules: tuple[Rule, ...], variables: Mapping[str, str], default: When
    ) -> Outcome:
        """The outcome of `rules`; a matching rule without `when` takes `default`."""
        reads = self._variables_of(rules)
        if reads is None:
            return _decide(rules, variables, default, self._facts)
        key = (id(rules), default, *(variables.get(name) for name in reads))
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = _decide(rules, variables, default, self._facts)
        return answer

    def _variables_of(self, rules: tuple[Rule, ...]) -> tuple[str, ...] | None:
        known = self._reads.get(id(rules))
        if known is None:
            # The list itself is kept beside its answer, so that its id stays taken.
            known = self._reads[id(rules)] = (rules, _reads(rules))
        return known[1]


def _reads(rules: Sequence[Rule]) -> tuple[str, ...] | None:
    """The variables that these rules look at, or None where paths are looked at too."""
    from homeport.pipeline.conditions.expression import ExpressionError, parse, variables_read

    names: dict[str, None] = {}
    for rule in rules:
        if rule.changes is not None or rule.exists is not None:
            return None
        if rule.if_ is not None:
            try:
                names.update(dict.fromkeys(variables_read(parse(rule.if_))))
            except ExpressionError:
                return None
    return tuple(names)


def _decide(
    rules: tuple[Rule, ...], variables: Mapping[str, str], default: When, facts: Facts
) -> Outcome:
    checks: list[Check] = []
    for number, rule in enumerate(rules, 1):
        matched, found = check_placed(rule, variables, facts, rule.span)
        checks.extend(found)
        if matched is None:
            notes = [check.note for check in found if check.result is None and check.note]
            return Outcome(
                decision=Decision(
                    verdict=Verdict.UNRESOLVED,
                    reason=f"rule {number} cannot be decided here: {'; '.join(notes)}",
                    rule=number,
                    checks=tuple(checks),
                    span=rule.span,
                ),
                rule=rule,
            )
        if matched:
            return _matched(number, rule, default, tuple(checks))
    reason = "no rule matched" if rules else "its list of rules is empty"
    decision = Decision(verdict=Verdict.OUT, reason=reason, checks=tuple(checks))
    return Outcome(decision=decision)


def check_placed(
    rule: Rule, variables: Mapping[str, str], facts: Facts, span: Span | None
) -> tuple[bool | None, tuple[Check, ...]]:
    """`check_rule`; what it refuses, such as an enormous pattern, is shown at `span`."""
    from homeport.pipeline.conditions.clauses import check_rule

    try:
        return check_rule(rule, variables, facts)
    except UsageError as error:
        placed = [replace(each, span=each.span or span) for each in error.problems]
        raise UsageError(placed) from None


def _matched(number: int, rule: Rule, default: When, checks: tuple[Check, ...]) -> Outcome:
    when = rule.when or default
    said = f" ({describe(rule)})" if describe(rule) else ""
    out = when is When.NEVER
    reason = f"rule {number} matched{said}" + (" and says when: never" if out else "")
    return Outcome(
        decision=Decision(
            verdict=Verdict.OUT if out else Verdict.IN,
            reason=reason,
            rule=number,
            checks=checks,
            span=rule.span,
        ),
        rule=rule,
        when=when,
    )


def describe(rule: Rule) -> str:
    """The clauses of a rule in one line, as a person would quote them."""
    parts = []
    if rule.if_ is not None:
        parts.append(f"if: {rule.if_}")
    if rule.changes is not None:
        parts.append(f"changes: {rule.changes.regexp or ', '.join(rule.changes.paths)}")
    if rule.exists is not None:
        parts.append(f"exists: {rule.exists.regexp or ', '.join(rule.exists.paths)}")
    return "; ".join(parts)
