"""`rules` of a job, of `workflow:` and of an include: a list of conditions, nested lists flattened.

Source: GitLab's CI/CD YAML reference, `rules`, `workflow:rules`, `include:rules`.
"""

from typing import Any

from homeport.errors import Span, UsageError
from homeport.pipeline.config.duration import WEEK, parse_duration, within
from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.clauses import parse_changes, parse_exists
from homeport.pipeline.config.keyword.expression import advice, is_valid_expression
from homeport.pipeline.config.keyword.needs import parse_rule_needs
from homeport.pipeline.config.keyword.variables import parse_plain_variables
from homeport.pipeline.config.keyword.workflow_cancel import parse_auto_cancel
from homeport.pipeline.config.ruby import is_blank, ruby_string
from homeport.pipeline.config.shapes import is_nested, places
from homeport.pipeline.config.status import NO_EFFECT, YES, Keyword
from homeport.pipeline.model.config import AllowFailure, Rule, When
from homeport.pipeline.model.document import span_of_key, span_of_value

STATUS = Keyword(
    name="rules",
    evaluated=True,
    parts=(
        Keyword(name="if", evaluated=True),
        Keyword(name="changes", evaluated=True, cases=("rules-changes",)),
        Keyword(name="changes:paths", evaluated=True),
        Keyword(name="changes:compare_to", evaluated=True),
        Keyword(
            name="changes:regexp", evaluated=True, note="unresolved where RE2 lacks what it uses"
        ),
        Keyword(name="exists", evaluated=True),
        Keyword(name="exists:paths", evaluated=True),
        Keyword(
            name="exists:project",
            evaluated=True,
            note="cannot be decided where the project is not at hand",
        ),
        Keyword(name="exists:ref", evaluated=True),
        Keyword(
            name="exists:regexp", evaluated=True, note="unresolved where RE2 lacks what it uses"
        ),
        Keyword(name="when", evaluated=True, run=YES),
        Keyword(name="start_in", evaluated=True, run=YES),
        Keyword(name="allow_failure", evaluated=True, run=YES),
        Keyword(name="needs", evaluated=True, run=YES),
        Keyword(name="variables", evaluated=True, run=YES),
        Keyword(name="interruptible", evaluated=True, run=NO_EFFECT),
    ),
)

MAX_NESTING = 10
_COMMON = ("if", "changes", "exists", "when", "start_in", "allow_failure", "variables", "needs")
JOB_KEYS = (*_COMMON, "interruptible")
_WORKFLOW_KEYS = (*_COMMON, "auto_cancel")
_INCLUDE_KEYS = ("if", "exists", "when", "changes")
_JOB_WHEN = ("on_success", "on_failure", "always", "never", "manual", "delayed")
_WORKFLOW_WHEN = ("always", "never")


def parse_job_rules(value: Any, entry: Entry) -> tuple[Rule, ...] | None:
    if not is_nested(value, MAX_NESTING, lambda item: isinstance(item, dict)):
        entry.owner("rules should be an array containing hashes and arrays of hashes", "wrong-type")
        return None
    return _parse(value, entry, JOB_KEYS, _JOB_WHEN)


def parse_include_rules(value: Any, entry: Entry) -> tuple[Rule, ...] | None:
    return _parse(value, entry, _INCLUDE_KEYS, _WORKFLOW_WHEN)


def parse_workflow_rules(value: Any, entry: Entry) -> tuple[Rule, ...] | None:
    return _parse(value, entry, _WORKFLOW_KEYS, _WORKFLOW_WHEN)


def read_include_rules(owner: Any) -> tuple[Rule, ...]:
    """The rules of an entry of `include:`, which are needed before the files are merged.

    Raises `UsageError` with all that is wrong in them, in GitLab's words (`include:rule …`).
    """
    entry = Entry(owner, "rules")
    rules = parse_include_rules(owner["rules"], entry)
    if entry.findings:
        raise UsageError(
            # GitLab reads such rules alone: a fault in one rule has no `rules` in its location.
            finding.problem("include", "" if finding.path else "rules")
            for finding in entry.findings
        )
    return rules or ()


def _parse(
    value: Any, entry: Entry, allowed: tuple[str, ...], whens: tuple[str, ...]
) -> tuple[Rule, ...] | None:
    if is_blank(value):
        entry.config("can't be blank", "blank")
    if not isinstance(value, list):
        entry.config("should be an array", "wrong-type")
        return None
    return tuple(
        rule
        for owner, index in places(value)
        if (rule := _rule(owner[index], entry.child(owner, index, "rule"), allowed, whens))
    )


def _rule(
    value: Any, entry: Entry, allowed: tuple[str, ...], whens: tuple[str, ...]
) -> Rule | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return None
    if not value:
        entry.config("can't be blank", "blank")
    when = value.get("when")
    start_in = _start_in(value, entry, delayed=when == "delayed")
    if_ = value.get("if")
    if if_ is not None and not is_valid_expression(if_):
        entry.say(
            "if invalid expression syntax",
            "invalid-expression",
            span_of_value(value, "if"),
            hint=advice(if_),
        )
        if_ = None
    allow_failure = entry.boolean(value, "allow_failure")
    interruptible = entry.boolean(value, "interruptible")
    if when is not None and ruby_string(when) not in whens:
        text = f"when unknown value: {ruby_string(when)}"
        entry.say(text, "not-allowed", span_of_value(value, "when"))
        when = None
    entry.keys(value, allowed)
    parts = {
        key: parser(value[key], entry.child(value, key))
        for key, parser in _PARSERS.items()
        if value.get(key) is not None
    }
    return Rule(
        if_=if_,
        when=None if when is None else When(when),
        start_in=start_in,
        allow_failure=None if allow_failure is None else AllowFailure(allowed=allow_failure),
        interruptible=interruptible,
        span=_begin(value, entry),
        **parts,
    )


def _begin(value: Any, entry: Entry) -> Span | None:
    """Where a rule begins: its first key, which is where a person looks."""
    for key in value:
        return span_of_key(value, key) or entry.span
    return entry.span


def _start_in(value: Any, entry: Entry, *, delayed: bool) -> float | None:
    start_in = value.get("start_in")
    if not delayed:
        if "start_in" in value:
            entry.config(
                "contains disallowed keys: start_in", "not-allowed", span_of_key(value, "start_in")
            )
        return None
    if is_blank(start_in):
        entry.wrong(value, "start_in", "can't be blank", "blank")
    seconds = parse_duration(start_in) if isinstance(start_in, str) else None
    if seconds is None:
        entry.wrong(value, "start_in", "should be a duration", "invalid-duration")
    if not (isinstance(start_in, str) and within(start_in, WEEK)):
        entry.wrong(value, "start_in", "should not exceed the limit", "limit")
    return seconds


_PARSERS: dict[str, Any] = {
    "changes": parse_changes,
    "exists": parse_exists,
    "variables": parse_plain_variables,
    "needs": parse_rule_needs,
    "auto_cancel": parse_auto_cancel,
}
