"""Which adapter answers which kind of file."""

from collections.abc import Callable, Mapping
from typing import Any

from conformance import conditions, configuration, globs, life, texts

Adapter = Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]]
"""Takes a vector's input and the keys expected of it; gives the code's answer in those terms."""

KINDS: Mapping[str, Adapter] = {
    "expressions": conditions.answer_expression,
    "changes": conditions.answer_clause,
    "expand": texts.answer_expansion,
    "extends": configuration.answer_extends,
    "reference": texts.answer_reference,
    "inputs": texts.answer_inputs,
    "matrix": configuration.answer_matrix,
    "errors": configuration.answer_errors,
    "pipeline": life.answer_pipeline,
    "status": life.answer_status,
    "globs-fnmatch": globs.answer_fnmatch,
    "globs-include": globs.answer_include,
    "globs-doublestar": globs.answer_doublestar,
}
