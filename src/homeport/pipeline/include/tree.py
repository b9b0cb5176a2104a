"""The files of one commit as a `FileSource`: what a server would read after a push."""

from collections.abc import Callable
from pathlib import Path

from homeport.lib.git import Git
from homeport.pipeline.document.limits import Limits


class TreeSource:
    """Files of the commit `sha` in the repository at `root`; a symbolic link is its own text, as
    for GitLab. `listing` gives the paths that patterns are matched with."""

    def __init__(
        self,
        root: str | Path,
        sha: str,
        *,
        listing: Callable[[], tuple[str, ...]],
        limits: Limits | None = None,
    ) -> None:
        self._git = Git(root)
        self._sha = sha
        self._listing = listing
        self._size = (limits or Limits()).size

    def read(self, path: str) -> bytes | None:
        """A file's bytes, one more than the limit at most; None for one that is not there."""
        if any(part in ("", ".", "..") for part in path.split("/")) or not path.isprintable():
            return None
        name = f"{self._sha}:{path}".encode("utf-8", "surrogateescape")
        # The size comes first, so that a huge object is never read.
        said = self._git.run("cat-file", "--batch-check", input=name + b"\n", config=False).split()
        if len(said) != 3 or said[1] != b"blob":
            return None
        if int(said[2]) > self._size:
            return b" " * (self._size + 1)
        return self._git.run("cat-file", "blob", said[0].decode(), config=False)

    def paths(self) -> tuple[str, ...]:
        """Every path of the commit."""
        return self._listing()
