"""The files of a working tree as they change: those tracked, and those untracked but not ignored.

They are looked at again and again, by git's list and each file's own facts: this works on every
system and file system, in containers and on network mounts, and sees what git would
(docs/adr/0019).
"""

import os
import threading
import time
from collections.abc import Callable, Collection

from homeport.lib.git import Git

_SHORTEST = 0.3
_SHARE = 15
"""Looking takes at most this part of the time."""

_Facts = tuple[int, int, int, int]


class WatchedTree:
    """What has changed since the first look. `also` are paths that count though git ignores them;
    `left_out` says of a path that it does not count. Once `over` is set nothing is waited for. For
    one thread at a time."""

    def __init__(self, git: Git, left_out: Callable[[str], bool], over: threading.Event) -> None:
        self._over = over
        self._git = git
        self._left_out = left_out
        self.also: Collection[str] = ()
        self.pause = _SHORTEST
        """Seconds to wait before the next look."""
        self._known = self._read()
        self._changed: set[str] = set()

    def look(self) -> bool:
        """Whether something has changed since the last look; it is remembered until `take`."""
        found = self._read()
        known, self._known = self._known, found
        if found == known:
            return False
        paths = found.keys() | known.keys()
        changed = {path for path in paths if found.get(path) != known.get(path)}
        self._changed |= changed
        return bool(changed)

    def take(self) -> tuple[str, ...]:
        """All that has changed since the last call, once nothing more changes for a moment."""
        if self._changed:
            self.settle()
        changed, self._changed = self._changed, set()
        return tuple(sorted(changed))

    def settle(self) -> None:
        """Wait for the end of what goes on: a branch that is checked out, a file being saved."""
        while self.look() and not self._over.wait(self.pause):
            pass

    def wait(self) -> tuple[str, ...]:
        """What has changed; sleeps until there is something."""
        while not self._changed and not self._over.wait(self.pause):
            self.look()
        return self.take()

    def _read(self) -> dict[str, _Facts | None]:
        began = time.monotonic()
        listed = self._git.run("ls-files", "-z", "-co", "--exclude-standard", config=False)
        paths = dict.fromkeys((*os.fsdecode(listed).split("\0")[:-1], *self.also))
        found = {path: self._facts(path) for path in paths if not self._left_out(path)}
        self.pause = max(_SHORTEST, _SHARE * (time.monotonic() - began))
        return found

    def _facts(self, path: str) -> _Facts | None:
        try:
            status = (self._git.root / path).lstat()
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode)
