"""A few threads with a read-only connection each; they never wait for the writer."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from homeport.mirror.store.sqlite.connection import connect, in_words

T = TypeVar("T")
Read = Callable[[sqlite3.Connection], T]
COUNT = 3


class Readers:
    """Each read sees what was committed before it began."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mine = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._threads = ThreadPoolExecutor(COUNT, "homeport-metadata-read")

    async def read(self, query: Read[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, query)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown, wait=True)
        for connection in self._all:
            connection.close()

    def _run(self, query: Read[T]) -> T:
        try:
            connection: sqlite3.Connection | None = getattr(self._mine, "connection", None)
            if connection is None:
                connection = connect(self._path, readonly=True)
                self._mine.connection = connection
                self._all.append(connection)
            return query(connection)
        except sqlite3.Error as error:
            raise in_words(error, self._path) from error
