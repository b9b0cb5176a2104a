"""How much of the history a job gets: `GIT_DEPTH` commits, 20 unless said otherwise, 0 for all.

References to commits that do not come along are left out, as GitLab's fetch does not bring them.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from homeport.lib.git import Git

DEFAULT_DEPTH = 20
GIT_TIMEOUT = 600.0
_WIDTH = 50
"""Commits looked at for each level of depth; a history with more merges is cut earlier."""


class History(Struct, frozen=True, kw_only=True):
    """The commits that come along, and those among them whose parents do not."""

    commits: frozenset[str]
    shallow: tuple[str, ...]


Ref = tuple[str, str, str]
"""Object, the commit it leads to, full name."""


class PreparedRepository:
    """git on the prepared folder, whose configuration is homeport's own."""

    def __init__(self, folder: Path) -> None:
        self._git = Git(folder, trusted=True)
        self._env = {"GIT_DIR": str(folder)}

    def history(self, head: str, depth: int) -> History | None:
        """The commits less than `depth` steps away from `head`; None for all of them."""
        if depth <= 0:
            return None
        limit = f"--max-count={depth * _WIDTH}"
        parents: dict[str, list[str]] = {}
        for line in self.run("rev-list", "--parents", limit, head).splitlines():
            commit, *rest = line.split()
            parents[commit] = rest
        return cut_history(head, parents, depth, self._shallow())

    def refs(self, history: History | None) -> list[Ref]:
        """References whose commits come along; the others would name objects that are not there."""
        form = "--format=%(objectname) %(*objectname) %(refname)"
        found: list[Ref] = []
        for line in self.run("for-each-ref", form).splitlines():
            sha, peeled, name = line.split(" ", 2)
            commit = peeled or sha
            if history is None or commit in history.commits:
                found.append((sha, commit, name))
        return found

    def _shallow(self) -> frozenset[str]:
        try:
            return frozenset((self._git.root / "shallow").read_text().split())
        except FileNotFoundError:
            return frozenset()

    def run(self, *args: str, stdin: bytes | None = None) -> str:
        out = self._git.run(*args, input=stdin, env=self._env, timeout=GIT_TIMEOUT, config=False)
        return out.decode("utf-8", "surrogateescape")


def cut_history(
    head: str, parents: Mapping[str, list[str]], depth: int, shallow: frozenset[str]
) -> History:
    """Walk `depth` levels from `head`; a commit whose parents are not walked is a boundary.

    `parents` are the known commits; `shallow` the boundary that the repository has already.
    """
    commits: set[str] = set()
    boundary: list[str] = []
    level = [head]
    for left in range(depth - 1, -1, -1):
        following: dict[str, None] = {}
        commits.update(level)
        for commit in level:
            above = parents.get(commit, [])
            if commit in shallow or (above and (left == 0 or any(p not in parents for p in above))):
                boundary.append(commit)
            else:
                following |= dict.fromkeys(p for p in above if p not in commits)
        level = list(following)
    return History(commits=frozenset(commits), shallow=tuple(sorted(boundary)))


def packed_refs(refs: list[Ref]) -> bytes:
    lines = ["# pack-refs with: peeled fully-peeled sorted "]
    for sha, commit, name in sorted(
        refs, key=lambda ref: ref[2].encode("utf-8", "surrogateescape")
    ):
        lines.append(f"{sha} {name}")
        if commit != sha:
            lines.append(f"^{commit}")
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def git_depth(text: str, default: int = DEFAULT_DEPTH) -> int:
    """`GIT_DEPTH`: 0 for the whole history; GitLab's default for what is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else default


def is_cut(history: History | None, git: Path) -> bool:
    """Whether less comes along than the repository at `git` has."""
    if history is None:
        return False
    try:
        known = (git / "shallow").read_text().split()
    except FileNotFoundError:
        known = []
    return not set(history.shallow) <= set(known)
