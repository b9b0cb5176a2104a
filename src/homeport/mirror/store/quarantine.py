"""Bytes that turned out wrong, set aside for an operator: the newest, within bounds."""

import json
import os
import re
from pathlib import Path

from homeport.mirror.store.disk import Disk

MAX_COUNT = 16
MAX_BYTES = 1024**3
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class Quarantine:
    """A folder of `TIME-NAME` (the bytes) and `TIME-NAME.json` (why). Runs in a thread."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk

    def take(self, source: Path, name: str, reason: str, *, at: float) -> None:
        """Move a file here; one that is too large by itself is removed, and only the reason is
        kept."""
        self._disk.make_folder(self._folder)
        target = self._folder / f"{int(at * 1000):014d}-{_UNSAFE.sub('_', name)}"
        size = source.stat(follow_symlinks=False).st_size
        if size > MAX_BYTES:
            self._disk.remove(source)
        else:
            self._disk.rename(source, target)
        note = {"name": name, "reason": reason[:1000], "size": size, "time": at}
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(target.with_name(f"{target.name}.json"), flags, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(note, file)
        self._bound()

    def _bound(self) -> None:
        notes = sorted(self._folder.glob("*.json"), reverse=True)
        held = 0
        for count, note in enumerate(notes):
            content = note.with_suffix("")
            held += content.stat().st_size if content.exists() else 0
            if count >= MAX_COUNT or held > MAX_BYTES:
                self._disk.remove(content)
                self._disk.remove(note)
