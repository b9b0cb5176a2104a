"""Files from elsewhere on this disk: by content, with an index of where they came from."""

import os
import time
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from homeport.lib.atomic import write_atomic

_LARGEST = 64 * 1024 * 1024


class Entry(Struct, frozen=True, kw_only=True):
    """What a source was when it was last asked.

    `commit` is what a ref named, and `tag` what a range of versions was; else there is the `sha256`
    of a content. `at` is the time in seconds since the epoch.
    """

    commit: str | None = None
    tag: str | None = None
    sha256: str | None = None
    at: float = 0.0

    @property
    def age(self) -> float:
        """Seconds since then; a clock that was set back makes no entry young."""
        since = time.time() - self.at
        return since if since >= 0 else float("inf")


class IncludeCache:
    """The folder `$XDG_CACHE_HOME/homeport/includes`; None keeps nothing.

    A cache that cannot be read or written is as good as none: nothing here raises. Contents are
    checked against their name, so that a damaged file counts as absent.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else _private(folder)

    def content(self, digest: str) -> bytes | None:
        """The bytes with this SHA-256 (hexadecimal), or None."""
        path = self._path("content", digest)
        content = None if path is None else _read(path)
        return content if content is not None and sha256(content).hexdigest() == digest else None

    def keep(self, content: bytes) -> str:
        """Store bytes; their SHA-256."""
        digest = sha256(content).hexdigest()
        path = self._path("content", digest)
        if path is not None and not path.exists():
            self._write(path, content)
        return digest

    def entry(self, *key: str) -> Entry | None:
        """What is known of a source, or None."""
        path = self._path("index", _name(key))
        content = None if path is None else _read(path)
        try:
            return None if content is None else msgspec.json.decode(content, type=Entry)
        except msgspec.MsgspecError:
            return None

    def note(
        self,
        *key: str,
        commit: str | None = None,
        tag: str | None = None,
        digest: str | None = None,
    ) -> None:
        """Remember what a source is now."""
        path = self._path("index", _name(key))
        if path is not None:
            entry = Entry(commit=commit, tag=tag, sha256=digest, at=time.time())
            self._write(path, msgspec.json.encode(entry))

    def _path(self, kind: str, name: str) -> Path | None:
        if self.folder is None or not name.isalnum():
            return None
        return self.folder / kind / name[:2] / name

    def _write(self, path: Path, content: bytes) -> None:
        try:
            for folder in (path.parent.parent, path.parent):  # parents=True would ignore the mode
                folder.mkdir(mode=0o700, exist_ok=True)
            write_atomic(path, content)
        except OSError:
            return


def cache_folder(home: str | None, base: str | None) -> Path | None:
    """The folder for HOME and XDG_CACHE_HOME (XDG base directories: a relative one is ignored)."""
    if base and base.startswith("/"):
        return Path(base, "homeport", "includes")
    return Path(home, ".cache", "homeport", "includes") if home else None


def _private(folder: Path) -> Path | None:
    """The folder, if it is this user's own and nobody else may write there."""
    try:
        for each in (folder.parent, folder):  # parents=True would ignore the mode
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            return None
    except OSError:
        return None
    return folder


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return None


def _name(key: tuple[str, ...]) -> str:
    # The key may hold a credential of a URL: only its hash is written.
    return sha256(repr(key).encode()).hexdigest()


def in_words(seconds: float) -> str:
    """A length of time as people say it."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return "a moment"
