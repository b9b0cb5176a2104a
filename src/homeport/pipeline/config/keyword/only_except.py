"""`only` and `except`: a list of refs, or a mapping of conditions.

Source: GitLab's CI/CD YAML reference, `only` / `except`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.expression import advice, is_valid_expression
from homeport.pipeline.config.pattern import is_valid_regexp, looks_like_regexp
from homeport.pipeline.config.ruby import ruby_string
from homeport.pipeline.config.status import Keyword
from homeport.pipeline.model.config import Policy
from homeport.pipeline.model.document import span_of_value

STATUS = (
    Keyword(
        name="only",
        evaluated=True,
        parts=(
            Keyword(name="refs", evaluated=True),
            Keyword(name="variables", evaluated=True),
            Keyword(name="changes", evaluated=True),
            Keyword(name="kubernetes", evaluated=True, note="never active here"),
        ),
        cases=("only-except",),
    ),
    Keyword(
        name="except",
        evaluated=True,
        parts=(
            Keyword(name="refs", evaluated=True),
            Keyword(name="variables", evaluated=True),
            Keyword(name="changes", evaluated=True),
            Keyword(name="kubernetes", evaluated=True, note="never active here"),
        ),
        cases=("only-except",),
    ),
)

_DEFAULT_REFS = ("branches", "tags")
_KEYS = ("refs", "kubernetes", "variables", "changes")
_REFS_TEXT = "should be an array of strings or regular expressions using re2 syntax"


def parse_only(value: Any, entry: Entry) -> Policy | None:
    """A mapping without `refs` keeps the default ones."""
    return _parse(value, entry, _DEFAULT_REFS)


def parse_except(value: Any, entry: Entry) -> Policy | None:
    return _parse(value, entry, None)


def _parse(value: Any, entry: Entry, default_refs: tuple[str, ...] | None) -> Policy | None:
    if isinstance(value, list):
        if not _are_refs(value):
            entry.config(_REFS_TEXT, "wrong-type")
            return None
        return Policy(refs=tuple(value), span=entry.span)
    if not isinstance(value, dict):
        text = "has to be either an array of conditions or a hash"
        entry.say(text, "wrong-type", verbatim=True)
        return None
    if not value:
        entry.config("can't be blank", "blank")
    entry.keys(value, _KEYS)
    variables = value.get("variables")
    if isinstance(variables, list) and not all(map(is_valid_expression, variables)):
        wrong = next(i for i, each in enumerate(variables) if not is_valid_expression(each))
        entry.say(
            "variables invalid expression syntax",
            "invalid-expression",
            span_of_value(variables, wrong),
            hint=advice(variables[wrong]),
        )
    refs = value.get("refs")
    if refs is not None and not _are_refs(refs):
        entry.wrong(value, "refs", _REFS_TEXT)
        refs = None
    kubernetes = value.get("kubernetes")
    if kubernetes is not None and ruby_string(kubernetes) != "active":
        text = f"unknown value: {ruby_string(kubernetes)}"
        entry.wrong(value, "kubernetes", text, "not-allowed")
        kubernetes = None
    return Policy(
        refs=(default_refs if "refs" not in value else None) if refs is None else tuple(refs),
        variables=entry.strings(value, "variables"),
        changes=entry.strings(value, "changes"),
        kubernetes=kubernetes,
        span=entry.span,
    )


def _are_refs(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_ref, value))


def _is_ref(value: Any) -> bool:
    return isinstance(value, str) and (not looks_like_regexp(value) or is_valid_regexp(value))
