"""The protocols between the scheduler, a job and the place where its script runs.

One job attempt is: `Executor.open` a session → `put` the workspace → `run` the script → `run` the
after_script → `collect` caches and artifacts → `close`. The flow is in `job.py`, the same for every
executor; one contract suite (tests/contract/executor) holds every implementation to it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from homeport.pipeline.model.config import Image
from homeport.pipeline.model.event import FailureReason, RunFinished, Status
from homeport.pipeline.model.plan import JobPlan

if TYPE_CHECKING:
    from homeport.pipeline.execute.stored_tree import StoredTree

SERVICES_TIMEOUT = 30.0
"""GitLab Runner's default for `wait_for_services_timeout`, in seconds."""


class Stop:
    """A request to end, set once by Ctrl-C, a timeout or auto_cancel; executors must heed it.

    It may become more urgent once (`kill`, by a second Ctrl-C): then nothing may be waited for, no
    grace and no after_script. `subscribe` registers a callback that runs when (or at once if) the
    request comes, and again when it becomes urgent, and returns a function that unregisters it.
    """

    def __init__(self) -> None:
        self._reason: str | None = None
        self.killed = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def reason(self) -> str | None:
        """Why to stop, or None while there is no request."""
        return self._reason

    def request(self, reason: str) -> None:
        if self._reason is None:
            self._reason = reason
            for callback in tuple(self._callbacks):
                callback()

    def kill(self, reason: str) -> None:
        """Make the request urgent, and make it if it was not made yet."""
        self.killed = True
        if self._reason is None:
            self.request(reason)
            return
        for callback in tuple(self._callbacks):
            callback()

    @property
    def is_watched(self) -> bool:
        """Whether anybody would learn of a request."""
        return bool(self._callbacks)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        if self._reason is not None:
            callback()
        return lambda: self._callbacks.remove(callback) if callback in self._callbacks else None


class Snapshot(Struct, frozen=True, kw_only=True):
    """The user's tree as one run sees it; made once per run, read-only afterwards.

    `files` are paths relative to `root` (tracked, plus untracked-not-ignored); those that are not
    there were deleted. `root` is a copy, or the user's own tree where just one workspace is made of
    it. `committed` means that the files are those of the commit. `git` is a prepared `.git` folder
    to be copied into each workspace: detached at the commit, own index and refs, origin without
    credentials, and objects by an alternates file; `objects` is the absolute path of the user's
    object folder that the alternates name. `notes`
    are for people: what a job may miss.
    """

    root: Path
    files: tuple[str, ...]
    git: Path | None
    objects: Path | None
    committed: bool = False
    notes: tuple[str, ...] = ()


class ServiceSpec(Struct, frozen=True, kw_only=True):
    """A service of a job with every variable expanded; `aliases` are its own, not the image's.

    `env` is its whole environment. `entrypoint` and `command` None are the image's. `placed` are
    files (absolute path → text) that lie in its container before it starts.
    """

    image: str
    aliases: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    env: Mapping[str, str] = {}
    user: str | None = None
    platform: str | None = None
    pull_policy: tuple[str, ...] = ("if-not-present",)
    placed: Mapping[str, str] = {}


class JobSpec(Struct, frozen=True, kw_only=True):
    """One attempt of one job with every variable expanded.

    `env` is the job's whole environment (file variables hold paths, see `files`), to which an
    executor adds only what is its own place's (PATH, HOME, git's trust); `files` maps a
    name to the content that must lie beside the workspace at `{tmp}/NAME` before the script, where
    `{tmp}` is `<project dir>.tmp` as in GitLab Runner; `project_path` is `group/name`.
    `image` is None for the shell. `pull_policy` is the effective list. `services_timeout` are the
    seconds to wait for `services` to be ready (0 or less: not at all); `debug_services` is whether
    what they print is shown. `placed` are files (absolute path → text) that a container has before
    it starts; the shell has no use for them. `sources` is the snapshot that is about to be put,
    where it is known: big ones are worth preparing for.
    """

    run: str
    job: str
    attempt: int
    env: Mapping[str, str]
    files: Mapping[str, str]
    project_path: str
    image: Image | None = None
    pull_policy: tuple[str, ...] = ("if-not-present",)
    masked: frozenset[str] = frozenset()
    services: tuple[ServiceSpec, ...] = ()
    services_timeout: float = SERVICES_TIMEOUT
    debug_services: bool = False
    placed: Mapping[str, str] = {}
    sources: Snapshot | None = None


