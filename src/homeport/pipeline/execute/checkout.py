"""What a job finds in its workspace before caches and artifacts: its sources.

GitLab Runner's "get sources", where there is nothing to fetch: the snapshot of the run as it is, or
as the job's own variables say: nothing, no files, less history, submodules. Each form is made once
for a run, by the first job that wants it.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, structs

from homeport.errors import HomeportError
from homeport.pipeline.execute.api import ExecutorError, Snapshot, Stop
from homeport.pipeline.execute.environment import Environment
from homeport.pipeline.execute.git_variables import (
    GitVariables,
    SubmoduleStrategy,
    git_variables,
)
from homeport.pipeline.execute.shallow import PreparedRepository, is_cut, packed_refs
from homeport.pipeline.execute.snapshot import git_environment
from homeport.pipeline.execute.workspace import copy_tree


class Sources(Struct, frozen=True, kw_only=True):
    """`trees` lie over the snapshot, `env` is what git in the job needs to trust them."""

    snapshot: Snapshot
    trees: tuple[Path, ...] = ()
    env: dict[str, str] = {}


class Checkout:
    """The sources of the jobs of one snapshot; used by several threads at once.

    `repository` is the user's own working tree, where submodules are looked for, and `origin` the
    address of its remote. Into `folder` all is written that jobs need beside the snapshot.
    `offline` forbids to fetch. `is_first` says that the commit has no parents, so that there is no
    history to be cut, and no process to ask how long it is.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        repository: Path,
        folder: Path,
        *,
        origin: str | None = None,
        offline: bool = False,
        is_first: bool = False,
    ) -> None:
        self.snapshot = snapshot
        self._repository = repository
        self._folder = folder
        self._origin = origin
        self._offline = offline
        self._is_first = is_first
        self._lock = threading.Lock()
        self._repositories: dict[tuple[int, bool], Path] = {}
        self._submodules: dict[object, tuple[Path, tuple[str, ...], tuple[str, ...]]] = {}

    @property
    def nothing(self) -> Snapshot:
        """A workspace without sources."""
        return Snapshot(root=self.snapshot.root, files=(), git=None, objects=None)

    def get(
        self,
        environment: Environment,
        project_dir: str,
        *,
        packed: bool,
        warn: Callable[[str], None],
        stop: Stop,
    ) -> Sources:
        """The sources for a job; `packed` is whether its history is cut where it is packed.

        Raises `ExecutorError` for what cannot be had.
        """
        wanted = git_variables(environment)
        for warning in wanted.warnings:
            warn(f"WARNING: {warning}")
        if not wanted.sources:
            return Sources(snapshot=self.nothing)
        if environment.is_on("GIT_LFS_SKIP_SMUDGE") and _has_lfs(self.snapshot):
            warn(
                "WARNING: GIT_LFS_SKIP_SMUDGE has no effect: files of Git LFS are as they are in "
                "your working tree"
            )
        try:
            with self._lock:
                snapshot = self._form(wanted, packed=packed)
                if wanted.submodules is SubmoduleStrategy.NONE:
                    return Sources(snapshot=snapshot)
                tree, paths, notes = self._with_submodules(wanted, stop)
        except HomeportError as error:
            raise ExecutorError(f"cannot get the sources: {error}") from error
        except OSError as error:
            raise ExecutorError(
                f"cannot write the sources: {error.filename or self._folder}: {error.strerror}"
            ) from error
        for note in notes:
            warn(f"WARNING: {note}")
        env: dict[str, str] = {}
        for path in paths:
            env |= git_environment({**environment.env, **env}, f"{project_dir}/{path}")
        return Sources(snapshot=snapshot, trees=(tree,), env=env)

    def _form(self, wanted: GitVariables, *, packed: bool) -> Snapshot:
        """The snapshot with less history, or without files."""
        snapshot = self.snapshot
        if snapshot.git is None:
            return snapshot
        depth = 0 if packed or self._is_first else wanted.depth
        known = self._repositories.get((depth, wanted.checkout))
        if known is None:
            known = self._repository_of(snapshot.git, depth, index=wanted.checkout)
            self._repositories[depth, wanted.checkout] = known
        files = snapshot.files if wanted.checkout else ()
        return structs.replace(snapshot, git=known, files=files)

    def _repository_of(self, git: Path, depth: int, *, index: bool) -> Path:
        repository = PreparedRepository(git)
        history = repository.history((git / "HEAD").read_text().strip(), depth)
        cut = is_cut(history, git)
        if index and not cut:
            return git
        self._folder.mkdir(mode=0o700, exist_ok=True)
        into = self._folder / f"git-{len(self._repositories)}"
        into.mkdir()
        copy_tree(os.fspath(git), os.fspath(into))
        if not index:
            for path in (*into.glob("index"), *into.glob("sharedindex.*")):
                path.unlink()
        if history is not None and cut:
            (into / "shallow").write_text("".join(f"{sha}\n" for sha in history.shallow))
            (into / "packed-refs").write_bytes(packed_refs(repository.refs(history)))
        return into

    def _with_submodules(
        self, wanted: GitVariables, stop: Stop
    ) -> tuple[Path, tuple[str, ...], tuple[str, ...]]:
        # Imported by who has submodules: a run without any shall not pay for it.
        from homeport.pipeline.execute.submodules import Level, SubmoduleTree

        key = (
            wanted.submodules,
            wanted.submodule_paths,
            wanted.submodule_depth,
            wanted.https_host,
        )
        made = self._submodules.get(key)
        if made is None:
            git = self.snapshot.git
            if git is None:
                raise ExecutorError("there is no repository whose submodules could be got")
            self._folder.mkdir(mode=0o700, exist_ok=True)
            tree = SubmoduleTree(
                self._folder / f"submodules-{len(self._submodules)}",
                depth=wanted.submodule_depth,
                recursive=wanted.submodules is SubmoduleStrategy.RECURSIVE,
                https_host=wanted.https_host,
                committed=self.snapshot.committed,
                offline=self._offline,
                stop=stop,
            )
            with tree:
                tree.add(
                    Level(
                        repository=self._repository,
                        snapshot=self.snapshot,
                        origin=self._origin,
                    ),
                    wanted.submodule_paths,
                )
            made = self._submodules[key] = (tree.path, tuple(tree.paths), tuple(tree.notes))
        return made


def _has_lfs(snapshot: Snapshot) -> bool:
    """Whether the attributes at the top name the filter of Git LFS."""
    target = snapshot.root / ".gitattributes"
    try:
        return not target.is_symlink() and b"filter=lfs" in target.read_bytes()
    except OSError:
        return False
