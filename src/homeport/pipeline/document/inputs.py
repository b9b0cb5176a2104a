"""`spec:inputs` → the values of a file's inputs (GitLab `Config::Interpolation::Inputs`)."""

from collections.abc import Mapping
from typing import Any

from homeport.pipeline.document.ruby import inspect_value

_SPEC_KEYS = ("inputs", "component", "include")
_INPUT_KEYS = ("default", "description", "options", "regex", "rules", "type")
_NAMES = {"array": "an array", "boolean": "a boolean", "number": "a number", "string": "a string"}


class InputsError(Exception):
    """Inputs or blocks that GitLab refuses; `messages` are its own, without the file's name."""

    def __init__(self, messages: list[str]) -> None:
        self.messages = messages
        super().__init__("; ".join(messages))


def resolve_inputs(specs: Any, given: Any) -> dict[str, Any]:
    """The value of each input: the given one, or its default.

    `specs` is the mapping under `spec:inputs` (or null), `given` the one under `inputs`. Raises
    `InputsError` with all findings.
    """
    specs = specs if isinstance(specs, dict) else {}
    given = given if isinstance(given, dict) else {}
    unknown = [str(name) for name in given if name not in specs]
    errors = [f"unknown input arguments: {', '.join(unknown)}"] if unknown else []
    values: dict[str, Any] = {}
    for name, spec in specs.items():
        rule = spec if isinstance(spec, dict) else {}
        if _type_of(spec) not in _NAMES:
            types = ", ".join(sorted(_NAMES))
            errors.append(f"unknown input specification for `{name}` (valid types: {types})")
            continue
        found = _check_input(rule, given.get(name))
        errors += [f"`{name}` input: {what}" for what in found]
        values[str(name)] = rule.get("default") if given.get(name) is None else given[name]
    if errors:
        raise InputsError(errors)
    return values


def check_header(header: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """The mapping under `spec:` of a header. Raises `InputsError` for keys that GitLab refuses."""
    errors = _unknown_keys("header", header, ("spec",))
    spec = header.get("spec")
    if spec is not None and not isinstance(spec, dict):
        raise InputsError(["header:spec config should be a hash"])
    spec = spec or {}
    errors += _unknown_keys("header:spec", spec, _SPEC_KEYS)
    inputs = spec.get("inputs")
    if inputs is not None and not isinstance(inputs, dict):
        errors.append("header:spec:inputs config should be a hash")
    for name, rule in (inputs if isinstance(inputs, dict) else {}).items():
        if isinstance(rule, dict):
            errors += _unknown_keys(f"header:spec:inputs:{name}", rule, _INPUT_KEYS)
    if errors:
        raise InputsError(errors)
    return spec


def _unknown_keys(place: str, config: Mapping[Any, Any], allowed: tuple[str, ...]) -> list[str]:
    unknown = [str(key) for key in config if key not in allowed]
    return [f"{place} config contains unknown keys: {', '.join(unknown)}"] if unknown else []


def _type_of(spec: Any) -> Any:
    if spec is None:
        return "string"
    return spec.get("type", "string") if isinstance(spec, dict) else None


def _check_input(rule: Mapping[Any, Any], value: Any) -> list[str]:
    if "default" not in rule and value is None:
        return ["required value has not been provided"]
    errors = []
    if "default" in rule:
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
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        matches = re2.compile(str(regex), options).search(value)
    except re2.error:
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
