"""The patterns of `include:local`, in GitLab's dialect (`search_files_by_wildcard_path`)."""

import re
from collections.abc import Iterable


def match_paths(pattern: str, paths: Iterable[str]) -> list[str]:
    """The paths that a pattern names, in Git's order.

    `*` stands for any characters but `/`, `**` for any characters; everything else stands for
    itself, `.`, `?` and `[` too. `dir/**/*.yml` therefore needs a folder below `dir`.
    """
    import re2

    parts = (
        {"**": ".*", "*": "[^/]*"}.get(part) or re.escape(part)
        for part in re.split(r"(\*\*|\*)", pattern)
        if part
    )
    options = re2.Options()
    # What is too large for its memory is matched slower, and is nothing to print.
    options.log_errors = False
    options.dot_nl = True
    # As bytes: a name in a repository need not be UTF-8.
    matcher = re2.compile(_bytes("".join(parts)), options)
    return sorted(path for path in paths if matcher.fullmatch(_bytes(path)))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
