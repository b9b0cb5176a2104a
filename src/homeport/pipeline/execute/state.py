"""What runs leave behind: logs, artifacts and results, outside of the repository.

    $XDG_STATE_HOME/homeport/<key>/runs/<id>/{lock, run.json, *.jsonl, logs/, artifacts/<job>/}
    $XDG_STATE_HOME/homeport/<key>/objects/         what is in the files of artifacts, each once
    $XDG_STATE_HOME/homeport/<key>/builds/<id>/     workspaces, gone when the run is over
    $XDG_CACHE_HOME/homeport/<key>/                 the jobs' caches

`<key>` is the repository's name and a hash of its real path. Everything is the user's alone (mode
0700). Old runs go away by number and size; a run is alive as long as its lock is held (flock, which
the system lets go of when the process dies), and a live run is never touched.
"""

import fcntl
import os
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import ENOENT
from pathlib import Path
from threading import Lock

import msgspec
from msgspec import Struct

from homeport.errors import MissingError
from homeport.lib.atomic import write_atomic
from homeport.lib.spread import spread
from homeport.pipeline.execute.api import JobResult
from homeport.pipeline.execute.workspace import remove
from homeport.pipeline.model.event import Status

_MAX_SLUG = 80
_TRIES = 10
OBJECTS = "objects"
"""The folder of a state with the contents of its artifacts (`objects.py`)."""
PACKS = ".packs-"
"""What follows a prepared repository's name in that of the folder with its packs."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Record(Struct, frozen=True, kw_only=True):
    """How a job ended in a run, as one line of `jobs.jsonl`; `at` is seconds since 1970."""

    job: str
    result: JobResult
    at: float


class Summary(Struct, frozen=True, kw_only=True):
    """`run.json`: written when a run begins, and again when it ends with `status` and `size`."""

    id: str
    root: str
    sha: str
    ref: str
    at: float
    status: Status | None = None
    size: int | None = None


class Finished(Struct, frozen=True, kw_only=True):
    """The last time that a job ran; `artifacts` is None when it left none, `age` in seconds."""

    run: str
    status: Status
    artifacts: Path | None
    dotenv: Mapping[str, str]
    age: float


class Run:
    """One run's folders. Methods may be called from any thread; they raise `MissingError` when
    the disk does not take what is written."""

    def __init__(self, folder: Path, builds: Path, summary: Summary, lock: int) -> None:
        self.id = summary.id
        self.root = summary.root
        self.folder = folder
        self.builds_path = builds
        """For workspaces, this run's alone."""
        self.git_path = folder / "git"
        """For the prepared `.git`; made by who needs it."""
        self.tree_path = builds / ".tree"
        """For the files of the snapshot; likewise."""
        self._summary = summary
        self._lock = lock
        self._writing = Lock()

    def log_path(self, job: str, attempt: int = 1) -> Path:
        """The file for the whole masked log of one attempt."""
        number = "" if attempt == 1 else f".{attempt}"
        return self.folder / "logs" / f"{job_slug(job)}{number}.log"

    def artifacts_path(self, job: str) -> Path:
        """The tree of what the job's last attempt handed on; not there if that was nothing."""
        return self.folder / "artifacts" / job_slug(job)

    @property
    def objects_path(self) -> Path:
        """For what is in the files of artifacts; the same for all runs of the repository."""
        return self.folder.parents[1] / OBJECTS

    @property
    def history_path(self) -> Path:
        """For the plan and the events of the run (`execute/history.py`)."""
        return self.folder / "history.jsonl"

    def reports_path(self, job: str) -> Path:
        """For the trees of the job's reports, one for each type."""
        return self.folder / "reports" / job_slug(job)

    def record(self, job: str, result: JobResult) -> None:
        """Remember how a job ended; of several times the last one counts."""
        line = msgspec.json.encode(Record(job=job, result=result, at=time.time())) + b"\n"
        path = self.folder / "jobs.jsonl"
        with self._writing, _said(path), open(path, "ab", opener=_private) as file:
            file.write(line)

    def finish(self, status: Status) -> None:
        """Write the end of the run, remove what only a running one needs, let go of the lock."""
        ended = msgspec.structs.replace(self._summary, status=status, size=size_of(self.folder))
        try:
            _write_summary(self.folder, ended)
        finally:
            self.close()

    def close(self) -> None:
        """Remove workspaces and let go of the lock; idempotent."""
        remove(os.fspath(self.builds_path))
        remove(os.fspath(self.git_path))
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)


