"""The submodules of a snapshot as one tree to lie over its workspaces.

What counts is the user's own checkout, as for the project itself: where a submodule is checked out
there, its files are those of its working tree as it is now, at the commit that is checked out. One
that is not, or of which the commit alone is wanted and not there, is fetched with the user's own
git: its credential helpers, its ssh. Each gets a repository of its own below the project's
`.git/modules`, as git lays it out, with a pack of its own: nothing in it leads to the user's.
"""

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct, structs

from homeport.errors import HomeportError
from homeport.lib.git import Git
from homeport.pipeline.execute.api import ExecutorError, Snapshot, Stop
from homeport.pipeline.execute.container_git import RepositoryPacks
from homeport.pipeline.execute.snapshot import (
    config_value,
    find_repository,
    take_snapshot,
    without_credentials,
)
from homeport.pipeline.execute.submodule_list import Submodule, read_submodules, resolve_url
from homeport.pipeline.execute.workspace import copy_entry, lay_out

_FETCH_TIMEOUT = 1800.0
_DEEPEST = 30
_NETWORK = {"GIT_ALLOW_PROTOCOL": "https:http:ssh"}


class Level(Struct, frozen=True, kw_only=True):
    """A repository with submodules: `repository` is its working tree on this machine (None for one
    that was fetched), `path` and `git` where it lies in the workspace and its `.git` there."""

    repository: Path | None
    snapshot: Snapshot
    origin: str | None
    path: str = ""
    git: str = ".git"
    depth: int = 0


