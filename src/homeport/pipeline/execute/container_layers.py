"""Workspaces in folders of this machine, where the engine sees them.

Where this process is root, the folder of projects is a volume of the engine's local driver: a
folder of the job's own, bound, or for a big tree an overlayfs with what all jobs have below and
what one changes above. So the engine extracts no archive, which takes it half as long as a
container does. Whether it sees our files, and takes root's for root's, is asked of it. Docker
Desktop does not, nor a remote engine or one in another mount or user namespace; Podman mounts
nothing before the start. All else goes as a tar stream.
"""

import io
import os
import stat
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from homeport.engine.api import Engine, EngineError
from homeport.pipeline.execute.api import Snapshot
from homeport.pipeline.execute.container_archive import Item, Stored
from homeport.pipeline.execute.container_workspace import BUILDS_DIR
from homeport.pipeline.execute.workspace import copy_entry, make_folder, remove

LEAST_FILES = 1000
LEAST_BYTES = 32 * 1024 * 1024
_NONCE = ".homeport"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ODD = frozenset(',:\\"')
"""What the options of an overlay would have to be escaped for."""


class Layers:
    """The folders of one run in `folder`, which its owner removes; used by several threads at once.

    `least` are the files and the bytes from which a tree counts as big.
    """

    def __init__(self, folder: Path, least: tuple[int, int] = (LEAST_FILES, LEAST_BYTES)) -> None:
        self._folder = folder
        self._least = least
        self._lock = threading.Lock()
        self._is_big: dict[Path, bool] = {}
        self._made: dict[object, str] = {}
        self._is_seen: bool | None = None

    def for_job(self, sources: Snapshot | None) -> "JobLayer | None":
        """A place for the workspace of one job, where it may work."""
        if sources is None or os.geteuid() != 0 or _ODD & set(os.fspath(self._folder)):
            return None
        with self._lock:
            if self._is_seen is False:
                return None
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            return JobLayer(folder, below=self.make if self._big(sources) else None)

    def works(self, engine: Engine, container: str, job: "JobLayer") -> bool:
        """Whether the engine shows in a container, not started yet, what is in the job's layer, and
        as root's."""
        if self._is_seen is None:
            try:
                chunks = engine.get_archive(container, f"{BUILDS_DIR}/{job.nonce}")
                self._is_seen = chunks is not None and _owner(chunks) == 0
            except (EngineError, tarfile.TarError):  # it could not mount what it does not see
                self._is_seen = False
        return self._is_seen

    def make(self, key: object, items: Iterable[Item]) -> str:
        """The folder with these items in it, made by the first job that wants it; OSError."""
        with self._lock:
            made = self._made.get(key)
            if made is None:
                folder = tempfile.mkdtemp(dir=self._folder)
                write(items, folder)
                made = self._made[key] = folder
            return made

    def _big(self, sources: Snapshot) -> bool:
        known = self._is_big.get(sources.root)
        if known is None:
            known = self._is_big[sources.root] = _is_big(sources, *self._least)
        return known


class JobLayer:
    """The workspace of one job, as a folder. With `below`, which lays items out in a folder that
    all jobs share, it is an overlay: a link leads to what is below, until the engine mounts it."""

    def __init__(
        self, folder: Path, *, below: Callable[[object, Iterable[Item]], str] | None = None
    ) -> None:
        self._below = below
        self._is_overlay = below is not None
        self._folder = folder
        self._own = folder / "upper"
        self._lower = folder / "lower"
        for name in ("upper", "work", "empty") if self._is_overlay else ("upper",):
            (folder / name).mkdir()
        self._own.chmod(0o777)
        # With a name of its own: it is not guessed from the path that the engine sees the same.
        self.nonce = f"{_NONCE}-{folder.name}"
        if self._is_overlay:
            self._lower.symlink_to("empty")
        (self._lower if self._is_overlay else self._own).joinpath(self.nonce).touch()

    @property
    def options(self) -> Mapping[str, str]:
        """Those of the engine's volume."""
        if not self._is_overlay:
            return {"type": "none", "device": os.fspath(self._own), "o": "bind"}
        places = f"lowerdir={self._lower},upperdir={self._own},workdir={self._folder}/work"
        # Without redirects a folder that lies below cannot be renamed.
        return {"type": "overlay", "device": "overlay", "o": f"{places},redirect_dir=on"}

    def share(self, key: object, sources: Iterator[Item]) -> Iterator[Item]:
        """What of the sources is still to be added: nothing where they are below, laid out once for
        all jobs with this key. That is once for a job, too: folders that a script made hide what
        comes there later (overlayfs calls them opaque). Raises OSError."""
        if self._below is None:
            return sources
        folder, self._below = self._below(key, sources), None
        self._lower.unlink()
        self._lower.symlink_to(folder)
        return iter(())

    def add(self, items: Iterable[Item]) -> None:
        """Lay items out in it, over what is there; the container does not run. Raises OSError."""
        if not self._is_overlay:
            (self._own / self.nonce).unlink(missing_ok=True)
        write(items, os.fspath(self._own))

    def remove(self) -> None:
        remove(os.fspath(self._folder))


def write(items: Iterable[Item], folder: str) -> None:
    """Lay items out in a folder as a container gets them: of root, to be written by any user."""
    made = {""}
    for name, source in items:
        _make_folders(name if source is None else name.rpartition("/")[0], folder, made)
        path = f"{folder}/{name}"
        if isinstance(source, bytes):
            with suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 - never through a link
            with open(os.open(path, _NEW, 0o600), "wb") as file:  # noqa: PTH123
                file.write(source)
            _open_up(path)
        elif isinstance(source, Stored):
            if copy_entry(source.path, path):
                os.utime(path, ns=(source.time, source.time), follow_symlinks=False)
                _open_up(path, source.mode)
        elif source is not None and copy_entry(source, path, times=True):
            _open_up(path)


def _owner(chunks: Iterable[bytes]) -> int:
    """Who the first entry of a tar stream belongs to, as the engine's containers see it."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        entry = archive.next()
        return -1 if entry is None else entry.uid


def _make_folders(name: str, folder: str, made: set[str]) -> None:
    missing = []
    while name not in made:
        made.add(name)
        missing.append(name)
        name = name.rpartition("/")[0]
    for path in reversed(missing):
        make_folder(f"{folder}/{path}")
        _open_up(f"{folder}/{path}")


def _open_up(path: str, given: int | None = None) -> None:
    mode = os.lstat(path).st_mode
    if not stat.S_ISLNK(mode):
        executable = (mode if given is None else given) & stat.S_IXUSR
        os.chmod(path, 0o777 if stat.S_ISDIR(mode) or executable else 0o666)  # noqa: PTH101


def _is_big(sources: Snapshot, files: int, size: int) -> bool:
    if len(sources.files) >= files:
        return True
    total = 0
    for name in sources.files:
        with suppress(OSError):
            total += os.lstat(f"{sources.root}/{name}").st_size
        if total >= size:
            return True
    return False
