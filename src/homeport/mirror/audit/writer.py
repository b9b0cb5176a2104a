"""`audit/api.Audit`: records wait in memory for at most 200 ms, and a thread writes them."""

import asyncio
import logging
import socket
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from homeport.errors import MissingError
from homeport.mirror.audit.ledger import Ledger
from homeport.mirror.audit.sinks import make_sink
from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import AuditConfig, Overflow
from homeport.mirror.model.record import Record
from homeport.oci.error_code import ErrorCode

log = logging.getLogger("homeport.mirror.audit")

FLUSH_RECORDS = 256
FLUSH_SECONDS = 0.2
_PATIENCE = 10.0
_RETRY = 1.0


class AuditWriter:
    """Made by `open_audit`, used on one event loop."""

    def __init__(
        self, ledger: Ledger, *, queue: int, overflow: Overflow, pool: ThreadPoolExecutor
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._overflow = overflow
        self._pool = pool
        self._pending: list[Record] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closing = False
        self.dropped = 0
        self._task = asyncio.create_task(self._run(), name="audit")

    def write(self, record: Record) -> None:
        pending = self._pending
        # What is refused for want of room is on record, too; but not without end.
        most = self._queue * (1 if self._overflow is Overflow.COUNT else 2)
        if len(pending) >= most:
            self.dropped += 1
            return
        pending.append(record)
        if len(pending) == 1:
            self._wake.set()
        elif len(pending) >= FLUSH_RECORDS:
            self._urgent.set()
            self._mark_full()

    async def write_durably(self, record: Record) -> None:
        """Raises RegistryError (503) where it cannot be written: nothing is done unaudited."""
        done = asyncio.get_running_loop().create_future()
        # Before the record: a flush that takes the one takes the other.
        self._waiting.append(done)
        self._pending.append(record)
        self._wake.set()
        self._urgent.set()
        self._mark_full()
        try:
            await asyncio.wait_for(asyncio.shield(done), _PATIENCE)
        except TimeoutError:
            raise _unavailable() from None

    def _mark_full(self) -> None:
        """Keep further requests waiting, unless drops are the policy."""
        if self._overflow is Overflow.BLOCK and len(self._pending) >= self._queue:
            self._room.clear()

    async def room(self) -> None:
        if self._room.is_set():
            return
        try:
            await asyncio.wait_for(self._room.wait(), _PATIENCE)
        except TimeoutError:
            raise _unavailable() from None

    async def close(self) -> None:
        """Write what waits, and mark the end as meant."""
        self._closing = True
        self._wake.set()
        self._urgent.set()
        await self._task
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._pool, self._ledger.close)
        except (sqlite3.Error, OSError):
            log.exception("the audit could not be closed")
        self._pool.shutdown()

    async def _run(self) -> None:
        while not (self._closing and not self._pending):
            await self._wake.wait()
            if not self._closing:
                await self._until_due()
            self._wake.clear()
            self._urgent.clear()
            records, self._pending = self._pending, []
            waiting, self._waiting = self._waiting, []
            if records and not await self._flush(records):
                self._pending[:0] = records
                self._waiting[:0] = waiting
                self._wake.set()
                if self._closing:
                    log.error("%d audit records are lost", len(self._pending))
                    return
                await asyncio.sleep(_RETRY)
                continue
            if len(self._pending) < self._queue:
                self._room.set()
            for done in waiting:
                if not done.done():
                    done.set_result(None)

    async def _until_due(self) -> None:
        try:
            await asyncio.wait_for(self._urgent.wait(), FLUSH_SECONDS)
        except TimeoutError:
            return

    async def _flush(self, records: list[Record]) -> bool:
        dropped, self.dropped = self.dropped, 0
        if dropped:
            records = [*records, _dropped(records[-1], dropped)]
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._pool, self._ledger.append, records)
        except (sqlite3.Error, OSError):
            self.dropped += dropped
            log.exception("the audit cannot be written; trying again")
            return False
        return True


async def open_audit(
    config: AuditConfig, folder: Path, *, clock: Callable[[], float]
) -> AuditWriter | None:
    """The audit in `folder`, None where it is off. Raises HomeportError."""
    if not config.enabled:
        return None
    pool = ThreadPoolExecutor(1, thread_name_prefix="audit")

    def begin() -> Ledger:
        signer = None
        if config.key is not None:
            # cryptography takes 8 MB: only who signs pays for it.
            from homeport.mirror.audit.signing import load_signer

            signer = load_signer(Path(config.key))
        return Ledger(
            folder,
            writer=socket.gethostname(),
            sign=None if signer is None else signer.sign,
            sinks=[make_sink(text) for text in config.sinks],
            keep_days=config.keep_days,
            clock=clock,
        )

    try:
        ledger = await asyncio.get_running_loop().run_in_executor(pool, begin)
    except BaseException as error:
        pool.shutdown()
        if isinstance(error, sqlite3.Error | OSError):
            raise MissingError.of(f"the audit in {folder} cannot be opened: {error}") from None
        raise
    return AuditWriter(ledger, queue=config.queue, overflow=config.overflow, pool=pool)


def _dropped(last: Record, count: int) -> Record:
    return Record(
        time=last.time,
        request="",
        listener="",
        action="dropped",
        method="",
        status=0,
        address="",
        reason=f"{count} records were dropped: the queue was full",
        complete=False,
    )


def _unavailable() -> RegistryError:
    return RegistryError(
        ErrorCode.UNAVAILABLE,
        "the audit cannot be written; nothing is served unaudited",
        status=503,
        headers={"Retry-After": "10"},
    )