class SubmoduleTree:
    """Makes the tree at `path`; `paths` are then its submodules, `notes` what people should know.

    To be used by `with`, after which no more can be added.
    """

    def __init__(
        self,
        path: Path,
        *,
        depth: int,
        recursive: bool,
        https_host: str | None,
        committed: bool,
        offline: bool,
        stop: Stop,
    ) -> None:
        self.path = path
        self.paths: list[str] = []
        self.notes: list[str] = []
        self._depth = depth
        self._recursive = recursive
        self._https_host = https_host
        self._committed = committed
        self._offline = offline
        self._stop = stop
        self._packs = RepositoryPacks()
        self._made = 0

    def __enter__(self) -> Self:
        self.path.mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._packs.close()

    def add(self, level: Level, pathspecs: tuple[str, ...] = ()) -> None:
        """Add the submodules of a repository, and theirs if they are wanted, too.

        Raises `ExecutorError` naming the submodule that cannot be had, OSError.
        """
        git = level.snapshot.git
        if git is None:
            return
        found = read_submodules(level.snapshot.root, git, pathspecs)
        if found and level.depth >= _DEEPEST:
            raise ExecutorError(f"submodules lie more than {_DEEPEST} deep: {level.path}")
        if found and level.depth == 0:
            self._write(level.git, "config", (git / "config").read_bytes())
        for submodule in found:
            path = f"{level.path}/{submodule.path}" if level.path else submodule.path
            if self._stop.reason is not None:
                raise ExecutorError(self._stop.reason)
            try:
                inner = self._get(level, submodule, path)
                self._place(level, inner, submodule)
            except HomeportError as error:
                raise ExecutorError(f"submodule {path}: {error}") from error
            self.paths.append(path)
            if self._recursive:
                self.add(inner)

    def _get(self, level: Level, submodule: Submodule, path: str) -> Level:
        url, refused = None, "it has no address in .gitmodules"
        if submodule.url is not None:
            try:
                url = resolve_url(submodule.url, level.origin, self._https_host)
            except ValueError as error:
                refused = str(error)
        here = None if level.repository is None else _checked_out(level.repository, submodule.path)
        made = None if here is None else self._take(here, submodule, path, url)
        if made is None:
            here, made = None, self._fetch(submodule, path, url, refused)
        return Level(
            repository=here,
            snapshot=made,
            origin=url,
            path=path,
            git=f"{level.git}/modules/{submodule.name}",
            depth=level.depth + 1,
        )

    def _take(
        self, here: Path, submodule: Submodule, path: str, url: str | None
    ) -> Snapshot | None:
        """From the user's checkout; None if the commit that is wanted is not there."""
        git = Git(here)
        if self._committed:
            if git.try_run("cat-file", "-e", f"{submodule.sha}^{{commit}}", config=False) is None:
                return None
            return self._snapshot(git, here, submodule.sha, url, committed=True)
        head = git.try_run("rev-parse", "--verify", "--quiet", "HEAD", config=False)
        if head is None:
            return None
        sha = head.decode().strip()
        if sha != submodule.sha:
            self.notes.append(
                f"submodule {path} is run as it is checked out here, at {sha[:12]}; the project "
                f"records {submodule.sha[:12]}"
            )
        return self._snapshot(git, here, sha, url, committed=False)

    def _snapshot(
        self, git: Git, root: Path, sha: str, url: str | None, *, committed: bool
    ) -> Snapshot:
        folder = self._folder()
        return take_snapshot(
            git,
            root,
            sha,
            into=folder / "git",
            origin=url,
            tree=folder / "tree" if committed else None,
            committed=committed,
        )

    def _fetch(self, submodule: Submodule, path: str, url: str | None, refused: str) -> Snapshot:
        remedy = f"to provide it yourself: git submodule update --init --recursive {path}"
        if url is None:
            raise ExecutorError(
                f"submodule {path} is not checked out here, and is not fetched: {refused}; {remedy}"
            )
        if self._offline:
            raise ExecutorError(
                f"submodule {path} is not checked out here, and --offline forbids to fetch it; "
                f"{remedy}"
            )
        folder = self._folder() / "fetched"
        folder.mkdir()
        git = Git(folder, trusted=True)
        git.run("init", "--quiet", "--template=", ".", config=False)
        with (folder / ".git/config").open("a") as config:  # an address may hold a password
            config.write(f'[remote "origin"]\n\turl = {config_value(url)}\n')
        quiet = ("fetch", "--quiet", "--no-write-fetch-head")
        depth = (f"--depth={self._depth}",) if self._depth else ()
        try:
            self._network(git, *quiet, "--no-tags", *depth, "origin", submodule.sha)
        except HomeportError:
            # Not every server gives a commit that no reference names.
            if self._stop.reason is not None:
                raise
            try:
                self._network(git, *quiet, "origin", "+refs/heads/*:refs/remotes/origin/*")
            except HomeportError as error:
                raise ExecutorError(
                    f"submodule {path} cannot be fetched from {without_credentials(url)}: "
                    f"{error}; {remedy}"
                ) from error
        if git.try_run("cat-file", "-e", f"{submodule.sha}^{{commit}}", config=False) is None:
            raise ExecutorError(
                f"submodule {path}: {without_credentials(url)} does not have the commit "
                f"{submodule.sha} that the project records"
            )
        return self._snapshot(git, folder, submodule.sha, url, committed=True)

    def _network(self, git: Git, *args: str) -> None:
        git.run(
            *args, env=_NETWORK, timeout=_FETCH_TIMEOUT, config=False, watch=self._stop.subscribe
        )

    def _place(self, level: Level, inner: Level, submodule: Submodule) -> None:
        """Write the files of a submodule, its repository and what leads from one to the other."""
        root = self.path / inner.path
        _need_folder(self.path, inner.path.rpartition("/")[0])
        if root.is_dir() and not root.is_symlink():
            root.rmdir()  # empty: a folder that stands for it in the files around it
        lay_out(structs.replace(inner.snapshot, git=None), os.fspath(root))
        up = "../" * (inner.path.count("/") + 1)
        self._write(inner.path, ".git", os.fsencode(f"gitdir: {up}{inner.git}\n"))
        git = inner.snapshot.git
        assert git is not None  # noqa: S101 - as take_snapshot made it
        (self.path / inner.git).mkdir(parents=True)
        for name, source in self._packs.items("", git, self._depth):
            if isinstance(source, str):
                copy_entry(source, f"{self.path}/{inner.git}{name}")
            elif source is None:
                (self.path / f"{inner.git}{name}").mkdir(parents=True, exist_ok=True)
            elif isinstance(source, bytes):
                self._write(inner.git, name.lstrip("/"), source)
        up = "../" * (inner.git.count("/") + 1)
        self._configure(inner.git, f'[core]\n\tworktree = "{up}{inner.path}"\n')
        active = f'[submodule "{submodule.name}"]\n\tactive = true\n'
        if inner.origin is not None:
            active += f"\turl = {config_value(without_credentials(inner.origin))}\n"
        self._configure(level.git, active)

    def _configure(self, git: str, text: str) -> None:
        with (self.path / git / "config").open("ab") as config:
            config.write(os.fsencode(text))

    def _write(self, folder: str, name: str, content: bytes) -> None:
        path = self.path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def _folder(self) -> Path:
        self._made += 1
        folder = self.path.with_name(f"{self.path.name}-{self._made}")
        folder.mkdir()
        return folder


def _checked_out(parent: Path, path: str) -> Path | None:
    """The working tree of a submodule, None where it is not there.

    Its repository must be its own or lie in the parent's: a file could name any of the machine.
    """
    root = parent / path
    _need_folder(parent, path)
    mark = root / ".git"
    if mark.is_symlink() or not mark.exists():
        return None
    if mark.is_dir():
        return root
    folder = os.path.realpath(find_repository(os.fspath(root))[0])
    allowed = [os.path.realpath(each) for each in find_repository(os.fspath(parent))]
    if not any(folder.startswith(f"{each}/modules/") for each in allowed):
        raise ExecutorError(f"submodule {path}: its repository is outside of the project's")
    return root


def _need_folder(base: Path, path: str) -> None:
    """Nothing on the way may be a link, or anything else than a folder."""
    here = base
    for part in path.split("/") if path else ():
        here = here / part
        try:
            mode = here.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(mode):
            raise ExecutorError(f"submodule {path}: {here.relative_to(base)} is no folder")
