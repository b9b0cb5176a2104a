"""Long acts of administration: begun by one request, asked for by others, outliving them all."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from homeport.errors import HomeportError
from homeport.mirror.errors import NoSpaceError, RegistryError
from homeport.mirror.store.api import StoreError
from homeport.oci.error_code import ErrorCode

log = logging.getLogger("homeport.mirror.control")


class Progress(msgspec.Struct, kw_only=True):
    """Filled in by who works. `total` None: nobody knows."""

    done: int = 0
    total: int | None = None


Work = Callable[[Progress], Awaitable[Any]]


class Job(msgspec.Struct, kw_only=True):
    """`state` is "running", "done" (see `result`) or "failed" (see `error`); times are seconds
    since 1970."""

    name: str
    began: float
    state: str = "running"
    ended: float | None = None
    progress: Progress = msgspec.field(default_factory=Progress)
    result: Any = None
    error: str | None = None


class Jobs:
    """At most one of each name at a time; the last one's outcome is kept."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Work) -> Job:
        """Raises RegistryError, 409, where one is running."""
        if name in self._tasks:
            raise RegistryError(ErrorCode.DENIED, f"{name} is running already", status=409)
        self._jobs[name] = job = Job(name=name, began=self._clock())
        self._tasks[name] = asyncio.create_task(self._run(job, work), name=f"job {name}")
        return job

    def of(self, name: str) -> Job | None:
        return self._jobs.get(name)

    async def _run(self, job: Job, work: Work) -> None:
        try:
            job.result = await work(job.progress)
            job.state = "done"
        except asyncio.CancelledError:
            job.state, job.error = "failed", "the mirror was stopped"
            raise
        except (HomeportError, RegistryError, StoreError, NoSpaceError, OSError) as error:
            job.state, job.error = "failed", str(error)
        except Exception as error:
            log.exception("%s failed", job.name)
            job.state, job.error = "failed", f"a defect of homeport: {type(error).__name__}"
        finally:
            job.ended = self._clock()
            self._tasks.pop(job.name, None)

    async def close(self) -> None:
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
