"""A project, or single files, that the user's `[rewrite]` maps to a folder of this machine."""

from pathlib import Path

from homeport.lib.git import Git, GitError, find_root
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.include.api import UnreachedError
from homeport.pipeline.include.local import WorktreeSource
from homeport.pipeline.include.tree import TreeSource
from homeport.pipeline.include.versions import is_sha

WORKTREE = "worktree"
"""In place of a commit: the files as they are now."""


class Checkout:
    """A `ProjectReader` for the folder `root`.

    A ref that is what the checkout has checked out (`HEAD`, its branch, a tag there), or any ref of
    a folder that is no repository, stands for the files as they are now, edits included; any other
    ref is read from the repository's own objects.
    """

    def __init__(self, root: Path, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._git = Git(root) if find_root(root) == root.resolve() else None
        if not root.is_dir():
            raise UnreachedError(f"the settings map it to {root}, which is no folder")

    def resolve(self, ref: str) -> str | None:
        if self._git is None or ref == "HEAD":
            return WORKTREE
        sha = self._commit(ref)
        if sha is not None and not is_sha(ref) and sha == self._commit("HEAD"):
            return WORKTREE
        return sha

    def read(self, commit: str, path: str) -> bytes | None:
        if commit == WORKTREE:
            return WorktreeSource(self._root, limits=self._limits).read(path)
        return TreeSource(self._root, commit, listing=tuple, limits=self._limits).read(path)

    def paths(self, commit: str) -> tuple[str, ...]:
        if commit == WORKTREE:
            return WorktreeSource(self._root).paths()
        out = self._run("ls-tree", "-r", "-z", "--full-tree", "--name-only", commit)
        return tuple(out.decode("utf-8", "surrogateescape").split("\0")[:-1])

    def versions(self) -> dict[str, str]:
        if self._git is None:
            return {}
        form = "--format=%(refname:lstrip=2) %(*objectname) %(objectname)"
        out = self._run("for-each-ref", form, "refs/tags").decode("utf-8", "replace")
        found = (line.split() for line in out.splitlines())
        return {words[0]: words[1] for words in found if len(words) > 1}

    def _commit(self, ref: str) -> str | None:
        if ref.startswith("-") or any(char in ref for char in " \n\0^~:@{*?["):
            return None
        names = [ref] if ref == "HEAD" or is_sha(ref) or ref.startswith("refs/") else []
        names += [f"refs/tags/{ref}", f"refs/heads/{ref}", f"refs/remotes/origin/{ref}"]
        asked = "".join(f"{name}^{{commit}}\n" for name in names).encode()
        out = self._run("cat-file", "--batch-check", input=asked).decode()
        lines = (line.split(" ") for line in out.splitlines())
        return next((words[0] for words in lines if len(words) == 3), None)

    def _run(self, *args: str, input: bytes | None = None) -> bytes:  # noqa: A002 - as in Git
        assert self._git is not None  # noqa: S101 - narrows the type
        try:
            return self._git.run(*args, input=input, config=False)
        except GitError as error:
            raise UnreachedError(f"{self._root}: {error}") from None


def read_mapped(path: str, limits: Limits) -> bytes | None:
    """A single file that the settings map to an absolute path; None if there is none."""
    folder, _, name = path.rpartition("/")
    if ".." in path.split("/"):
        return None
    return WorktreeSource(folder or "/", limits=limits).read(name)
