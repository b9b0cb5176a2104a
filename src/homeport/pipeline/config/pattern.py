"""Whether a string is a regular expression as GitLab writes them: `/…/` with flags, in RE2."""

import re
from functools import lru_cache

from homeport.pipeline.conditions.patterns import PatternError, parse_pattern

_SLASHES = re.compile(r"^/.*/[ismU]*$", re.MULTILINE)


def looks_like_regexp(text: str) -> bool:
    """Whether `text` has the form `/…/flags`, valid or not."""
    return "/" in text and _SLASHES.search(text) is not None


@lru_cache(maxsize=4096)
def is_valid_regexp(text: str) -> bool:
    """Whether `text` has that form and RE2 compiles it."""
    try:
        parse_pattern(text)
    except PatternError:
        return False
    return True
