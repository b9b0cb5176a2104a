"""The session of a container: the workspace in, scripts run, artifacts out, and its end.

The container is started for the script and once more for the after_script.
"""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from homeport.engine.api import Engine, EngineError, Stream
from homeport.pipeline.execute.api import (
    ExecutorError,
    Exit,
    JobSpec,
    Selection,
    Sink,
    Snapshot,
    Stop,
)
from homeport.pipeline.execute.container_archive import Item, pack
from homeport.pipeline.execute.container_collect import collect
from homeport.pipeline.execute.container_git import RepositoryPacks, tracked_files
from homeport.pipeline.execute.container_workspace import (
    BUILDS_DIR,
    container_project_dir,
    snapshot_items,
    workspace_items,
)
from homeport.pipeline.execute.script import quote
from homeport.pipeline.execute.shallow import git_depth
from homeport.pipeline.model.event import FailureReason

if TYPE_CHECKING:
    from homeport.pipeline.execute.container_access import JobVolumes
    from homeport.pipeline.execute.services import JobServices
    from homeport.pipeline.execute.stored_tree import StoredTree

_PATIENCE = 15.0
"""Seconds after which an engine that was told to kill a container counts as gone."""
# Every process but the first, which ignores signals it has no handler for: so its child ends and
# the shell, with nothing left to wait for, too.
_TERMINATE = ("sh", "-c", "kill -TERM -1")
_INTERACTIVE = (
    "for s in /usr/local/bin/bash /usr/bin/bash /bin/bash; do "
    "[ -x $s ] && exec $s --norc -i; done; exec sh -i"
)
_NO_SHELL = re.compile(r"executable file not found|exec.*no such file or directory|not found")


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
        volumes: "JobVolumes",
        services: "JobServices | None" = None,
    ) -> None:
        self._services = services
        self._volumes = volumes
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
        # Into what is mounted there itself: Podman mounts nothing for a container not started.
        at = BUILDS_DIR if self._volumes.holds(BUILDS_DIR) else "/"
        project = self._project_dir.removeprefix(at).lstrip("/")
        layer = self._volumes.layer
        depth = git_depth(self._spec.env.get("GIT_DEPTH", ""))
        try:
            sources = self._sources(project, snapshot, depth)
            if layer is not None:
                key = (project, snapshot.root, snapshot.files, snapshot.git, depth)
                sources = layer.share(key, sources)
            items = workspace_items(project, sources, artifacts, self._spec.files)
            if layer is None:
                self._engine.put_archive(self._container, at, pack(items, int(time.time())))
            else:
                layer.add(items)
        except EngineError as error:
            raise self._failed("cannot put the workspace into", error) from error
        except OSError as error:
            raise ExecutorError(
                f"cannot read the workspace: {error.filename or snapshot.root}: {error.strerror}"
            ) from error

    def _sources(self, project: str, snapshot: Snapshot, depth: int) -> Iterator[Item]:
        """What the snapshot gives to the folder `project`."""
        yield project, None
        yield from snapshot_items(project, snapshot)
        if snapshot.git is not None:
            yield from self._packs.items(f"{project}/.git", snapshot.git, depth)

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

    def interact(self, prompt: str, stop: Stop) -> int:
        """The container's first shell waits for its script while another one has the terminal."""
        from homeport.lib.terminal import relay

        stream: Stream | None = None
        try:
            stream = self._start()
            terminal = self._engine.terminal(
                self._container,
                ("sh", "-c", _INTERACTIVE),
                folder=self._project_dir,
                env={"PS1": prompt, "TERM": os.environ.get("TERM", "dumb")},
            )
            unsubscribe = stop.subscribe(terminal.close)
            try:
                relay(terminal)
            finally:
                unsubscribe()
                terminal.end()
        except EngineError as error:
            raise self._failed("cannot open a shell in", error) from error
        finally:
            if stream is not None:
                with suppress(EngineError):
                    self._engine.kill(self._container, "SIGKILL")
                    self._engine.wait(self._container)
                stream.close()
        return 0

    def collect(self, selection: Selection, into: "StoredTree") -> tuple[str, ...]:
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
        # What the engine refuses now the executor's own close tries again, by the label.
        with suppress(EngineError):
            self._engine.remove(self._container)
        if self._services is not None:
            self._services.close()
        self._volumes.remove()

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


def _ended(code: int | None, stop: Stop) -> Exit:
    if stop.reason is not None:
        return Exit(code=None, message=stop.reason)
    return Exit(code=code, failure=FailureReason.SCRIPT_FAILURE if code else None)
