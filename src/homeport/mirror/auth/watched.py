"""A file or folder that is read again when it has changed."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from homeport.errors import HomeportError

T = TypeVar("T")
_LOG = logging.getLogger("homeport.mirror.auth")
_SETTLED = 2.0
"""Seconds after which a change would show in the time stamp: file systems count in coarse ticks."""

Stamp = tuple[int, int, int] | None


class Watched(Generic[T]):
    """`value` is what `parse` made of the path last; `absent` where there is nothing. An invalid
    file changes nothing and is logged once. Blocking: `refresh` belongs into a thread."""

    def __init__(self, path: Path, parse: Callable[[Path], T], *, absent: T) -> None:
        """Reads it now; raises what `parse` raises (HomeportError, OSError)."""
        self.path = path
        self._parse = parse
        self._absent = absent
        self._stamp: Stamp = None
        self._unsettled = False
        self._lock = threading.Lock()
        self.value: T = absent
        self._load(self._look())

    def refresh(self) -> bool:
        """Read it if it has changed; whether `value` is another now."""
        with self._lock:
            before = self.value
            try:
                stamp = self._look()
                if stamp != self._stamp or self._unsettled:
                    self._load(stamp)
            except (HomeportError, OSError) as error:
                _LOG.error("%s stays as it was: %s", self.path, error)
                return False
            return self.value != before

    def _look(self) -> Stamp:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _load(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._unsettled = stamp is not None and time.time() - stamp[0] / 1e9 < _SETTLED
        self.value = self._absent if stamp is None else self._parse(self.path)
