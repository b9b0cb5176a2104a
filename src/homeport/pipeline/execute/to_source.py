"""Artifacts into the user's working tree, where they ask for it (`--artifacts-to-source`).

A job decides the names, so nothing is written through a symbolic link or into `.git`, where a file
could become a program that git runs. A tracked file that the user has changed and not committed is
kept as it is, and said: nothing could bring it back.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from filecmp import cmp
from pathlib import Path

from msgspec import Struct

from homeport.lib.git import Git
from homeport.pipeline.execute.state import job_slug
from homeport.pipeline.execute.stored_tree import walk
from homeport.pipeline.execute.workspace import copy_entry


class Copied(Struct, frozen=True, kw_only=True):
    """What became of the artifacts of one job: how many files were copied, which were not because
    of what they are or of what is in their place, and which because the user has changed them.

    `failure` is why not all of them were looked at.
    """

    job: str
    count: int
    refused: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    failure: str | None = None

    @property
    def warnings(self) -> Iterator[str]:
        if self.failure is not None:
            yield f"the artifacts of {self.job} were not all copied: {self.failure}"
        for path in self.refused:
            yield (
                f"the artifact {path} of {self.job} was not copied to the working tree: a "
                "symbolic link or a folder is in its place, or it is git's own"
            )
        for path in self.kept:
            yield (
                f"the artifact {path} of {self.job} was not copied to the working tree: you have "
                "changed that file and not committed it"
            )


def artifacts_to_source(folder: Path, jobs: Iterable[str], root: Path) -> Iterator[Copied]:
    """Copy the trees of artifacts in `folder` (those of one run) over the working tree `root`, in
    the order of `jobs`; one result for each that left any."""
    changed: frozenset[str] | None = None
    for job in jobs:
        tree = folder / job_slug(job)
        if tree.is_dir():
            if changed is None:  # before the first copy
                changed = changed_files(root)
            yield copy_to_source(job, tree, root, changed)


def changed_files(root: Path) -> frozenset[str]:
    """Tracked files whose content is not what the index has."""
    listed = Git(root).run("ls-files", "-z", "-m", timeout=600.0)
    return frozenset(os.fsdecode(listed).split("\0")[:-1])


def copy_to_source(job: str, tree: Path, root: Path, changed: frozenset[str]) -> Copied:
    """Copy all files of one tree."""
    refused: list[str] = []
    kept: list[str] = []
    count, failure = 0, None
    closed: set[str] = set()  # folders that nothing is copied from
    try:
        for path, entry, given in walk(str(tree)):
            target, is_folder = root / path, entry.is_dir(follow_symlinks=False)
            if path.rpartition("/")[0] in closed:
                closed.update((path,) if is_folder else ())
            elif entry.name.lower() == ".git" or (is_folder and not _make_folder(target)):
                refused.append(path)
                closed.add(path)
            elif is_folder:
                continue
            elif target.is_dir() and not target.is_symlink():
                refused.append(path)
            elif path in changed and _is_there(target):
                if not _same(tree / path, target):
                    kept.append(path)
            else:
                count += copy_entry(entry.path, str(target), times=True, given=given)
    except OSError as error:
        failure = f"{error.filename or tree}: {error.strerror}"
    return Copied(job=job, count=count, refused=tuple(refused), kept=tuple(kept), failure=failure)


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _same(one: Path, other: Path) -> bool:
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and one.readlink() == other.readlink()
    return cmp(one, other, shallow=False)


def _make_folder(path: Path) -> bool:
    """Whether there is a real folder at `path`, made where nothing was."""
    try:
        path.mkdir()
    except FileExistsError:
        return stat.S_ISDIR(path.lstat().st_mode)
    return True