class State:
    """The state of one repository; `kept_runs` and `kept_bytes` bound what older runs take."""

    def __init__(
        self, folder: Path, cache_path: Path, root: str, *, kept_runs: int, kept_bytes: int
    ) -> None:
        self.folder = folder
        self.cache_path = cache_path
        self._root = root
        self._kept_runs = kept_runs
        self._kept_bytes = kept_bytes

    @classmethod
    def open(
        cls, root: Path, env: Mapping[str, str], *, kept_runs: int, kept_bytes: int
    ) -> "State":
        """The state of the repository at `root`; makes nothing yet.

        `env` gives XDG_STATE_HOME and XDG_CACHE_HOME (absolute, else ignored, as the XDG base
        directory specification says) and HOME. Raises `MissingError` without any of them.
        """
        real = os.path.realpath(root)
        key = f"{_slug(os.path.basename(real), 24) or 'root'}-{_hash(real)}"
        return cls(
            state_base(env) / key,
            cache_base(env) / key,
            real,
            kept_runs=kept_runs,
            kept_bytes=kept_bytes,
        )

    def new_run(self, *, sha: str = "", ref: str = "") -> Run:
        """Begin a run: its folders and its lock. Old runs and what killed ones left are removed."""
        from homeport.pipeline.execute.pruning import prune

        runs = self.folder / "runs"
        with _said(self.folder):
            for _ in range(_TRIES):
                # With parents=True alone the mode would be ignored for homeport's own folder.
                for folder in (self.folder.parent, self.folder, runs, self.folder / "builds"):
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                spread(os.fspath(self.folder / "builds"))
                with locked(self.folder / "lock") as is_there:
                    if not is_there:
                        continue  # `homeport clean` has just removed the folder
                    prune(self.folder, kept_runs=self._kept_runs, kept_bytes=self._kept_bytes)
                    return self._begin(runs, sha, ref)
            raise FileNotFoundError(ENOENT, "it is removed again and again", str(self.folder))

    def latest(self, job: str) -> Finished | None:
        """How and when the job ran last, in any run that is still kept."""
        for run in reversed(run_ids(self.folder)):
            record = _last_record(self.folder / "runs" / run, job)
            if record is not None:
                artifacts = self.folder / "runs" / run / "artifacts" / job_slug(job)
                return Finished(
                    run=run,
                    status=record.result.status,
                    artifacts=artifacts if artifacts.is_dir() else None,
                    dotenv=record.result.dotenv,
                    age=max(0.0, time.time() - record.at),
                )
        return None

    def _begin(self, runs: Path, sha: str, ref: str) -> Run:
        while True:
            now = time.time()
            name = _run_id(now)
            folder = runs / name
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:
                continue
            break
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "logs").mkdir(mode=0o700)
        builds = self.folder / "builds" / name
        builds.mkdir(mode=0o700)
        summary = Summary(id=name, root=self._root, sha=sha, ref=ref, at=now)
        _write_summary(folder, summary)
        return Run(folder, builds, summary, lock)


def live_runs(folder: Path) -> set[str]:
    """The runs of a state folder that go on, of whatever process."""
    return {name for name in run_ids(folder) if is_live(f"{folder}/runs/{name}")}


def job_slug(job: str) -> str:
    """A job's name as a file name: readable, and different for different names.

    A name that had to change, or has capitals (some file systems do not tell them apart), gets a
    hash at its end.
    """
    slug = _slug(job, _MAX_SLUG)
    return slug if slug == job else f"{slug or 'job'}-{_hash(job)}"


