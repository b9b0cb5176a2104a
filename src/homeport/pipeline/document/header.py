"""`spec:` headers as GitLab's entries check them, before any input has a value.

Source: GitLab `Config::Header`; the messages, and their order, are those of its entries.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from homeport.errors import Span
from homeport.pipeline.conditions.expression import ExpressionError, input_names, parse
from homeport.pipeline.document.inputs import TYPES, InputsError, is_text
from homeport.pipeline.document.ruby import inspect_value
from homeport.pipeline.model.document import Map, span_of_key

MAX_OPTIONS: Final = 50
MAX_DESCRIPTION: Final = 256
_SPEC_KEYS: Final = ("inputs", "include", "component", "description")
_INPUT_KEYS: Final = ("default", "description", "options", "regex", "type", "rules")
_RULE_KEYS: Final = ("if", "options", "default")
_COMPONENT: Final = ("name", "sha", "version", "reference")


def check_header(header: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """The mapping under `spec:` of a header. Raises `InputsError` with all that GitLab refuses."""
    errors = list(_unknown_keys("header", header, ("spec",)))
    spec = header.get("spec")
    if spec is not None and not isinstance(spec, dict):
        raise InputsError(["header:spec config should be a hash"])
    spec = spec or {}
    errors += _unknown_keys("header:spec", spec, _SPEC_KEYS)
    errors += _check_description(spec.get("description"))
    inputs = spec.get("inputs")
    if inputs is not None and not isinstance(inputs, dict):
        errors.append("header:spec:inputs config should be a hash")
    elif inputs:
        for name, rule in inputs.items():
            if isinstance(rule, dict):
                errors += _check_input(f"header:spec:inputs:{name}", rule)
        errors += _check_references(inputs)
    errors += _check_component(spec.get("component"))
    if errors:
        raise InputsError(errors, _places(errors, header))
    return spec


def _places(errors: list[str], header: Mapping[Any, Any]) -> dict[str, Span]:
    """Where each message is about: it begins with the keys that lead there."""
    places: dict[str, Span] = {}
    names: dict[int, dict[str, Any]] = {}

    def key_of(owner: Map, name: str) -> Any:
        known = names.get(id(owner))
        if known is None:
            known = names[id(owner)] = {str(key): key for key in owner}
        return known.get(name)

    for message in errors:
        owner: Any = header
        span = next((span_of_key(header, key) for key in header), None)
        rest = message.removeprefix("header")
        while isinstance(owner, Map) and rest.startswith(":"):
            ends = (found.start() for found in re.finditer("[: ]", rest) if found.start())
            end = next((end for end in ends if key_of(owner, rest[1:end]) is not None), None)
            if end is None:
                break
            key = key_of(owner, rest[1:end])
            span, owner, rest = span_of_key(owner, key), owner[key], rest[end:]
        unknown = rest.partition("unknown keys: ")[2].partition(", ")[0]
        if unknown and isinstance(owner, Map):
            span = span_of_key(owner, key_of(owner, unknown))
        if span is not None:
            places[message] = span
    return places


def _check_description(description: Any) -> Iterator[str]:
    if description is None:
        return
    if not isinstance(description, str):
        yield "header:spec description should be a string"
    elif len(description) > MAX_DESCRIPTION:
        yield f"header:spec description is too long (maximum is {MAX_DESCRIPTION} characters)"


def _check_component(component: Any) -> Iterator[str]:
    if component is None:
        return
    place = "header:spec:component config"
    if not isinstance(component, list):
        yield f"{place} should be an array"
    if not isinstance(component, list) or not all(isinstance(name, str) for name in component):
        yield f"{place} should be an array of strings"
        return
    unknown = [name for name in component if name not in _COMPONENT]
    if unknown:
        yield f"{place} contains unknown values: {', '.join(unknown)}"


def _check_input(place: str, rule: Mapping[Any, Any]) -> Iterator[str]:
    description, regex, kind = rule.get("description"), rule.get("regex"), rule.get("type")
    if description is not None and not is_text(description):
        yield f"{place} input description must be an alphanumeric string"
    if regex is not None and not isinstance(regex, str):
        yield f"{place} input regex should be a string"
    if kind is not None and not (isinstance(kind, str) and kind in TYPES):
        yield f"{place} input type unknown value: {_word(kind)}"
    yield from _check_options(place, rule.get("options"))
    yield from _unknown_keys(place, rule, _INPUT_KEYS)
    for other in ("options", "default"):
        both = [str(key) for key in rule if key in ("rules", other)]
        if len(both) > 1:
            yield f"{place} config these keys cannot be used together: {', '.join(both)}"
    if rule.get("rules") is not None:
        yield from _check_rules(f"{place}:rules", rule["rules"])


def _check_options(place: str, options: Any) -> Iterator[str]:
    if options is None:
        return
    if not isinstance(options, list):
        yield f"{place} input options should be an array"
        return
    if len(options) > MAX_OPTIONS:
        yield f"{place} config cannot define more than {MAX_OPTIONS} options"
    if any(option is None for option in options):
        yield f"{place} config options array cannot contain null values"


def _check_rules(place: str, rules: Any) -> Iterator[str]:
    if not isinstance(rules, list):
        yield f"{place} config should be an array"
        return
    for rule in rules:
        yield from _check_rule(f"{place}:rule", rule)


def _check_rule(place: str, rule: Any) -> Iterator[str]:
    errors = [f"{place} config can't be blank"] if not rule else []
    if not isinstance(rule, dict):
        errors.append(f"{place} config should be a hash")
        yield from errors
        return
    errors += _unknown_keys(place, rule, _RULE_KEYS)
    condition, options = rule.get("if"), rule.get("options")
    if condition is not None and not isinstance(condition, str):
        errors.append(f"{place} if should be a string")
    if options is not None and not isinstance(options, list):
        errors.append(f"{place} options should be an array")
    if not errors:
        if isinstance(options, list) and len(options) > MAX_OPTIONS:
            errors.append(f"{place} config cannot define more than {MAX_OPTIONS} options")
        if condition is None and options is None:
            errors.append(f"{place} config fallback rule must define 'options'")
        elif options is None and "default" not in rule:
            errors.append(f"{place} config rule with 'if' must define 'options' or 'default'")
    yield from errors


def _check_references(inputs: Mapping[Any, Any]) -> Iterator[str]:
    """What the rules of inputs say of other inputs: each is defined, and none in a circle."""
    graph: dict[str, list[str]] = {}
    for name, rule in inputs.items():
        graph[str(name)] = []
        for index, names in enumerate(_names_in_rules(rule)):
            graph[str(name)] += names
            unknown = [each for each in names if each not in inputs]
            if unknown:
                yield (
                    f"header:spec:inputs:{name} config rule[{index}] references undefined inputs: "
                    f"{', '.join(unknown)}"
                )
    if _is_circular(graph):
        yield f"header:spec:inputs:{next(iter(inputs))} config circular dependency detected"


def _names_in_rules(rule: Any) -> Iterator[tuple[str, ...]]:
    rules = rule.get("rules") if isinstance(rule, dict) else None
    for each in rules if isinstance(rules, list) else ():
        condition = each.get("if") if isinstance(each, dict) else None
        try:
            yield input_names(parse(condition)) if isinstance(condition, str) else ()
        except ExpressionError:
            yield ()


def _is_circular(graph: Mapping[str, list[str]]) -> bool:
    """Whether anything is left after taking away, again and again, what depends on nothing left."""
    waiting = {name: {each for each in names if each in graph} for name, names in graph.items()}
    needed_by: dict[str, list[str]] = {}
    for name, names in waiting.items():
        for each in names:
            needed_by.setdefault(each, []).append(name)
    free = [name for name, names in waiting.items() if not names]
    for name in free:
        for other in needed_by.get(name, ()):
            waiting[other].discard(name)
            if not waiting[other]:
                free.append(other)
    return len(free) < len(graph)


def _unknown_keys(place: str, config: Mapping[Any, Any], allowed: tuple[str, ...]) -> Iterator[str]:
    unknown = [str(key) for key in config if key not in allowed]
    if unknown:
        yield f"{place} config contains unknown keys: {', '.join(unknown)}"


def _word(value: Any) -> str:
    return value if isinstance(value, str) else inspect_value(value)
