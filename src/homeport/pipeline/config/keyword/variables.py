"""`variables`, global, of a job, of a rule and of a service.

A value is a scalar, printed as Ruby prints it, or a mapping of which each place allows some keys.
Source: GitLab's CI/CD YAML reference, `variables`, `rules:variables`.
"""

from collections.abc import Mapping
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.ruby import is_blank, ruby_string
from homeport.pipeline.config.shapes import is_integer, is_scalar, is_strings
from homeport.pipeline.config.status import YES, Keyword
from homeport.pipeline.model.config import Variable
from homeport.pipeline.model.document import span_of_key

STATUS = Keyword(
    name="variables",
    evaluated=True,
    run=YES,
    parts=(
        Keyword(name="value", evaluated=True, run=YES),
        Keyword(name="description", run=YES, note="asked for by `--as web` on a terminal"),
        Keyword(name="options", evaluated=True, note="the value must be one of them"),
        Keyword(name="expand", run=YES),
    ),
    cases=("variables",),
)

_GLOBAL = ("value", "description", "expand", "options")
_JOB = ("value", "expand")
_EMPTY = Variable(value="")


def parse_global_variables(value: Any, entry: Entry) -> Mapping[str, Variable]:
    return _parse(value, entry, _GLOBAL)


def parse_job_variables(value: Any, entry: Entry) -> Mapping[str, Variable]:
    return _parse(value, entry, _JOB)


def parse_plain_variables(value: Any, entry: Entry) -> Mapping[str, Variable]:
    """Variables of a rule or a service, where a mapping is no value."""
    return _parse(value, entry, ())


def _parse(value: Any, entry: Entry, allowed: tuple[str, ...]) -> Mapping[str, Variable]:
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return {}
    result: dict[str, Variable] = {}
    for key, item in value.items():
        if type(item) is str and type(key) is str:
            result[key] = Variable(value=item)
        else:
            result[ruby_string(key)] = _variable(key, item, value, entry, allowed)
    return result


def _variable(key: Any, item: Any, value: Any, entry: Entry, allowed: tuple[str, ...]) -> Variable:
    name = "variable" if is_blank(key) and not is_scalar(key) else None
    place = entry.child(value, key, name)
    if not (isinstance(key, str) or is_integer(key)):
        place.say("key must be an alphanumeric string", "wrong-type", span_of_key(value, key))
    if item is None:
        # GitLab takes null for an empty mapping.
        item = {}
    if isinstance(item, dict):
        return _complex(item, place, allowed)
    if not is_scalar(item):
        text = "variable definition must be either a string or a hash"
        place.bare(text, "wrong-type", verbatim=True)
        return _EMPTY
    return Variable(value=ruby_string(item))


def _complex(item: Any, place: Entry, allowed: tuple[str, ...]) -> Variable:
    raw = item.get("value")
    if raw is not None and not is_scalar(raw):
        place.wrong(item, "value", "must be a scalar")
        raw = None
    description = item.get("description")
    if description is not None and not (isinstance(description, str) or is_integer(description)):
        place.wrong(item, "description", "must be an alphanumeric string")
        description = None
    expand = place.boolean(item, "expand")
    options = place.strings(item, "options")
    if not allowed:
        place.config("must be a string", "wrong-type")
    else:
        extra = [key for key in item if key not in allowed]
        if extra:
            names = ", ".join(map(ruby_string, extra))
            place.config(
                f"uses invalid data keys: {names}", "unknown-key", span_of_key(item, extra[0])
            )
    if is_strings(item.get("options")) and options and raw not in options:
        place.config("value must be present in options", "not-allowed")
    return Variable(
        value=ruby_string(raw),
        expand=True if expand is None else expand,
        description=None if description is None else ruby_string(description),
        options=options or (),
    )
