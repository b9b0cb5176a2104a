"""The user's working tree as a `FileSource`: nothing outside of it can be read."""

import os
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG

from homeport.pipeline.document.limits import Limits


class WorktreeSource:
    """Files below `root`, as they are on disk now.

    `listing` gives the paths that patterns are matched with (those that Git knows); without it
    the folder is walked. `limits.size` bounds what is read of one file.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        listing: Callable[[], tuple[str, ...]] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._root = os.path.realpath(root)
        self._listing = listing
        self._paths: tuple[str, ...] | None = None
        self._size = (limits or Limits()).size

    def read(self, path: str) -> bytes | None:
        """The bytes of a regular file; None for one that is absent, a folder or a device, or that
        `..`, an absolute path or a symbolic link puts outside of the repository or inside `.git`.
        """
        parts = path.split("/")
        if "\0" in path or any(part in ("", ".", "..") for part in parts):
            return None
        real = os.path.realpath(os.path.join(self._root, *parts))  # noqa: PTH118 - start-up
        if not real.startswith(self._root.rstrip("/") + "/"):
            return None
        if os.path.relpath(real, self._root).split("/", 1)[0] == ".git":
            return None
        try:
            if not S_ISREG(os.lstat(real).st_mode):
                return None
            # Neither a pipe nor a link put there meanwhile may hold us up or lead us away.
            descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                return file.read(self._size + 1)
        except OSError:
            return None

    def paths(self) -> tuple[str, ...]:
        """Every path below the root, once asked remembered."""
        if self._paths is None:
            self._paths = self._listing() if self._listing else tuple(self._walk())
        return self._paths

    def _walk(self) -> list[str]:
        found = []
        for folder, folders, files in os.walk(self._root):
            folders[:] = [name for name in folders if name != ".git"]
            prefix = os.path.relpath(folder, self._root)
            found += [name if prefix == "." else f"{prefix}/{name}" for name in files]
        return found
