"""`rules:if` expressions. Source: GitLab's CI/CD job rules, "CI/CD variable expressions"."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from homeport.pipeline.conditions.lexer import ExpressionError, Kind, tokenize
from homeport.pipeline.conditions.parser import Evaluator, is_present, parse_tokens

__all__ = [
    "Expression",
    "ExpressionError",
    "evaluate",
    "input_names",
    "is_true",
    "parse",
    "variables_read",
]


class Expression(Struct, frozen=True, eq=False):
    """A parsed expression; `variables` and `inputs` are the names it reads, in order, once."""

    text: str
    evaluator: Evaluator
    variables: tuple[str, ...]
    inputs: tuple[str, ...]


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Parse `text`, or give the expression parsed before; raises `ExpressionError`."""
    tokens = tokenize(text)
    return Expression(
        text,
        parse_tokens(tokens),
        tuple(dict.fromkeys(token.text for token in tokens if token.kind is Kind.VARIABLE)),
        tuple(dict.fromkeys(token.text for token in tokens if token.kind is Kind.INPUT)),
    )


def evaluate(
    expression: Expression,
    variables: Mapping[str, str | None],
    inputs: Mapping[str, Any] = {},
) -> Any:
    """The raw value, as GitLab's `Statement#evaluate`: bool, str, None, a pattern or an input."""
    return expression.evaluator(variables, inputs)


def is_true(
    expression: Expression,
    variables: Mapping[str, str | None],
    inputs: Mapping[str, Any] = {},
) -> bool:
    """Whether the value counts as true: present, neither false nor blank.

    A comparison that cannot be made (a boolean as a pattern) is false, as in GitLab.
    """
    try:
        return is_present(expression.evaluator(variables, inputs))
    except ExpressionError:
        return False


def variables_read(expression: Expression) -> tuple[str, ...]:
    """The names of the variables that the expression looks at, in order of appearance."""
    return expression.variables


def input_names(expression: Expression) -> tuple[str, ...]:
    """The names of the inputs (`$[[ inputs.NAME ]]`) that the expression looks at."""
    return expression.inputs
