"""gitlab-ci-local's comments above a job: `# @Description …`, `# @NoArtifactsToSource` and others.

Source: its README, "Decorators". They are read from the text of the CI file, as it does, and only
stand for the job that follows them.
"""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

_COMMENT = re.compile(r"\s*#\s?@\s?(\w+)\s*(.*)")
_END_OF_KEY = re.compile(r":(?:\s|$)")
_WITHOUT_EFFECT = {"interactive": "Interactive", "injectsshagent": "InjectSSHAgent"}


class Comments(Struct, frozen=True, kw_only=True):
    """`descriptions` by job, `kept` the jobs whose artifacts stay out of the working tree, and
    `ignored` the comments that homeport does not act on, with the job of each."""

    descriptions: Mapping[str, str] = {}
    kept: frozenset[str] = frozenset()
    ignored: tuple[tuple[str, str], ...] = ()


def read_comments(texts: Iterable[str]) -> Comments:
    """The comments of the CI file and of what goes on top of it."""
    descriptions: dict[str, str] = {}
    kept: set[str] = set()
    ignored: list[tuple[str, str]] = []
    for text in texts:
        waiting: dict[str, str] = {}
        for line in text.splitlines():
            comment = _COMMENT.match(line)
            if comment is not None:
                waiting.setdefault(comment[1].lower(), comment[2].rstrip())
                continue
            name = _job_of(line) if waiting else None
            if name is None:
                continue
            if "description" in waiting:
                descriptions[name] = waiting["description"]
            if "noartifactstosource" in waiting:
                kept.add(name)
            ignored += [(_WITHOUT_EFFECT[w], name) for w in waiting if w in _WITHOUT_EFFECT]
            waiting = {}
    return Comments(descriptions=descriptions, kept=frozenset(kept), ignored=tuple(ignored))


def _job_of(line: str) -> str | None:
    """The key that a line of the top level begins with."""
    if not line or line[0].isspace():
        return None
    if line[0] in ("'", '"'):
        end = line.find(line[0], 1)
        return line[1:end] if end > 0 and _END_OF_KEY.match(line[end + 1 :].lstrip()) else None
    end_of_key = _END_OF_KEY.search(line)
    return line[: end_of_key.start()].rstrip() if end_of_key and line[0] != "#" else None
