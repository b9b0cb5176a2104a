"""Jobs in containers, through an engine's API alone: no helper image, no command line, no mounts.

One container of the job's own image is one session: created, filled by the archive API, started
for the script and once more for the after_script, read by the archive API, removed. So it works on
an engine of another machine just as well. Entry points and the shell are as in GitLab Runner's
docker executor (docs/executors/docker.md, "Configure a Docker ENTRYPOINT").
"""

import re
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from homeport.engine.api import ContainerSpec, Engine, EngineError, Stream
from homeport.pipeline.execute.api import (
    ExecutorError,
    Exit,
    JobSpec,
    Selection,
    Session,
    Sink,
    Snapshot,
    Stop,
)
from homeport.pipeline.execute.container_archive import pack
from homeport.pipeline.execute.container_collect import collect
from homeport.pipeline.execute.container_git import RepositoryPacks, git_depth, tracked_files
from homeport.pipeline.execute.container_image import Images
from homeport.pipeline.execute.container_workspace import container_project_dir, workspace_items
from homeport.pipeline.execute.script import quote
from homeport.pipeline.execute.snapshot import git_environment
from homeport.pipeline.model.event import FailureReason

RUN_LABEL = "homeport.run"
JOB_LABEL = "homeport.job"
STATE_LABEL = "homeport.state"
_SHELL = (
    "exec 2>&1; for s in /usr/local/bin/bash /usr/bin/bash /bin/bash; do "
    "[ -x $s ] && exec $s; done; exec sh"
)
"""The best shell of the image, which then reads the script from its standard input.

Its errors go where its output goes: an engine carries two streams in no certain order.
"""
_COMMAND = ("sh", "-c", _SHELL)
_AGENT = "/run/homeport-ssh-agent"
_GRACE = 5.0
"""Seconds between asking a job to end and ending it."""
_PATIENCE = 15.0
"""Seconds after which an engine that was told to kill a container counts as gone."""
# Every process but the first, which ignores signals it has no handler for: so its child ends and
# the shell, with nothing left to wait for, too.
_TERMINATE = ("sh", "-c", "kill -TERM -1")
_NO_SHELL = re.compile(r"executable file not found|exec.*no such file or directory|not found")


class HostAccess(Struct, frozen=True, kw_only=True):
    """What containers get of the machine; from the user's own settings, never a repository's.

    `ssh_agent` is the path of an agent's socket on the engine's machine.
    """

    privileged: bool = False
    devices: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    ssh_agent: str | None = None

    @property
    def binds(self) -> tuple[str, ...]:
        """All that is mounted, as `docker run --volume` takes it."""
        agent = () if self.ssh_agent is None else (f"{self.ssh_agent}:{_AGENT}",)
        return (*self.volumes, *agent)

    @property
    def env(self) -> Mapping[str, str]:
        return {} if self.ssh_agent is None else {"SSH_AUTH_SOCK": _AGENT}


NO_ACCESS = HostAccess()


