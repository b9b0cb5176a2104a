"""The machine that is enrolled: its files, programs and environment, behind one small object.

Tests give a `root` other than `/`, and a `run` of their own; nothing else in this package touches
files or processes.
"""

import errno
import os
import socket
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from homeport.enroll.errors import ConflictError, EnrollError
from homeport.enroll.model import FileState
from homeport.enroll.places import follow

LIMIT = 30.0
MAX_BYTES = 4 * 1024 * 1024


class Ran(NamedTuple):
    """A program that ended; 127 where there is none, 124 where it took too long."""

    status: int
    out: str
    err: str


Run = Callable[[Sequence[str], float], Ran]


def run_program(command: Sequence[str], limit: float = LIMIT) -> Ran:
    """Never through a shell, with nothing to read, and in English."""
    env = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=env,
            timeout=limit,
            check=False,
        )
    except FileNotFoundError:
        return Ran(127, "", f"{command[0]}: not found")
    except PermissionError as error:
        return Ran(126, "", str(error))
    except subprocess.TimeoutExpired:
        return Ran(124, "", f"{command[0]}: no end within {limit:g} s")
    return Ran(
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"),
    )


class Host:
    """Paths are those of the machine; `root` is put before them."""

    def __init__(
        self,
        *,
        root: str = "/",
        env: Optional[Mapping[str, str]] = None,
        run: Run = run_program,
        uid: Optional[int] = None,
    ) -> None:
        self.root = root
        self.env = dict(os.environ if env is None else env)
        self._run = run
        self.uid = os.geteuid() if uid is None else uid

    @property
    def home(self) -> str:
        return self.env.get("HOME") or "/root"

    def run(self, *command: str, limit: float = LIMIT) -> Ran:
        return self._run(command, limit)

    def at(self, path: str) -> Path:
        """The real place of one of the machine's paths."""
        return Path(self.root, path.lstrip("/")) if self.root != "/" else Path(path)

    def exists(self, path: str) -> bool:
        # Path.exists raises for a folder that is closed to us.
        return os.path.exists(self.at(path))  # noqa: PTH110

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(self.at(path))  # noqa: PTH112

    def list(self, path: str) -> tuple[str, ...]:
        """Names in a folder, sorted; none where there is no folder, or it is closed to us."""
        try:
            return tuple(sorted(os.listdir(self.at(path))))  # noqa: PTH208
        except OSError:
            return ()

    def real(self, path: str) -> str:
        """The path behind symbolic links, as the machine would say it; the path itself where they
        are not to be followed."""
        try:
            found = str(follow(self.at(path)))
        except ConflictError:
            return path
        if self.root == "/":
            return found
        root = os.path.realpath(self.root)
        return "/" + os.path.relpath(found, root) if found.startswith(root + os.sep) else path

    def state(self, path: str) -> Optional[FileState]:
        """A regular file's state, None where there is none. Raises EnrollError for one that cannot
        be read, is too large, or is no regular file; a pipe or device is not waited for."""
        place = follow(self.at(path), path)
        try:
            with open(place, "rb", opener=_open_at_once) as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise EnrollError(f"{path} is no regular file")
                content = file.read(MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except IsADirectoryError:
            raise EnrollError(f"{path} is a folder") from None
        except OSError as error:
            if error.errno == errno.ENXIO:  # a socket, or a device that nobody drives
                raise EnrollError(f"{path} is no regular file") from None
            raise EnrollError(f"cannot read {path}: {error.strerror}") from None
        if len(content) > MAX_BYTES:
            raise EnrollError(f"{path} is larger than {MAX_BYTES} bytes")
        return FileState(
            content=content.decode("utf-8", "surrogateescape"),
            mode=stat.S_IMODE(found.st_mode),
            uid=found.st_uid,
            gid=found.st_gid,
        )

    def text(self, path: str) -> Optional[str]:
        found = self.state(path)
        return None if found is None else found.content

    def may_write(self, path: str) -> bool:
        """Whether we could replace or create the file: in its folder, or the nearest above that
        there is."""
        folder = Path(os.path.realpath(self.at(path))).parent
        while not os.path.exists(folder) and folder != folder.parent:  # noqa: PTH110
            folder = folder.parent
        return os.access(folder, os.W_OK | os.X_OK)

    def owner(self, path: str) -> tuple[int, int]:
        """User and group of a file; of the nearest folder above it where there is none."""
        place = self.at(path)
        while not os.path.exists(place) and place != place.parent:  # noqa: PTH110
            place = place.parent
        found = place.stat()
        return found.st_uid, found.st_gid

    def identity(self, path: str) -> Optional[tuple[int, int]]:
        """What is the same for two paths that lead to one file; None where that cannot be told."""
        try:
            found = self.at(path).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def link(self, path: str) -> Optional[str]:
        """What a symbolic link says; None where there is none, or it may not be read."""
        try:
            return os.fspath(self.at(path).readlink())
        except OSError:
            return None

    def connect(self, path: str, limit: float = LIMIT) -> socket.socket:
        """A connection to a Unix socket. Raises OSError."""
        place = self.at(path)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(limit)
        try:
            _connect(made, place)
        except BaseException:
            made.close()
            raise
        return made

    def signal(self, process: int, number: int) -> None:
        """Raises EnrollError."""
        try:
            os.kill(process, number)
        except OSError as error:
            raise EnrollError(f"cannot signal process {process}: {error.strerror}") from None


def _connect(made: socket.socket, place: Path) -> None:
    """A socket's path is at most 107 bytes long; by its folder's descriptor, any is reached."""
    if len(os.fsencode(place)) < 100:
        made.connect(os.fspath(place))
        return
    if not Path("/proc/self/fd").is_dir():
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), os.fspath(place))
    folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        made.connect(f"/proc/self/fd/{folder}/{place.name}")
    finally:
        os.close(folder)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
