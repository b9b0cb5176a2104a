"""Tokens → one evaluator. Source: GitLab's `Ci::Pipeline::Expression::Parser` (shunting-yard).

At most 99 tokens reach the parser, so the nesting of an evaluator is bounded too.
"""

from collections.abc import Callable, Mapping
from typing import Any

from homeport.pipeline.conditions.lexer import ExpressionError, Kind, Token
from homeport.pipeline.conditions.patterns import INVALID, Pattern, PatternError, parse_pattern

Evaluator = Callable[[Mapping[str, str | None], Mapping[str, Any]], Any]
"""Takes variables and inputs, gives the raw value: bool, str, None, a `Pattern`, an input."""

# As in Ruby, a smaller number binds tighter.
_PRECEDENCE = {"!": 1, "==": 10, "!=": 10, "=~": 10, "!~": 10, "&&": 11, "||": 12}


def parse_tokens(tokens: list[Token]) -> Evaluator:
    """The evaluator of a whole expression; raises `ExpressionError`."""
    results: list[Evaluator] = []
    for token in _reverse_polish(tokens):
        if token.kind is Kind.NOT:
            results.append(_negation(_operand(results, "Invalid operand")))
        elif token.kind is Kind.BINARY:
            right = results.pop() if results else None
            left = _operand(results, "Invalid left operand")
            if right is None:
                raise _error("Invalid right operand")
            results.append(_BUILDERS[token.text](left, right))
        elif token.kind is Kind.OPEN:
            raise _error("Unprocessable token found in parse tree: parenthesis_open")
        else:
            results.append(_leaf(token))
    if len(results) > 1:
        raise _error("Unreachable nodes in parse tree")
    if not results:
        raise _error("Empty parse tree")
    return results[0]


def is_present(value: object) -> bool:
    """Rails' `present?`: not nil, not false, not blank, not empty."""
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, list | tuple | Mapping):
        return bool(value)
    return value is not None and value is not False


def _reverse_polish(tokens: list[Token]) -> list[Token]:
    output: list[Token] = []
    operators: list[Token] = []
    for token in tokens:
        if token.kind is Kind.BINARY:
            while operators and operators[-1].kind is not Kind.OPEN:
                if _PRECEDENCE[operators[-1].text] > _PRECEDENCE[token.text]:
                    break
                output.append(operators.pop())
            operators.append(token)
        elif token.kind in (Kind.OPEN, Kind.NOT):
            operators.append(token)
        elif token.kind is Kind.CLOSE:
            while operators and operators[-1].kind is not Kind.OPEN:
                output.append(operators.pop())
            if not operators:
                raise _error("Unmatched parenthesis")
            operators.pop()
        else:
            output.append(token)
    return output + operators[::-1]


def _operand(results: list[Evaluator], message: str) -> Evaluator:
    if not results:
        raise _error(message)
    return results.pop()


def _leaf(token: Token) -> Evaluator:
    name = token.text
    if token.kind is Kind.VARIABLE:
        return lambda variables, _: variables.get(name)
    if token.kind is Kind.INPUT:
        return lambda _, inputs: inputs.get(name)
    value: Any
    if token.kind is Kind.PATTERN:
        try:
            value = parse_pattern(name.replace("\\/", "/"))
        except PatternError as error:
            raise ExpressionError(error.problems) from error
    elif token.kind is Kind.NULL:
        value = None
    elif token.kind is Kind.BOOLEAN:
        value = name == "true"
    else:
        value = name
    return lambda _, __: value


def _negation(operand: Evaluator) -> Evaluator:
    return lambda variables, inputs: not is_present(operand(variables, inputs))


def _equality(left: Evaluator, right: Evaluator) -> Evaluator:
    return lambda variables, inputs: _equal(left(variables, inputs), right(variables, inputs))


def _inequality(left: Evaluator, right: Evaluator) -> Evaluator:
    return lambda variables, inputs: not _equal(left(variables, inputs), right(variables, inputs))


def _match(left: Evaluator, right: Evaluator) -> Evaluator:
    return lambda variables, inputs: _matches(left(variables, inputs), right(variables, inputs))


def _mismatch(left: Evaluator, right: Evaluator) -> Evaluator:
    return lambda variables, inputs: not _matches(left(variables, inputs), right(variables, inputs))


def _conjunction(left: Evaluator, right: Evaluator) -> Evaluator:
    def evaluate(variables: Mapping[str, str | None], inputs: Mapping[str, Any]) -> Any:
        value = left(variables, inputs)
        # Ruby's truth: an empty string is true here, only nil and false are not.
        return value if value is None or value is False else right(variables, inputs)

    return evaluate


def _disjunction(left: Evaluator, right: Evaluator) -> Evaluator:
    def evaluate(variables: Mapping[str, str | None], inputs: Mapping[str, Any]) -> Any:
        value = left(variables, inputs)
        return right(variables, inputs) if value is None or value is False else value

    return evaluate


_BUILDERS: dict[str, Callable[[Evaluator, Evaluator], Evaluator]] = {
    "==": _equality,
    "!=": _inequality,
    "=~": _match,
    "!~": _mismatch,
    "&&": _conjunction,
    "||": _disjunction,
}


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _matches(left: Any, right: Any) -> bool:
    text = _text(left)
    if right is None or right is False:
        return False
    if isinstance(right, str):
        try:
            right = parse_pattern(right.replace("\\/", "/"))
        except PatternError:
            # GitLab then asks whether the left text occurs in the right one.
            return text in right
    if not isinstance(right, Pattern):
        raise _error(INVALID)
    return right.search(text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.source if isinstance(value, Pattern) else str(value)


def _error(message: str) -> ExpressionError:
    return ExpressionError.of(message, code="invalid-expression")
