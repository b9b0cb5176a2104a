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
    matcher = re2.compile("(?s)" + "".join(parts))
    return sorted(path for path in paths if matcher.fullmatch(path))
