"""`inputs` of a job: parameters of a manual run, each with a default.

Source: GitLab's CI/CD YAML reference, `job:inputs`.
"""

from typing import Any

from homeport.lib.regexp import InvalidPatternError, compile_pattern
from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.ruby import ruby_string
from homeport.pipeline.config.shapes import is_integer
from homeport.pipeline.config.status import NO_EFFECT, Keyword

STATUS = Keyword(
    name="inputs", run=NO_EFFECT, note="the defaults are checked; nobody is asked for values"
)

MAX_INPUTS = 50
MAX_OPTIONS = 50
_KEYS = ("default", "description", "options", "regex", "type")
_TYPES = ("string", "number", "boolean", "array")


def parse_inputs(value: Any, entry: Entry) -> None:
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return
    if len(value) > MAX_INPUTS:
        entry.owner(f"inputs has too many entries (maximum {MAX_INPUTS})", "limit")
        return
    for name, spec in value.items():
        place = entry.child(value, name)
        _check_spec({} if spec is None else spec, ruby_string(name), place)


def _check_spec(spec: Any, name: str, place: Entry) -> None:
    if not isinstance(spec, dict):
        place.config("should be a hash", "wrong-type")
        return
    before = len(place.findings)
    description = spec.get("description")
    if description is not None and not (isinstance(description, str) or is_integer(description)):
        place.say("input description must be an alphanumeric string", "wrong-type")
    if spec.get("regex") is not None and not isinstance(spec["regex"], str):
        place.say("input regex should be a string", "wrong-type")
    kind = spec.get("type")
    if kind is not None and kind not in _TYPES:
        place.say(f"input type unknown value: {ruby_string(kind)}", "not-allowed")
    options = spec.get("options")
    if options is not None and not isinstance(options, list):
        place.say("input options should be an array", "wrong-type")
    elif options is not None:
        if len(options) > MAX_OPTIONS:
            place.config(f"cannot define more than {MAX_OPTIONS} options", "limit")
        if None in options:
            place.config("options array cannot contain null values", "blank")
    place.keys(spec, _KEYS)
    if spec.get("default") is None:
        place.say("must have a default value", "missing-key")
    if len(place.findings) == before:
        _check_default(spec, name, place)


def _check_default(spec: Any, name: str, place: Entry) -> None:
    """The default must be a value that a person could give."""
    default, kind = spec["default"], spec.get("type") or "string"
    if not _is_of(default, kind):
        place.owner(f"inputs `{name}`: default value is not a {kind}", "wrong-type")
        return
    options = spec.get("options")
    if options is not None and default not in options:
        text = f"inputs `{name}`: `{ruby_string(default)}` cannot be used because it is not in the "
        place.owner(text + "list of allowed options", "not-allowed")
    regex = spec.get("regex")
    if regex is not None and isinstance(default, str) and not _matches(regex, default):
        text = f"inputs `{name}`: default value does not match required regex pattern"
        place.owner(text, "not-allowed")


def _is_of(value: Any, kind: str) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    expected = {"string": str, "boolean": bool, "array": list}
    return isinstance(value, expected[kind])


def _matches(regex: str, text: str) -> bool:
    try:
        return compile_pattern(regex).search(text) is not None
    except InvalidPatternError:
        return False