class ContainerExecutor:
    """`execute.api.Executor` on a container engine, for one run. It does not close the engine."""

    def __init__(
        self,
        engine: Engine,
        access: HostAccess = NO_ACCESS,
        grace: float = _GRACE,
        *,
        state: str = "",
    ) -> None:
        """`state` says whose the containers are: an engine may serve many users and machines."""
        self._engine = engine
        self._state = state
        self._lost = threading.Event()  # set when the engine did not answer any more
        self._access = access
        self._grace = grace
        self._images = Images(engine)
        self._packs = RepositoryPacks()
        self._runs: set[str] = set()

    def project_dir(self, run: str, job: str, attempt: int, project_path: str) -> str:
        del run, job, attempt  # each session has a file system of its own
        return container_project_dir(project_path)

    def open(self, spec: JobSpec, note: Callable[[str], None], stop: Stop | None = None) -> Session:
        image = spec.image
        if image is None:
            raise ExecutorError(f"job {spec.job} has no image to make a container of")
        project_dir = container_project_dir(spec.project_path)
        self._runs.add(spec.run)
        try:
            self._images.ensure(
                image.name, image.docker_platform, spec.pull_policy, note, stop or Stop()
            )
            container = self._engine.create(
                ContainerSpec(
                    image=image.name,
                    name=container_name(spec),
                    command=_COMMAND,
                    # As in the Runner an empty list is no override, and [""] clears.
                    entrypoint=_entrypoint(image.entrypoint),
                    env={
                        **self._access.env,
                        **spec.env,
                        **git_environment(spec.env, project_dir),
                    },
                    user=image.docker_user,
                    platform=image.docker_platform,
                    stdin=True,
                    labels={
                        RUN_LABEL: spec.run,
                        JOB_LABEL: spec.job,
                        STATE_LABEL: self._state,
                    },
                    privileged=self._access.privileged,
                    devices=self._access.devices,
                    volumes=self._access.binds,
                )
            )
        except EngineError as error:
            raise ExecutorError(
                f"cannot create a container of image {image.name}: {error}"
            ) from error
        return ContainerSession(
            self._engine,
            container,
            spec=spec,
            packs=self._packs,
            grace=self._grace,
            lost=self._lost,
        )

    def remove_orphans(self, live: Callable[[], Iterable[str]]) -> None:
        """Remove the containers of runs that were killed; `live` names those that go on.

        It is asked after the engine, so that no run that begins meanwhile is taken for dead.
        """
        mine = {STATE_LABEL: self._state}
        try:
            orphans = set(self._engine.containers(mine))
            for run in live() if orphans else ():
                orphans -= set(self._engine.containers({**mine, RUN_LABEL: run}))
            for container in orphans:
                self._engine.remove(container)
        except EngineError:
            # Whatever is wrong with the engine, the first job will tell.
            return

    def close(self) -> None:
        self._packs.close()
        if self._lost.is_set():
            return
        for run in tuple(self._runs):
            try:
                for container in self._engine.containers({RUN_LABEL: run}):
                    self._engine.remove(container)
            except EngineError:
                # An engine that is gone keeps nothing that could be removed now.
                return


class ContainerSession:
    """`execute.api.Session`: one container, for one attempt of one job."""

    def __init__(
        self,
        engine: Engine,
        container: str,
        *,
        spec: JobSpec,
        packs: RepositoryPacks,
        grace: float,
        lost: threading.Event,
    ) -> None:
        self._engine = engine
        self._lost = lost
        self._container = container
        self._spec = spec
        self._image = spec.image.name if spec.image is not None else ""
        self._packs = packs
        self._grace = grace
        self._project_dir = container_project_dir(spec.project_path)
        self._snapshot: Snapshot | None = None
        self._closed = False

    @property
    def project_dir(self) -> str:
        return self._project_dir

    def put(self, snapshot: Snapshot, artifacts: Sequence[Path]) -> None:
        self._snapshot = snapshot
        git = f"{self._project_dir.lstrip('/')}/.git"
        repository = (
            self._packs.items(git, snapshot.git, git_depth(self._spec.env.get("GIT_DEPTH", "")))
            if snapshot.git is not None
            else iter(())
        )
        items = workspace_items(
            self._project_dir, snapshot, repository, artifacts, self._spec.files
        )
        try:
            self._engine.put_archive(self._container, "/", pack(items, int(time.time())))
        except EngineError as error:
            raise self._failed("cannot put the workspace into", error) from error
        except OSError as error:
            raise ExecutorError(
                f"cannot read the workspace: {error.filename or snapshot.root}: {error.strerror}"
            ) from error

    def run(self, script: str, sink: Sink, stop: Stop) -> Exit:
        if stop.reason is not None:
            return _ended(None, stop)
        if self._lost.is_set():
            raise ExecutorError("the container engine does not answer any more")
        stream: Stream | None = None
        code: int | None = None
        try:
            stream = self._start()
            stream.write(f"cd {quote(self._project_dir)} || exit 1\n{script}".encode())
            stream.close_write()
            code = self._follow(stream, sink, stop)
        except EngineError as error:
            if _ended(None, stop).message is None:
                raise self._failed("lost", error) from error
        finally:
            if stream is not None:
                stream.close()
        return _ended(code, stop)

    def collect(self, selection: Selection, into: Path) -> tuple[int, tuple[str, ...]]:
        try:
            return collect(
                self._engine,
                self._container,
                project_dir=self._project_dir,
                selection=selection,
                tracked=tracked_files(self._snapshot) if selection.untracked else frozenset(),
                into=into,
            )
        except EngineError as error:
            raise self._failed("cannot take the artifacts out of", error) from error

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._lost.is_set():
            return
        try:
            self._engine.remove(self._container)
        except EngineError:
            # The executor's own close tries again, by the label.
            return

    def _start(self) -> Stream:
        stream: Stream | None = None
        try:
            stream = self._engine.attach(self._container)
            self._engine.start(self._container)
        except EngineError as error:
            if stream is not None:
                stream.close()
            if _NO_SHELL.search(str(error)):
                raise ExecutorError(
                    f"image {self._image} has no shell to run the script in, or its entry point "
                    f"does not start: {error}"
                ) from error
            raise self._failed("cannot start", error) from error
        return stream

    def _follow(self, stream: Stream, sink: Sink, stop: Stop) -> int | None:
        """Deliver the output until the container ends; its exit code."""
        ending = _Ending(self._engine, self._container, stream, self._grace)
        unsubscribe = stop.subscribe(lambda: ending.begin(at_once=stop.killed))
        try:
            stream.read(sink)
            return None if ending.gave_up else self._engine.wait(self._container)
        except BaseException:
            # Nobody reads on (a full disk, an interrupt): so nothing may run on.
            ending.kill()
            raise
        finally:
            unsubscribe()
            ending.finish()
            if ending.gave_up:
                self._lost.set()

    def _failed(self, what: str, error: EngineError) -> ExecutorError:
        return ExecutorError(f"{what} the container of image {self._image}: {error}")


