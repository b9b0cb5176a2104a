"""Words that a person may have meant: the hint beside a message of GitLab's.

In: a word and those that are known. Out: a sentence, or None. Only asked for faults.
"""

from collections.abc import Iterable
from functools import lru_cache

MAX_KNOWN = 2000
"""Of more words than these none is looked for: the search reads them all."""


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """`did you mean X?` for the nearest of the known words, if one is near."""
    return _nearest(word, tuple(known))


@lru_cache(maxsize=256)
def _nearest(word: str, known: tuple[str, ...]) -> str | None:
    from difflib import get_close_matches

    if len(known) > MAX_KNOWN or not word:
        return None
    found = get_close_matches(word, known, n=1, cutoff=0.7)
    return f"did you mean {found[0]}?" if found else None


class Hints:
    """`did_you_mean` for one list of words, for the first faults only: a file may have thousands,
    and each search reads the whole list."""

    def __init__(self, known: Iterable[str], limit: int = 20) -> None:
        self._known = known
        self._left = limit

    def of(self, word: str) -> str | None:
        if self._left <= 0:
            return None
        self._left -= 1
        return did_you_mean(word, self._known)
