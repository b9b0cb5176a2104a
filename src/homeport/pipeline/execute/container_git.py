"""The repository of a container job: its alternates cannot be reached from inside.

So the objects that its commit, its index and its tags need come along in one pack, made once per
run. The history is cut as GitLab's is: by `GIT_DEPTH`, 20 unless said otherwise, 0 for all of it.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from homeport.errors import HomeportError
from homeport.lib.git import Git
from homeport.pipeline.execute.api import ExecutorError, Snapshot
from homeport.pipeline.execute.container_archive import Item, tree_items

DEFAULT_DEPTH = 20
_TIMEOUT = 600.0
_WIDTH = 50
"""Commits looked at for each level of depth; a history with more merges is cut earlier."""
_REPLACED = frozenset(("objects/info/alternates", "packed-refs", "refs", "shallow"))


class History(Struct, frozen=True, kw_only=True):
    """The commits that come along, and those among them whose parents do not."""

    commits: frozenset[str]
    shallow: tuple[str, ...]


class RepositoryPacks:
    """The packs of one run, by repository and depth, in a folder that `close` removes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: str | None = None
        self._made: dict[tuple[Path, int], tuple[Item, ...]] = {}

    def items(self, name: str, git: Path, depth: int) -> Iterator[Item]:
        """The entries of the folder `name` for the prepared `.git` at `git`, without alternates.

        Raises `ExecutorError` when git cannot pack.
        """
        with self._lock:
            made = self._made.get((git, depth))
            if made is None:
                try:
                    made = self._made[git, depth] = self._make(git, depth)
                except HomeportError as error:
                    raise ExecutorError(f"cannot pack the repository: {error}") from error
        yield from tree_items(name, str(git), _REPLACED)
        for path, source in made:
            yield f"{name}/{path}", source

    def _make(self, git: Path, depth: int) -> tuple[Item, ...]:
        repository = _Repository(git)
        head = (git / "HEAD").read_text().strip()
        history = repository.history(head, depth)
        refs = repository.refs(history)
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="homeport-")
        wanted = (head, *(sha for sha, _, _ in refs))
        base = repository.pack(f"{self._folder}/{len(self._made)}", history, wanted)
        name = "objects/pack/pack-" + base.rpartition("-")[2]
        items: list[Item] = [
            ("refs/heads", None),
            ("refs/tags", None),
            ("packed-refs", _packed_refs(refs)),
            (f"{name}.pack", f"{base}.pack"),
            (f"{name}.idx", f"{base}.idx"),
        ]
        if history is not None and history.shallow:
            items.append(("shallow", "".join(f"{sha}\n" for sha in history.shallow).encode()))
        elif (git / "shallow").exists():
            items.append(("shallow", str(git / "shallow")))
        return tuple(items)

    def close(self) -> None:
        with self._lock:
            folder, self._folder = self._folder, None
            self._made.clear()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


Ref = tuple[str, str, str]
"""Object, the commit it leads to, full name."""


class _Repository:
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
        for line in self._run("rev-list", "--parents", limit, head).splitlines():
            commit, *rest = line.split()
            parents[commit] = rest
        return cut_history(head, parents, depth, self._shallow())

    def refs(self, history: History | None) -> list[Ref]:
        """References whose commits come along; the others would name objects that are not there."""
        form = "--format=%(objectname) %(*objectname) %(refname)"
        found: list[Ref] = []
        for line in self._run("for-each-ref", form).splitlines():
            sha, peeled, name = line.split(" ", 2)
            commit = peeled or sha
            if history is None or commit in history.commits:
                found.append((sha, commit, name))
        return found

    def pack(self, base: str, history: History | None, wanted: tuple[str, ...]) -> str:
        """Write `BASE-<hash>.pack` and its index; the path without the ending."""
        shallow = history.shallow if history is not None else ()
        lines = [*(f"--shallow {sha}" for sha in shallow), *dict.fromkeys(wanted)]
        # No search for deltas: it costs more than a local copy of bigger objects.
        options = ("--revs", "--indexed-objects", "--delta-base-offset", "--window=0", "--quiet")
        told = self._run(
            "pack-objects",
            *options,
            "--missing=allow-promisor",
            base,
            stdin="\n".join(lines).encode() + b"\n",
        )
        return f"{base}-{told.strip()}"

    def _shallow(self) -> frozenset[str]:
        try:
            return frozenset((self._git.root / "shallow").read_text().split())
        except FileNotFoundError:
            return frozenset()

    def _run(self, *args: str, stdin: bytes | None = None) -> str:
        out = self._git.run(*args, input=stdin, env=self._env, timeout=_TIMEOUT, config=False)
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


def _packed_refs(refs: list[Ref]) -> bytes:
    lines = ["# pack-refs with: peeled fully-peeled sorted "]
    for sha, commit, name in sorted(
        refs, key=lambda ref: ref[2].encode("utf-8", "surrogateescape")
    ):
        lines.append(f"{sha} {name}")
        if commit != sha:
            lines.append(f"^{commit}")
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def git_depth(text: str) -> int:
    """`GIT_DEPTH`: 0 for the whole history; GitLab's default for what is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else DEFAULT_DEPTH


def tracked_files(snapshot: Snapshot | None) -> frozenset[str]:
    """What git tracks in a workspace: all that is not `artifacts:untracked`."""
    if snapshot is None or snapshot.git is None:
        return frozenset(snapshot.files if snapshot is not None else ())
    try:
        listed = Git(snapshot.git, trusted=True).run(
            "ls-files", "-z", env={"GIT_DIR": str(snapshot.git)}, timeout=_TIMEOUT, config=False
        )
    except HomeportError as error:
        raise ExecutorError(f"cannot tell which files are untracked: {error}") from error
    return frozenset(os.fsdecode(listed).split("\0")[:-1])
