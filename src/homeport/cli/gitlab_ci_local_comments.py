"""gitlab-ci-local's comments above a job: `# @Description …`, `# @NoArtifactsToSource` and others.

Source: its README, "Decorators". They are read from the text of the CI file, as it does, and only
stand for the job that follows them.
"""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

_COMMENT = re.compile(r"\s*#\s?@\s?(\w+)\s*(.*)")
_JOB = re.compile(r"([\"']?)([^\s#].*?)\1\s*:")
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
            job = _JOB.match(line) if waiting else None
            if job is None:
                continue
            name = job[2]
            if "description" in waiting:
                descriptions[name] = waiting["description"]
            if "noartifactstosource" in waiting:
                kept.add(name)
            ignored += [(_WITHOUT_EFFECT[w], name) for w in waiting if w in _WITHOUT_EFFECT]
            waiting = {}
    return Comments(descriptions=descriptions, kept=frozenset(kept), ignored=tuple(ignored))