def size_of(folder: str | Path, seen: set[int] | None = None) -> int:
    """Bytes of all files in a folder, those of a file with several names once; nor of what is
    `seen` already, by inodes, which are added."""
    total, seen = 0, set() if seen is None else seen
    for here, _, names in os.walk(folder):
        for name in names:
            try:
                facts = os.lstat(os.path.join(here, name))
            except FileNotFoundError:
                continue
            if facts.st_nlink > 1:
                if facts.st_ino in seen:
                    continue
                seen.add(facts.st_ino)
            total += facts.st_size
    return total


def run_ids(folder: Path) -> list[str]:
    """All runs, the oldest first."""
    try:
        return sorted(os.listdir(folder / "runs"))
    except OSError:
        return []


def _slug(text: str, length: int) -> str:
    return re.sub(r"[^a-z0-9_.]+", "-", text.lower()).strip("-.")[:length]


def _hash(text: str) -> str:
    # Not for safety: two names in one folder must differ, and hashlib is slow to load.
    return f"{zlib.crc32(text.encode('utf-8', 'surrogateescape')):08x}"


def _run_id(now: float) -> str:
    """A short name that sorts by time: workspaces lie below it, and sockets need short paths."""
    number, name = int(now * 100), ""
    while number:
        number, digit = divmod(number, 36)
        name = _DIGITS[digit] + name
    return name.rjust(8, "0")


def state_base(env: Mapping[str, str]) -> Path:
    """The folder of all repositories' state. Raises `MissingError` without a home."""
    return _base(env, "XDG_STATE_HOME", ".local/state")


def cache_base(env: Mapping[str, str]) -> Path:
    """The folder of all repositories' caches, and of includes. Raises `MissingError`, too."""
    return _base(env, "XDG_CACHE_HOME", ".cache")


def _base(env: Mapping[str, str], variable: str, default: str) -> Path:
    wanted, home = env.get(variable, ""), env.get("HOME", "")
    if wanted.startswith("/"):
        return Path(wanted) / "homeport"
    if home.startswith("/"):
        return Path(home) / default / "homeport"
    raise MissingError.of(
        f"neither {variable} nor HOME is an absolute path",
        code="no-home",
        hint=f"set {variable} to a folder where homeport may write",
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _write_summary(folder: Path, summary: Summary) -> None:
    path = folder / "run.json"
    with _said(path):
        write_atomic(path, msgspec.json.encode(summary))


def _last_record(folder: Path, job: str) -> Record | None:
    try:
        lines = (folder / "jobs.jsonl").read_bytes().split(b"\n")
    except OSError:
        return None
    mark = b'"job":' + msgspec.json.encode(job)
    for line in reversed(lines):
        if mark not in line:
            continue
        try:
            record = msgspec.json.decode(line, type=Record)
        except msgspec.DecodeError:
            continue  # cut off when its run was killed
        if record.job == job:
            return record
    return None


def bury(folder: Path, run: str) -> None:
    """Remove what a run that was killed left: processes, workspaces, its repository, trees that are
    not whole."""
    from homeport.lib.process import kill_marked
    from homeport.pipeline.execute.shell import MARK

    builds = os.path.realpath(folder / "builds" / run)
    kill_marked(f"{MARK}={builds}/")
    remove(builds)
    left = ("git", f"git{PACKS}*", "artifacts/.*.partial", "reports/*/.*.partial")
    for pattern in left:
        for path in (folder / "runs" / run).glob(pattern):
            remove(os.fspath(path))


def is_live(folder: str) -> bool:
    """Whether somebody holds the lock of a run's folder."""
    try:
        lock = os.open(f"{folder}/lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a state folder: no run begins meanwhile. False if the file was removed while
    it was waited for, so that the lock is nobody's any more."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:  # not even the folder is there
        yield False
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            is_there = os.path.samestat(path.stat(), os.fstat(lock))
        except FileNotFoundError:
            is_there = False
        yield is_there
    finally:
        os.close(lock)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Turn a failed write into words."""
    try:
        yield
    except OSError as error:
        raise MissingError.of(
            f"cannot write {error.filename or path}: {error.strerror}",
            code="state",
            hint="make room or set XDG_STATE_HOME to a folder where homeport may write",
        ) from error
