"""`rules:changes:regexp` and `rules:exists:regexp`: Ruby's regular expressions over paths.

They are run by RE2, in time linear in the path: a file of a repository must not hang its reader.
What RE2 lacks (looking ahead or behind, back references) cannot be decided here, which is said.
Source: GitLab's CI/CD YAML reference, `rules:changes:regexp`.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from homeport.lib.regexp import InvalidPatternError, compile_pattern

_ONLY_RUBY = {r"\Z": r"\z", r"\h": "[0-9a-fA-F]", r"\H": "[^0-9a-fA-F]"}
_ESCAPE = r"(?s)\\."


def is_path_pattern(text: str) -> bool:
    """Whether Ruby would take the expression, as far as that can be told."""
    return _compile(text) is not None or _is_python(text)


def any_path_matches(text: str, paths: Iterable[str]) -> bool | None:
    """Whether the expression occurs in one of the paths; None where RE2 cannot run it."""
    compiled = _compile(text)
    if compiled is None:
        return None
    return any(compiled.search(path.encode("utf-8", "surrogatepass")) for path in paths)


@lru_cache(maxsize=256)
def _compile(text: str) -> Any:
    # In Ruby `^` and `$` are about lines.
    source = "(?m)" + re.sub(_ESCAPE, lambda found: _ONLY_RUBY.get(found[0], found[0]), text)
    try:
        return compile_pattern(source.encode("utf-8", "surrogatepass"))
    except InvalidPatternError:
        return None


@lru_cache(maxsize=256)
def _is_python(text: str) -> bool:
    """Python's engine knows what RE2 lacks; here it only reads, it is never run."""
    source = re.sub(_ESCAPE, _for_python, text)
    try:
        re.compile(source)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _for_python(found: "re.Match[str]") -> str:
    return r"\Z" if found[0] == r"\z" else _ONLY_RUBY.get(found[0], found[0]).replace(r"\z", r"\Z")