class JobResult(Struct, frozen=True, kw_only=True):
    """How one attempt of a job ended; `status` is success, failed or canceled.

    `message` is for people and set when the failure was not simply the script's exit status.
    `dotenv` are the variables that its dotenv report hands to later jobs. `phases` are the seconds
    that its parts took, in their order.
    """

    status: Status
    exit_code: int | None = None
    failure: FailureReason | None = None
    message: str | None = None
    duration: float = 0.0
    coverage: str | None = None
    log: str | None = None
    dotenv: Mapping[str, str] = {}
    phases: Mapping[str, float] = {}


class ChildResult(Struct, frozen=True, kw_only=True):
    """How the pipeline that a trigger job made ended; `finished` is None where none was made, and
    `message` then says why."""

    finished: RunFinished | None = None
    message: str | None = None


class Downstream(Protocol):
    """Makes the pipelines of trigger jobs, and runs them."""

    def run(self, job: JobPlan, stop: Stop, created: Callable[[], None]) -> ChildResult:
        """Make the pipeline of a trigger job and run it to its end, on the calling thread.

        `created` is called once it is there, before any of its jobs starts. All of it ends soon
        when `stop` is requested.
        """
        ...


class Selection(Struct, frozen=True, kw_only=True):
    """Which files to take out of a workspace, in GitLab Runner's doublestar dialect."""

    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    untracked: bool = False


class Exit(Struct, frozen=True, kw_only=True):
    """How one script ended. `code` is None when it was stopped or never ran.

    `failure` is None for exit 0; `message` says what happened when it was not the script's doing.
    """

    code: int | None
    failure: FailureReason | None = None
    message: str | None = None


Sink = Callable[[bytes], None]
"""Takes raw output as it comes, in any cut; masking and lines are made behind it."""


def unheard(line: str) -> None:
    """Takes lines that nobody wants."""
    del line


class Session(Protocol):
    """The place of one job attempt. Every method may raise `ExecutorError`."""

    @property
    def project_dir(self) -> str:
        """`CI_PROJECT_DIR` as the job sees it."""
        ...

    def put(self, snapshot: Snapshot, artifacts: Sequence[Path]) -> None:
        """Lay out the workspace: the snapshot, then the trees of caches and artifacts, in order.

        Each later one lies over what is there. Called again, also after a `run`, it lays the
        workspace out anew.
        """
        ...

    def run(self, script: str, sink: Sink, stop: Stop) -> Exit:
        """Run one generated script in the job's shell, in the project dir, its output to `sink`.

        `script` is text from `script.py`, fed so that commands in it read an empty stdin. Files
        left by an earlier `run` of the session are there; processes and exports are not. When
        `stop` is requested the script's whole process tree is ended.
        """
        ...

    def interact(self, prompt: str, stop: Stop) -> int:
        """Open the job's shell on this process's terminal, with the job's variables, in the project
        dir; its exit status. It ends when `stop` is requested."""
        ...

    def collect(self, selection: Selection, into: "StoredTree") -> tuple[str, ...]:
        """Take the selected files into a tree, which counts them; the patterns that match nothing.

        Never follows a symlink out of the workspace, never writes outside `into`.
        """
        ...

    def close(self) -> None:
        """Remove all that the session made; idempotent; never raises."""
        ...


class Executor(Protocol):
    """A kind of place. `open` may be called from several threads at once."""

    def project_dir(self, run: str, job: str, attempt: int, project_path: str) -> str:
        """`CI_PROJECT_DIR` of the session that `open` makes for a spec with these four.

        Asked before, because the spec's variables are expanded with it; touches nothing.
        """
        ...

    def open(
        self,
        spec: JobSpec,
        note: Callable[[str], None],
        stop: Stop | None = None,
        *,
        service_log: Callable[[str], None] = unheard,
        phase: Callable[[str], None] = unheard,
    ) -> Session:
        """Prepare the place (pull the image, start services, create the container).

        `note` tells the user; `service_log` takes lines that services print, from any thread, until
        the session is closed. `phase` is told when another part begins (`services`, `workspace`);
        the first is `image`. Raises `ExecutorError` soon when `stop` is requested meanwhile.
        """
        ...

    def close(self) -> None:
        """Remove all that the executor made in this run; idempotent; never raises."""
        ...


class ExecutorError(Exception):
    """The place failed, not the script: a missing image, a dead engine, a full disk.

    `reason` is a `runner_system_failure` unless said otherwise; the text is one clear sentence.
    """

    def __init__(
        self, message: str, failure: FailureReason = FailureReason.RUNNER_SYSTEM_FAILURE
    ) -> None:
        super().__init__(message)
        self.failure = failure
