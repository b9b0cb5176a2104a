# ruff: noqa: PTH120, PTH123 - plain paths, as in workspace.py: there may be thousands of files.
"""Artifacts out of a container: tar streams of what can match, sieved while they are read.

What a job leaves behind is hostile: only files, folders and symlinks are taken, under names inside
the project; symlinks are made last, so that nothing is ever written through one.
"""

import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from homeport.engine.api import Engine
from homeport.pipeline.execute.api import ExecutorError, Selection
from homeport.pipeline.execute.artifacts import Matcher
from homeport.pipeline.execute.workspace import copy_entry, make_folder

_BLOCK = 256 * 1024


def collect(
    engine: Engine,
    container: str,
    *,
    project_dir: str,
    selection: Selection,
    tracked: frozenset[str],
    into: Path,
) -> tuple[int, tuple[str, ...]]:
    """Copy what `selection` takes of `project_dir` to the tree `into`, which is made.

    `tracked` are the paths that are not `untracked`. Gives the number of entries and the patterns
    without any. Raises `EngineError`, and `ExecutorError` for what cannot be read or written.
    """
    matcher = Matcher(selection, project_dir)

    def chosen(path: str, folder: bool) -> bool:
        if path and matcher.take(path, folder=folder):
            return True
        return (
            selection.untracked
            and not folder
            and path not in tracked
            and path.partition("/")[0] != ".git"
            and not matcher.is_excluded(path)
        )

    source = _Source(engine, container, project_dir)
    try:
        into.mkdir(parents=True, exist_ok=True)
        tree = _Tree(str(into))
        for base in ("",) if selection.untracked else matcher.bases:
            _take_base(source, base, tree, chosen)
        tree.finish()
    except tarfile.TarError as error:
        raise ExecutorError(
            f"the engine sent a broken archive of the artifacts: {error}"
        ) from error
    except OSError as error:
        raise ExecutorError(
            f"cannot take the artifacts: {error.filename or into}: {error.strerror or error}"
        ) from error
    return tree.count, matcher.unmatched


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


class _Tree:
    """The folder that artifacts are written to."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._made = {""}
        self._files: set[str] = set()
        self._links: list[tuple[str, str]] = []
        self.count = 0

    def add(self, path: str, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        """Take a folder, a symlink or a file; devices and pipes are nothing to take."""
        if member.isdir():
            self._parents(f"{path}/")
            self.count += 1
        elif member.issym():
            self.link(path, member.linkname)
        elif member.isfile():
            self._file(path, member, archive)

    def link(self, path: str, target: str) -> None:
        self._links.append((path, target))
        self.count += 1

    def _file(self, path: str, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        content = archive.extractfile(member)
        if content is None:
            return
        self._parents(path)
        where = f"{self._root}/{path}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(where, flags, 0o600)
        with open(file, "wb", buffering=0) as out:
            left = member.size
            while left:
                block = content.read(min(left, _BLOCK))
                if not block:
                    raise tarfile.ReadError("it ends in the middle of a file")
                left -= len(block)
                _write_all(out.fileno(), block)
            os.fchmod(file, member.mode & 0o777 | 0o600)
            os.utime(file, (member.mtime, member.mtime))
        self._files.add(path)
        self.count += 1

    def hard_link(self, path: str, target: str | None) -> bool:
        """Another name of a file taken before; False if that was not taken."""
        if target not in self._files:
            return False
        self._parents(path)
        copy_entry(f"{self._root}/{target}", f"{self._root}/{path}", times=True)
        self._files.add(path)
        self.count += 1
        return True

    def finish(self) -> None:
        for path, target in self._links:
            self._parents(path)
            where = Path(self._root, path)
            if path in self._made:
                # Only a forged archive has a folder and a link of one name.
                continue
            where.unlink(missing_ok=True)
            where.symlink_to(target)

    def _parents(self, path: str) -> None:
        folder = path.rpartition("/")[0]
        if folder not in self._made:
            self._parents(folder)
            make_folder(f"{self._root}/{folder}")
            self._made.add(folder)


def _take_base(source: _Source, base: str, tree: _Tree, chosen: Chosen) -> None:
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
            tree.add(path, member, archive)
        elif not tree.hard_link(path, _inside(base, member.linkname)):
            apart.append(path)
    for path in apart:
        for found, member, archive in source.entries(path):
            if found == path and member.isfile():
                tree.add(path, member, archive)


def _inside(base: str, name: str) -> str | None:
    """A name in the archive of `base`, whose last part is on top, relative to the project."""
    _, _, rest = name.partition("/")
    parts = [part for part in rest.split("/") if part]
    if name.startswith("/") or ".." in parts or "." in parts:
        return None
    return "/".join(([base] if base else []) + parts)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
