"""Texts and values: variable expansion, `!reference`, inputs and interpolation."""

from collections.abc import Mapping
from typing import Any

from conformance.values import as_values, load_given
from homeport.errors import UsageError
from homeport.pipeline.document.functions import Scope, apply_functions, find_function
from homeport.pipeline.document.inputs import InputsError, resolve_inputs
from homeport.pipeline.document.interpolation import evaluate_block, find_blocks, interpolate
from homeport.pipeline.document.reference import resolve_references
from homeport.pipeline.model.document import Document
from homeport.pipeline.model.plan import ScopedVariable
from homeport.pipeline.variables.expand import expand, expand_all, sort_variables

_FLAGS = ("raw", "masked", "file")


def answer_expansion(given: Mapping[str, Any], expected: Mapping[str, Any]) -> Mapping[str, Any]:
    variables = [_scoped(each) for each in given.get("variables") or ()]
    try:
        match given["mode"]:
            case "expand" | "expand_existing":
                return {"value": _expand(given, variables), "errors": None}
            case "sort":
                order = [variable.key for variable in sort_variables(variables)]
                return {"order": order, "errors": None}
    except UsageError as error:
        return {"errors": [problem.message for problem in error.problems]}
    try:
        found = expand_all(
            variables,
            keep_undefined=given.get("keep_undefined", False),
            expand_file_refs=given.get("expand_file_refs", True),
            expand_raw_refs=given.get("expand_raw_refs", True),
        )
    except UsageError as error:
        # GitLab then gives back what it was given.
        messages = [problem.message for problem in error.problems]
        return {"variables": [_plain(each) for each in variables], "errors": messages}
    plain = [_plain(each) for each in found]
    if given.get("order") == "any":
        wanted = [each["key"] for each in expected.get("variables") or ()]
        plain.sort(key=lambda each: wanted.index(each["key"]) if each["key"] in wanted else -1)
    return {"variables": plain, "order": [each.key for each in found], "errors": None}


def _scoped(written: Mapping[str, Any]) -> ScopedVariable:
    value = written.get("value")
    return ScopedVariable(
        key=written["key"],
        value="" if value is None else str(value),
        **{flag: bool(written[flag]) for flag in _FLAGS if flag in written},
    )


def _plain(variable: ScopedVariable) -> dict[str, Any]:
    flags = {flag: True for flag in _FLAGS if getattr(variable, flag)}
    return {"key": variable.key, "value": variable.value, **flags}


def _expand(given: Mapping[str, Any], variables: list[ScopedVariable]) -> Any:
    if given["value"] is None:
        return None
    files = {variable.key for variable in variables if variable.file}
    masked = {variable.key for variable in variables if variable.masked}
    return expand(
        given["value"],
        {variable.key: variable.value for variable in variables},
        keep_undefined=given["mode"] == "expand_existing",
        kept=() if given.get("expand_file_refs", True) else files,
        refused=masked if given.get("fail_on_masked") else (),
    )


def answer_reference(given: Mapping[str, Any], _expected: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        resolved, _ = resolve_references(load_given(given).content)
    except UsageError as error:
        return {"errors": [problem.message for problem in error.problems]}
    return {"config": resolved, "errors": []}


def answer_inputs(given: Mapping[str, Any], _expected: Mapping[str, Any]) -> Mapping[str, Any]:
    if "value" not in given and "function" in given:
        return {"matches": find_function(given["function"]) is not None}
    try:
        return {**_inputs(given), "errors": []}
    except InputsError as error:
        return {"errors": error.messages}


def _inputs(given: Mapping[str, Any]) -> Mapping[str, Any]:
    args = as_values(given.get("args"))
    if "content" in given:
        document = Document(
            name="ci.yml",
            header=as_values(given.get("header")),
            content=as_values(given["content"]),
        )
        component = given.get("component")
        scope = _scope(given)
        config = interpolate(document, args, scope.variables, scope.masked, component=component)
        return {"config": config}
    if "spec" in given:
        return {"inputs": resolve_inputs(as_values(given["spec"]), args)}
    if "block" in given:
        ((_, inside),) = find_blocks(given["block"])
        context = as_values(given["context"])
        return {"value": evaluate_block(inside, context, _scope(given), block=given["block"])}
    functions = given.get("functions") or [given["function"]]
    return {"value": apply_functions(functions, as_values(given["value"]), _scope(given))}


def _scope(given: Mapping[str, Any]) -> Scope:
    variables = given.get("variables") or ()
    return Scope(
        {variable["key"]: variable["value"] for variable in variables},
        [variable["key"] for variable in variables if variable.get("masked")],
    )
