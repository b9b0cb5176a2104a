"""HTTP clients of a mirror as threads: what each got, when, and how it ended."""

import hashlib
import http.client
import threading
import time
from collections.abc import Callable
from typing import Protocol

_STEP = 65536


class Served(Protocol):
    """Something at HOST:PORT."""

    @property
    def address(self) -> str: ...


class Download(threading.Thread):
    """One client that fetches a blob.

    `source` is the address that it comes from (every 127.x.y.z is this machine's). `patience` is
    the time-out of its socket. `progress` sees the bytes of each read. `complete` is what a client
    takes for a whole answer: so many bytes as the Content-Length said, or all chunks.
    """

    def __init__(
        self,
        made: Served,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        source: str | None = None,
        patience: float = 60.0,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self._made = made
        self._path = path
        self._headers = headers or {}
        self._source = source
        self._patience = patience
        self._progress = progress
        self.status = 0
        self.digest = ""
        self.size = 0
        self.first_byte = 0.0
        self.complete = False

    def run(self) -> None:
        began = time.monotonic()
        address = (self._source, 0) if self._source else None
        connection = http.client.HTTPConnection(
            self._made.address, timeout=self._patience, source_address=address
        )
        hashed = hashlib.sha256()
        try:
            connection.request("GET", self._path, headers=self._headers)
            answer = connection.getresponse()
            self.status = answer.status
            expected = int(answer.headers.get("Content-Length", -1))
            while chunk := answer.read1(_STEP):
                if not self.size:
                    self.first_byte = time.monotonic() - began
                hashed.update(chunk)
                self.size += len(chunk)
                if self._progress is not None:
                    self._progress(len(chunk))
            self.complete = expected in (-1, self.size)
        except (OSError, http.client.HTTPException):
            self.complete = False
        finally:
            connection.close()
        self.digest = f"sha256:{hashed.hexdigest()}"


def run_all(clients: list[Download]) -> list[Download]:
    """Start them at once, and wait for all."""
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return clients
