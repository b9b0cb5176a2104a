"""Whether a condition can be parsed; `conditions/` owns the grammar."""

from functools import lru_cache
from typing import Any

from homeport.pipeline.conditions.expression import ExpressionError, parse


def is_valid_expression(value: Any) -> bool:
    """Whether `value` is a string that GitLab's `rules:if` grammar accepts."""
    return isinstance(value, str) and _parses(value)


@lru_cache(maxsize=4096)
def _parses(text: str) -> bool:
    try:
        parse(text)
    except ExpressionError:
        return False
    return True
