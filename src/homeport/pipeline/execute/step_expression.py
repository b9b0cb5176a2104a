"""`${{ … }}` in the steps of `run:`: values of inputs, outputs, variables, by their names.

GitLab's language also has operators and functions; they are refused, not guessed.
Source: GitLab's "GitLab Functions", Expressions.
"""

import re
from collections.abc import Mapping
from typing import Any

_BLOCK = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_ACCESS = re.compile(
    r"""[A-Za-z_]\w*(?:\.[A-Za-z_][\w-]*|\[\s*(?:[0-9]+|"[^"\\]*"|'[^'\\]*')\s*\])*""", re.ASCII
)
_PART = re.compile(r"""\[\s*(?:([0-9]+)|["']([^"']*)["'])\s*\]|\.?([A-Za-z_][\w-]*)""", re.ASCII)


_LARGEST = 1024 * 1024
"""Characters of a text with its values in place: outputs made of outputs double at each step."""


class ExpressionError(Exception):
    """An expression that has no value; the text quotes the expression, not any value."""


def fill(value: Any, scope: Mapping[str, Any]) -> Any:
    """`value` with its expressions replaced, at any depth. What is one expression alone keeps its
    type; in a text, what is no text stands as JSON."""
    if isinstance(value, str):
        whole = _BLOCK.fullmatch(value.strip())
        if whole is not None and "${{" not in whole[1]:
            return _find(whole[1].strip(), scope)
        return _filled(value, scope)
    if isinstance(value, Mapping):
        return {as_text(fill(key, scope)): fill(item, scope) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, scope) for item in value]
    return value


def _filled(text: str, scope: Mapping[str, Any]) -> str:
    size = len(text)

    def value_of(block: re.Match[str]) -> str:
        nonlocal size
        found = as_text(_find(block[1].strip(), scope))
        size += len(found)
        if size > _LARGEST:
            raise ExpressionError(f"{block[0]} makes a text of more than 1 MiB")
        return found

    return _BLOCK.sub(value_of, text)


def as_text(value: Any) -> str:
    """The value as it stands in a text. Raises `ExpressionError` for one that is too large."""
    if isinstance(value, str):
        return value
    import json

    # In parts: a value that holds another twice, which does the same, is small as it is kept.
    parts, size = [], 0
    try:
        for part in json.JSONEncoder(default=str).iterencode(value):
            parts.append(part)
            size += len(part)
            if size > _LARGEST:
                raise ExpressionError("a value is more than 1 MiB as JSON")
    except RecursionError as error:
        raise ExpressionError("a value is nested too deep to be written as JSON") from error
    return "".join(parts)


def _find(text: str, scope: Mapping[str, Any]) -> Any:
    if not _ACCESS.fullmatch(text):
        raise ExpressionError(
            f"${{{{ {text} }}}} is more than a name, which homeport does not evaluate"
        )
    found: Any = scope
    for index, quoted, name in _PART.findall(text):
        try:
            found = found[int(index)] if index else found[quoted or name]
        except (KeyError, IndexError, TypeError) as error:
            raise ExpressionError(
                f"${{{{ {text} }}}} has no value: there is no {index or quoted or name}"
            ) from error
    return found
