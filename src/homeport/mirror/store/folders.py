"""Where the files of a store are, and that one process has them."""

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from homeport.mirror.store.api import BlobInfo, StagedInfo, StoreError
from homeport.mirror.store.disk import Disk
from homeport.oci.digest import ALGORITHMS, Digest, algorithm_of, hex_of, parse_digest

METADATA = "metadata.db"
"""The name of the database beside the folders of blobs."""


class Folders:
    """Paths below a data folder. Everything but `home` reads the disk: call it in a thread."""

    def __init__(self, data: Path) -> None:
        self.blobs = data / "blobs"
        self.staged = data / "staged"
        self.quarantine = data / "quarantine"

    def home(self, digest: Digest) -> Path:
        """A digest has been parsed: its parts are an algorithm's name and hex digits."""
        digits = hex_of(digest)
        return self.blobs / algorithm_of(digest) / digits[:2] / digits

    def make(self, disk: Disk) -> None:
        for folder in (self.staged, self.quarantine, *(self.blobs / a for a in ALGORITHMS)):
            disk.make_folder(folder)

    def all_staged(self) -> Iterator[StagedInfo]:
        with os.scandir(self.staged) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # committed or dropped meanwhile
                    continue
                if stat.S_ISREG(found.st_mode):
                    yield StagedInfo(entry.name, found.st_size, found.st_mtime)

    def blob_folders(self) -> list[Path]:
        found = (each for a in ALGORITHMS for each in (self.blobs / a).glob("[0-9a-f][0-9a-f]"))
        return sorted(found)

    def blobs_in(self, folder: Path) -> list[BlobInfo]:
        """Those of one `ab` folder; a file that is not named like a blob is none."""
        infos: list[BlobInfo] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    digest = parse_digest(f"{folder.parent.name}:{entry.name}")
                    found = entry.stat(follow_symlinks=False)
                except (ValueError, FileNotFoundError):
                    continue
                if stat.S_ISREG(found.st_mode):
                    infos.append(BlobInfo(digest, found.st_size, found.st_mtime))
        return sorted(infos, key=lambda info: info.digest)

    def all_blobs(self) -> Iterator[BlobInfo]:
        for folder in self.blob_folders():
            yield from self.blobs_in(folder)


def lock_folder(data: Path) -> int:
    """A descriptor that holds the folder for this process until it is closed, or the process ends;
    raises StoreError where another one has it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(data / "lock", flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError(
            f"another homeport process uses {data}; stop it first, or set another `data` folder"
        ) from None
    return descriptor
