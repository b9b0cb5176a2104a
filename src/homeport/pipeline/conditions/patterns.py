"""Regular expressions as GitLab takes them: Ruby's `/…/flags` spelling, RE2's syntax and limits.

RE2 is imported at the first pattern that needs it: it costs several milliseconds.
"""

import re
from functools import lru_cache

from msgspec import Struct

from homeport.errors import UsageError
from homeport.lib.regexp import InvalidPatternError, compile_pattern

INVALID = "Invalid regular expression!"

_SPELLING = r"^/(.*)/([ismU]*)$"
_LITERAL = r"(\^?)([A-Za-z0-9_/ :@-]*)(\$?)"


class PatternError(UsageError):
    """A text that is no regular expression, or one that RE2 refuses."""


class Pattern(Struct, frozen=True):
    """A compiled pattern; equal to another of the same RE2 source, as in GitLab."""

    source: str

    def search(self, text: str) -> bool:
        """Whether the pattern occurs anywhere in `text`; linear in its length."""
        literal = re.fullmatch(_LITERAL, self.source)
        if literal is not None:
            return _search_literal(literal, text)
        return _compile(self.source).search(text.encode("utf-8", "surrogatepass")) is not None


def parse_pattern(text: str) -> Pattern:
    """The pattern that `/…/flags` spells; raises `PatternError` for anything else.

    Source: GitLab's `UntrustedRegexp::RubySyntax`; flags are i, s, m and U.
    """
    match = re.search(_SPELLING, text, re.MULTILINE)
    if match is None:
        raise PatternError.of(INVALID, code="invalid-pattern")
    body, flags = match.groups()
    pattern = Pattern(f"(?{flags}){body}" if flags else body)
    if re.fullmatch(_LITERAL, pattern.source) is None:
        _compile(pattern.source)
    return pattern


def matches_ref(pattern: str, ref: str) -> bool:
    """Whether an entry of `only:refs` that is no keyword selects the branch or tag `ref`.

    An entry that is no valid `/…/flags` pattern is compared as it stands.
    """
    try:
        return parse_pattern(pattern).search(ref)
    except PatternError:
        return pattern == ref


def _search_literal(literal: re.Match[str], text: str) -> bool:
    start, body, end = literal.groups()
    if start and end:
        return text == body
    if start:
        return text.startswith(body)
    return text.endswith(body) if end else body in text


@lru_cache(maxsize=256)
def _compile(source: str) -> "re.Pattern[bytes]":
    try:
        return compile_pattern(source.encode("utf-8", "surrogatepass"))
    except InvalidPatternError as error:
        raise PatternError.of(INVALID, code="invalid-pattern", hint=f"RE2 says: {error}") from error
