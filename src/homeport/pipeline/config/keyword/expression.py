"""Whether a condition can be parsed; `conditions/` owns the grammar."""

from functools import lru_cache
from typing import Any

from homeport.pipeline.conditions.expression import ExpressionError, parse


def is_valid_expression(value: Any) -> bool:
    """Whether `value` is a string that GitLab's `rules:if` grammar accepts."""
    return isinstance(value, str) and _parses(value)


def advice(value: Any) -> str | None:
    """What is wrong with an expression that is not valid, in our words."""
    if not isinstance(value, str):
        return "write the whole condition in one string"
    try:
        parse(value)
    except ExpressionError as error:
        from homeport.pipeline.conditions.advice import PARSER_HINTS

        [problem] = error.problems
        return problem.hint or PARSER_HINTS.get(problem.message)
    return None


@lru_cache(maxsize=4096)
def _parses(text: str) -> bool:
    try:
        parse(text)
    except ExpressionError:
        return False
    return True