class _Ending:
    """Ends a container on request: asks, waits, kills, and lets go of an engine that is gone.

    Each call has a thread of its own, since an engine that hangs answers none.
    """

    def __init__(self, engine: Engine, container: str, stream: Stream, grace: float) -> None:
        self._engine = engine
        self._container = container
        self._stream = stream
        self._grace = grace
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self.gave_up = False

    def begin(self, *, at_once: bool) -> None:
        """Start to end it and return at once: the caller may be a signal handler."""
        if at_once:
            _apart(self.kill)
        if self._thread is None:
            self._thread = _apart(self._end)

    def kill(self) -> None:
        self._try(lambda: self._engine.kill(self._container, "SIGKILL"))

    def finish(self) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _end(self) -> None:
        _apart(self._ask)
        if self._done.wait(self._grace):
            return
        _apart(self.kill)
        if not self._done.wait(_PATIENCE):
            self.gave_up = True
            self._stream.close()

    def _ask(self) -> None:
        self._try(lambda: self._engine.execute(self._container, _TERMINATE, "0"))
        self._try(lambda: self._engine.kill(self._container, "SIGTERM"))

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except EngineError:
            # It may have ended by itself; if not, the next step is stronger.
            return


def _apart(step: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=step, daemon=True)
    thread.start()
    return thread


def container_name(spec: JobSpec) -> str:
    """A name that says which job it is, and is one of its own: names are cut and simplified."""
    simple = re.sub(r"[^a-z0-9]+", "-", spec.job.lower()).strip("-")[:40]
    own = zlib.crc32(f"{spec.run}\0{spec.job}".encode("utf-8", "surrogateescape"))
    run = re.sub(r"[^A-Za-z0-9]+", "-", spec.run)[:40]
    return f"homeport-{run}-{simple}-{own:08x}-{spec.attempt}"


def _ended(code: int | None, stop: Stop) -> Exit:
    if stop.reason is not None:
        return Exit(code=None, message=stop.reason)
    return Exit(code=code, failure=FailureReason.SCRIPT_FAILURE if code else None)


def _entrypoint(words: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if not words:
        return None
    return () if words == ("",) else words
