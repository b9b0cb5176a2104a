"""A disk that forgets, at a power cut, what was not synced."""

import random
import shutil
from pathlib import Path

from homeport.mirror.store.disk import Disk


class Forgetful(Disk):
    """Files are written as usual; what is certain to survive is remembered beside.

    `cut` makes the folder that a power cut leaves: of each file the bytes of its last sync, then a
    random part of the later writes, the rest holes; of each name the last that its folder's sync
    made certain, or by chance a later one.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.chance = random.Random(seed)  # noqa: S311 - a test
        self.synced: dict[int, bytes] = {}
        self.certain: dict[Path, int] = {}
        self.folders: set[Path] = {root}
        self.paths: dict[int, Path] = {}

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        self.folders.add(path)

    def open(self, path: Path, *, fresh: bool) -> int:
        descriptor = super().open(path, fresh=fresh)
        self.paths[descriptor] = path
        return descriptor

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        self.synced[path.stat().st_ino] = path.read_bytes()

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        for known in [known for known in self.certain if known.parent == path]:
            del self.certain[known]
        for entry in path.iterdir():
            if entry.is_file():
                self.certain[entry] = entry.stat().st_ino

    def cut(self, into: Path) -> None:
        for folder in sorted(self.folders):
            (into / folder.relative_to(self.root)).mkdir(parents=True, exist_ok=True)
        names: dict[Path, int] = dict(self.certain)
        for folder in self.folders:
            for entry in folder.iterdir():
                if entry.is_file() and entry not in names and self.chance.random() < 0.5:
                    names[entry] = entry.stat().st_ino
        for path in [path for path in names if not path.exists()]:
            if self.chance.random() < 0.5:
                del names[path]
        for path, inode in names.items():
            target = into / path.relative_to(self.root)
            certain = self.synced.get(inode, b"")
            now = path.read_bytes() if path.exists() and path.stat().st_ino == inode else certain
            target.write_bytes(self._torn(certain, now))
        shutil.copystat(self.root, into)

    def _torn(self, certain: bytes, now: bytes) -> bytes:
        """The size of the one or the other, and by chance holes where nothing was synced."""
        if now == certain:
            return now
        survived = bytearray(now[: self.chance.randint(min(len(certain), len(now)), len(now))])
        for start in range(0, len(survived), 512):
            if survived[start : start + 512] != certain[start : start + 512] and (
                self.chance.random() < 0.5
            ):
                end = min(start + 512, len(survived))
                survived[start:end] = bytes(end - start)
        return bytes(survived)
