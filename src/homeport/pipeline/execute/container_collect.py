# ruff: noqa: PTH120 - plain paths, as in workspace.py: there may be thousands of files.
"""Artifacts out of a container: tar streams of what can match, sieved while they are read.

What a job leaves behind is hostile: only files, folders and symlinks are taken, under names inside
the project; symlinks are made last, so that nothing is ever written through one.
"""

import os
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, cast

from homeport.engine.api import Engine
from homeport.pipeline.execute.api import ExecutorError, Selection
from homeport.pipeline.execute.artifacts import Matcher
from homeport.pipeline.execute.stored_tree import StoredTree

_BLOCK = 256 * 1024


def collect(
    engine: Engine,
    container: str,
    *,
    project_dir: str,
    selection: Selection,
    tracked: frozenset[str],
    into: StoredTree,
) -> tuple[str, ...]:
    """Take what `selection` takes of `project_dir` into a tree.

    `tracked` are the paths that are not `untracked`. Gives the patterns without any entry. Raises
    `EngineError`, and `ExecutorError` for what cannot be read or written.
    """
    matcher = Matcher(selection, project_dir)

    def chosen(path: str, folder: bool) -> bool:
        if path and matcher.take(path, folder=folder):
            return True
        return (
            selection.untracked
            and not folder
            and not _is_tracked(path, tracked)
            and path.partition("/")[0] != ".git"
            and not matcher.is_excluded(path)
        )

    source = _Source(engine, container, project_dir)
    try:
        for base in ("",) if selection.untracked else matcher.bases:
            _take_base(source, base, into, chosen)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:  # a time may be any
        why = str(error) or "it ends in the middle of a file"
        raise ExecutorError(f"the engine sent a broken archive of the artifacts: {why}") from error
    except OSError as error:
        raise ExecutorError(
            f"cannot take the artifacts: {error.filename or into.root}: {error.strerror or error}"
        ) from error
    return matcher.unmatched


def _is_tracked(path: str, tracked: frozenset[str]) -> bool:
    """Whether git tracks a path, or a submodule that it is in."""
    while path and path not in tracked:
        path = path.rpartition("/")[0]
    return bool(path)


Chosen = Callable[[str, bool], bool]
Entry = tuple[str, tarfile.TarInfo, tarfile.TarFile]


class _Source:
    """The project folder inside the container, by paths relative to it."""

    def __init__(self, engine: Engine, container: str, project_dir: str) -> None:
        self._engine = engine
        self._container = container
        self._project_dir = project_dir

    def link_at(self, base: str) -> str | None:
        """Where the symlink at `base` leads. Raises FileNotFoundError if nothing is there, or
        only through a symlink out of the project, which an engine would follow."""
        parts = base.split("/") if base else []
        for depth in range(len(parts) + 1):
            path = "/".join((self._project_dir, *parts[:depth]))
            found = self._engine.path_info(self._container, path)
            if found is None:
                raise FileNotFoundError(base)
            if not found.symlink:
                continue
            if depth == len(parts) and depth:
                return found.target
            if not depth or not f"{found.target}/".startswith(f"{self._project_dir}/"):
                raise FileNotFoundError(base)
        return None

    def seen_from(self, base: str, target: str) -> str:
        """An absolute path of the container as a link's text: relative if it is in the project."""
        if not f"{target}/".startswith(f"{self._project_dir}/"):
            return target
        return os.path.relpath(target, os.path.dirname(f"{self._project_dir}/{base}"))

    def entries(self, base: str) -> Iterator[Entry]:
        """All entries at and below `base`, each with its path relative to the project."""
        chunks = self._engine.get_archive(
            self._container, f"{self._project_dir}/{base}" if base else self._project_dir
        )
        if chunks is None:
            return
        with tarfile.open(fileobj=_readable(chunks), mode="r|", bufsize=_BLOCK) as archive:
            while (member := archive.next()) is not None:
                # tarfile would remember every member of a tree of any size.
                archive.members = []  # type: ignore[attr-defined]
                if "\0" in member.name or "\0" in member.linkname:
                    raise tarfile.ReadError("the name of an entry cannot be one")
                path = _inside(base, member.name)
                if path is not None:
                    yield path, member, archive


def _readable(chunks: Iterator[bytes]) -> IO[bytes]:
    # tarfile asks a stream for no more than read and close.
    return cast("IO[bytes]", _Reader(chunks))


class _Reader:
    """Iterated chunks as the file that tarfile reads."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        parts = [self._rest]
        have = len(self._rest)
        while have < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            parts.append(chunk)
            have += len(chunk)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()


def _take_base(source: _Source, base: str, tree: StoredTree, chosen: Chosen) -> None:
    try:
        target = source.link_at(base)
    except FileNotFoundError:
        return
    if target is not None:
        if chosen(base, False):
            # The engine tells where it leads, not what was written; beside it both are the same.
            tree.link(base, source.seen_from(base, target))
        return
    apart: list[str] = []
    for path, member, archive in source.entries(base):
        if not chosen(path, member.isdir()):
            continue
        if not member.islnk():
            _add(tree, path, member, archive)
        elif not tree.same(path, _inside(base, member.linkname)):
            apart.append(path)
    for path in apart:
        for found, member, archive in source.entries(path):
            if found == path and member.isfile():
                _add(tree, path, member, archive)


def _add(tree: StoredTree, path: str, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
    """Take a folder, a symlink or a file; devices and pipes are nothing to take."""
    if member.isdir():
        tree.folder(path)
    elif member.issym():
        tree.link(path, member.linkname)
    elif member.isfile() and (content := archive.extractfile(member)) is not None:
        time = int(member.mtime * 1_000_000_000)
        tree.write(path, content.read, size=member.size, mode=member.mode, time=time)


def _inside(base: str, name: str) -> str | None:
    """A name in the archive of `base`, whose last part is on top, relative to the project."""
    _, _, rest = name.partition("/")
    parts = [part for part in rest.split("/") if part]
    if name.startswith("/") or ".." in parts or "." in parts:
        return None
    return "/".join(([base] if base else []) + parts)
