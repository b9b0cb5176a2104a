"""RE2 without its log: a wrong pattern is an exception, never a line on stderr.

RE2 is GitLab's engine, too; it is imported at the first pattern, since that costs milliseconds.
"""

import re
from typing import AnyStr


class InvalidPatternError(Exception):
    """RE2 refuses the pattern; the text is its reason."""


def compile_pattern(source: AnyStr) -> "re.Pattern[AnyStr]":
    """The compiled pattern; raises `InvalidPatternError`."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        compiled: re.Pattern[AnyStr] = re2.compile(source, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        words = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidPatternError(words) from error
    return compiled
