"""A component's version → the tag it stands for (GitLab documentation, "Component versions")."""

import re
from collections.abc import Iterable

LATEST = "~latest"
_SHORT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_NUMBER = "(?:0|[1-9][0-9]{0,17})"
_WORD = "(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(
    rf"v?(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER})\.(?P<patch>{_NUMBER})"
    rf"(?:-(?P<pre>{_WORD}(?:\.{_WORD})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_SHA = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


def is_sha(text: str) -> bool:
    """A full commit SHA, which names the same files for ever."""
    return _SHA.fullmatch(text) is not None


def is_range(version: str) -> bool:
    """Whether a version stands for the newest of several: `~latest`, `1`, `1.2`."""
    return version == LATEST or _SHORT.fullmatch(version) is not None


def choose_tag(version: str, tags: Iterable[str]) -> str | None:
    """The tag of the newest release within a range, or None.

    Order and pre-releases are those of Semantic Versioning 2.0.0, with `v` before the number or
    without. A pre-release is never within a range: it has to be named in full.
    """
    numbers = [] if version == LATEST else version.split(".")
    best: tuple[tuple[int, int, int], str] | None = None
    for tag in tags:
        match = _SEMVER.fullmatch(tag)
        if match is None or match["pre"] is not None:
            continue
        parts = match["major"], match["minor"], match["patch"]
        if any(int(want) != int(have) for want, have in zip(numbers, parts, strict=False)):
            continue
        key = (int(parts[0]), int(parts[1]), int(parts[2]))
        if best is None or (key, tag) > best:
            best = key, tag
    return None if best is None else best[1]
