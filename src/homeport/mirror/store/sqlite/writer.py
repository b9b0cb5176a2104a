"""The one writing thread: transactions, group commit, batches, and telling who listens.

A commit that is to survive a power cut costs an fsync. Whatever has been asked for while one was
under way shares the next. `PRAGMA synchronous` is switched between transactions: FULL syncs the
whole log, so that one connection is enough (docs/adr/0010).
"""

import asyncio
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from enum import Enum, auto
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct, field

from homeport.mirror.store.api import Change, StoreError
from homeport.mirror.store.sqlite.connection import connect, in_words
from homeport.mirror.store.threads import to_the_end

T = TypeVar("T")
Changes = list[Change]
Write = Callable[[sqlite3.Connection, Changes], T]

MOST = 256
"""Writes that share one commit at most."""


class _Kind(Enum):
    WRITE = auto()
    BEGIN = auto()
    INNER = auto()
    COMMIT = auto()
    ROLLBACK = auto()


class _Job(Struct, eq=False):
    kind: _Kind
    work: Write[Any]
    durable: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    changes: Changes = field(default_factory=list)
    result: Any = None
    error: BaseException | None = None


class _Batch(Struct, eq=False):
    """Known to the tasks inside; one that outlives it must not write into somebody else's."""

    open: bool = True


def _nothing(_: sqlite3.Connection, __: Changes) -> None:
    pass


class Writer:
    """Begins with a connection to a database that is up to date."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect(path)
        self._synchronous = ""
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._listeners: list[Callable[[Change], None]] = []
        self._turns = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()
        self._batch: ContextVar[_Batch | None] = ContextVar("batch", default=None)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="homeport-metadata", daemon=True)
        self._thread.start()

    @property
    def in_batch(self) -> bool:
        """Whether the caller is inside a batch, and must read what it has written."""
        batch = self._batch.get()
        return batch is not None and batch.open

    def subscribe(self, listener: Callable[[Change], None]) -> None:
        self._listeners.append(listener)

    async def write(self, work: Write[T], *, durable: bool = False) -> T:
        """In a transaction of its own, of a group, or of the batch that the caller is in."""
        kind = _Kind.INNER if self.in_batch else _Kind.WRITE
        while kind is _Kind.WRITE and not self._idle.is_set():
            await self._idle.wait()
        result: T = await self._submit(kind, work, durable).future
        return result

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[None]:
        """One durable transaction around everything that the caller writes inside."""
        if self.in_batch:
            yield
            return
        async with self._turns:
            self._idle.clear()
            try:
                async with self._transaction():
                    yield
            finally:
                self._idle.set()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        batch = _Batch()
        begun = self._submit(_Kind.BEGIN, _nothing, True)
        try:
            await to_the_end(_result(begun.future))
            token = self._batch.set(batch)
            try:
                yield
            finally:
                batch.open = False
                self._batch.reset(token)
        except BaseException:
            if begun.error is None:
                await to_the_end(_result(self._submit(_Kind.ROLLBACK, _nothing, True).future))
            raise
        commit = self._submit(_Kind.COMMIT, _nothing, True)
        await to_the_end(_result(commit.future))

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            self._connection.close()

    def _submit(self, kind: _Kind, work: Write[Any], durable: bool) -> _Job:
        if self._closed:
            raise StoreError(f"the database {self._path} is closed")
        loop = asyncio.get_running_loop()
        job = _Job(kind, work, durable, loop, loop.create_future())
        self._queue.put(job)
        return job

    def _finish(self, jobs: list[_Job]) -> None:
        """On the event loop: those who listen hear of a change before its author goes on."""
        for job in jobs:
            if job.error is None:
                for change in dict.fromkeys(job.changes):
                    for listener in self._listeners:
                        listener(change)
            if job.future.done():
                continue  # cancelled; the write has happened all the same
            if job.error is None:
                job.future.set_result(job.result)
            else:
                job.future.set_exception(job.error)

    # in the thread
    def _run(self) -> None:
        waiting: deque[_Job | None] = deque()
        batch: Changes = []
        while True:
            job = waiting.popleft() if waiting else self._queue.get()
            if job is None:
                return
            if job.kind is _Kind.WRITE:
                group = [job]
                while len(group) < MOST and not waiting:
                    try:
                        waiting.append(self._queue.get_nowait())
                    except queue.Empty:
                        break
                    following = waiting[0]
                    if following is not None and following.kind is _Kind.WRITE:
                        group.append(following)
                        waiting.clear()
                self._together(group)
            else:
                group = [job]
                self._step(job, batch)
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                job.loop.call_soon_threadsafe(self._finish, group)

    def _together(self, group: list[_Job]) -> None:
        try:
            self._begin(durable=any(job.durable for job in group))
            for job in group:
                self._savepoint(job)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            for job in group:
                job.error = in_words(error, self._path)

    def _step(self, job: _Job, batch: Changes) -> None:
        """One step of a batch; its changes are told at the commit."""
        try:
            if job.kind is _Kind.BEGIN:
                batch.clear()
                self._begin(durable=True)
            elif job.kind is not _Kind.ROLLBACK and not self._connection.in_transaction:
                job.error = StoreError("an earlier write of this batch failed and undid it all")
            elif job.kind is _Kind.INNER:
                self._savepoint(job)
                batch += job.changes if job.error is None else ()
                job.changes = []
            elif job.kind is _Kind.COMMIT:
                self._connection.execute("COMMIT")
                job.changes = list(batch)
            else:
                self._undo()
        except sqlite3.Error as error:
            self._undo()
            job.error = in_words(error, self._path)

    def _begin(self, *, durable: bool) -> None:
        level = "FULL" if durable else "NORMAL"
        if level != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous={level}")
            self._synchronous = level
        self._connection.execute("BEGIN IMMEDIATE")

    def _savepoint(self, job: _Job) -> None:
        """One write of several: what it raises undoes it alone."""
        execute = self._connection.execute
        execute("SAVEPOINT job")
        try:
            job.result = job.work(self._connection, job.changes)
        except Exception as error:
            job.error = error
            if isinstance(error, sqlite3.Error):
                job.error = in_words(error, self._path)
                if not self._connection.in_transaction:
                    raise  # SQLite has undone it all (a full disk): so must we
            execute("ROLLBACK TO job")
        execute("RELEASE job")

    def _undo(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


async def _result(future: asyncio.Future[T]) -> T:
    return await future
