"""`spec:inputs` → the values of a file's inputs (GitLab `Config::Interpolation::Inputs`)."""

from collections.abc import Mapping
from typing import Any

from homeport.errors import Span
from homeport.lib.regexp import InvalidPatternError, compile_pattern
from homeport.pipeline.conditions.expression import ExpressionError, is_true, parse
from homeport.pipeline.document.ruby import inspect_value
from homeport.pipeline.model.document import span_of_key

_NAMES = {"array": "an array", "boolean": "a boolean", "number": "a number", "string": "a string"}
TYPES = frozenset(_NAMES)


class InputsError(Exception):
    """Inputs or blocks that GitLab refuses; `messages` are its own, without the file's name.

    `places` says of messages where in the file they arise; `given` that what is wrong are the
    values given to the file: its own places are then only where the inputs are specified.
    """

    def __init__(
        self, messages: list[str], places: Mapping[str, Span] | None = None, *, given: bool = False
    ) -> None:
        self.messages = messages
        self.places = places or {}
        self.given = given
        super().__init__("; ".join(messages))


def resolve_inputs(specs: Any, given: Any) -> dict[str, Any]:
    """The value of each input: the given one, or its default.

    `specs` is the mapping under `spec:inputs` (or null), `given` the one under `inputs`. A rule of
    an input sees what is given and the values of the inputs before it. Raises `InputsError` with
    all findings.
    """
    specs = specs if isinstance(specs, dict) else {}
    given = given if isinstance(given, dict) else {}
    unknown = [str(name) for name in given if name not in specs]
    errors = [f"unknown input arguments: {', '.join(unknown)}"] if unknown else []
    values: dict[str, Any] = {}
    places: dict[str, Span] = {}
    for name, spec in specs.items():
        known = len(errors)
        if _type_of(spec) not in _NAMES:
            types = ", ".join(sorted(_NAMES))
            errors.append(f"unknown input specification for `{name}` (valid types: {types})")
            _place(places, errors[known:], specs, name)
            continue
        rule: Mapping[Any, Any] = spec if isinstance(spec, dict) else {}
        rule = settle(rule, {**values, **given})
        found = check_input(rule, given.get(name))
        errors += [f"`{name}` input: {what}" for what in found]
        _place(places, errors[known:], specs, name)
        values[str(name)] = rule.get("default") if given.get(name) is None else given[name]
    if errors:
        raise InputsError(errors, places, given=True)
    return values


def _place(places: dict[str, Span], messages: list[str], specs: Any, name: Any) -> None:
    span = span_of_key(specs, name) if messages else None
    if span is not None:
        places.update(dict.fromkeys(messages, span))


def is_text(value: Any) -> bool:
    """GitLab's "alphanumeric": a string or an integer."""
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def settle(spec: Mapping[Any, Any], inputs: Mapping[str, Any]) -> Mapping[Any, Any]:
    """The input's specification with the options and the default of the first rule that holds."""
    if not isinstance(spec.get("rules"), list):
        return spec
    settled = dict(spec)
    rules = [rule for rule in spec["rules"] if isinstance(rule, dict)]
    matching = next((rule for rule in rules if _holds(rule.get("if"), inputs)), {})
    if any("default" in rule or "if" not in rule for rule in rules):
        settled.setdefault("default", None)
    for key in ("options", "default"):
        if matching.get(key) is not None:
            settled[key] = matching[key]
    return settled


def _holds(condition: Any, inputs: Mapping[str, Any]) -> bool:
    if condition is None:
        return True
    try:
        return is_true(parse(str(condition)), {}, inputs)
    except ExpressionError:
        return False


def _type_of(spec: Any) -> Any:
    if spec is None:
        return "string"
    kind = spec.get("type", "string") if isinstance(spec, dict) else None
    return kind if isinstance(kind, str) else None


def check_input(rule: Mapping[Any, Any], value: Any) -> list[str]:
    """What GitLab has against the value (None: not given) of an input whose rules are settled."""
    if "default" not in rule and value is None:
        return ["required value has not been provided"]
    errors = []
    # Where no rule holds there is no default to look at.
    if "default" in rule and not ("rules" in rule and rule["default"] is None):
        errors += _check_value(rule, rule["default"], "default")
    if value is not None:
        errors += _check_value(rule, value, "provided")
    return errors


def _check_value(rule: Mapping[Any, Any], value: Any, origin: str) -> list[str]:
    kind = rule.get("type", "string")
    errors = []
    if not _has_type(value, kind):
        errors.append(f"{origin} value is not {_NAMES[kind]}")
    options = rule.get("options")
    if options is not None:
        errors += _check_options(options, value, kind)
    if "regex" in rule:
        errors += _check_regex(rule["regex"], value, kind, origin)
    return errors


def _check_options(options: Any, value: Any, kind: str) -> list[str]:
    if kind == "boolean":
        return ["Options can only be used with string and number inputs"]
    allowed = options if isinstance(options, list) else [options]
    chosen = value if kind == "array" and isinstance(value, list) else [value]
    return [
        f"`{_show(item)}` cannot be used because it is not in the list of allowed options"
        for item in chosen
        if item is not None and item not in allowed
    ]


def _check_regex(regex: Any, value: Any, kind: str, origin: str) -> list[str]:
    if kind != "string":
        return ["RegEx validation can only be used with string inputs"]
    if not isinstance(value, str):
        return []
    try:
        matches = compile_pattern(str(regex)).search(value)
    except InvalidPatternError:
        return ["invalid regular expression"]
    return [] if matches else [f"{origin} value does not match required RegEx pattern"]


def _has_type(value: Any, kind: str) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str if kind == "string" else list)


def _show(value: Any) -> str:
    return value if isinstance(value, str) else inspect_value(value)
