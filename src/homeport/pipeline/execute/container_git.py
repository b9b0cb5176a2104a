"""The repository of a container job: its alternates cannot be reached from inside.

So the objects that its commit, its index and its tags need come along in one pack, made once per
run. The history is cut as GitLab's is: by `GIT_DEPTH`, 20 unless said otherwise, 0 for all of it.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from homeport.errors import HomeportError
from homeport.lib.git import Git
from homeport.pipeline.execute.api import ExecutorError, Snapshot
from homeport.pipeline.execute.container_archive import Item, tree_items
from homeport.pipeline.execute.shallow import (
    GIT_TIMEOUT,
    History,
    PreparedRepository,
    packed_refs,
)
from homeport.pipeline.execute.state import PACKS

_REPLACED = frozenset(("objects/info/alternates", "packed-refs", "refs", "shallow"))


class RepositoryPacks:
    """The packs of one run, by repository and depth, in a folder that `close` removes.

    It lies beside the first repository: git moves a pack there from its own folder, which it can
    within one file system, and what a killed run leaves is found with the rest of that run.
    """

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
        repository = PreparedRepository(git)
        head = (git / "HEAD").read_text().strip()
        history = repository.history(head, depth)
        refs = repository.refs(history)
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix=f"{git.name}{PACKS}", dir=git.parent)
        wanted = (head, *(sha for sha, _, _ in refs))
        base = _pack(repository, f"{self._folder}/{len(self._made)}", history, wanted)
        name = "objects/pack/pack-" + base.rpartition("-")[2]
        items: list[Item] = [
            ("refs/heads", None),
            ("refs/tags", None),
            ("packed-refs", packed_refs(refs)),
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


def _pack(
    repository: PreparedRepository, base: str, history: History | None, wanted: tuple[str, ...]
) -> str:
    """Write `BASE-<hash>.pack` and its index; the path without the ending."""
    shallow = history.shallow if history is not None else ()
    lines = [*(f"--shallow {sha}" for sha in shallow), *dict.fromkeys(wanted)]
    # No search for deltas: it costs more than a local copy of bigger objects.
    options = ("--revs", "--indexed-objects", "--delta-base-offset", "--window=0", "--quiet")
    told = repository.run(
        "pack-objects",
        *options,
        "--missing=allow-promisor",
        base,
        stdin="\n".join(lines).encode() + b"\n",
    )
    return f"{base}-{told.strip()}"


def tracked_files(snapshot: Snapshot | None) -> frozenset[str]:
    """What git tracks in a workspace: all that is not `artifacts:untracked`."""
    if snapshot is None or snapshot.git is None:
        return frozenset(snapshot.files if snapshot is not None else ())
    try:
        listed = Git(snapshot.git, trusted=True).run(
            "ls-files", "-z", env={"GIT_DIR": str(snapshot.git)}, timeout=GIT_TIMEOUT, config=False
        )
    except HomeportError as error:
        raise ExecutorError(f"cannot tell which files are untracked: {error}") from error
    return frozenset(os.fsdecode(listed).split("\0")[:-1])
