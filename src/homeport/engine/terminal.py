"""A further command in a running container, on a terminal: one upgraded connection, all plain.

Source: Docker Engine API, "Start an exec instance", "Resize an exec instance".
"""

import socket
from collections.abc import Callable
from contextlib import suppress

from homeport.engine.api import EngineError
from homeport.engine.http import Client, Reply

_READ = 64 * 1024


class ExecTerminal:
    """`engine.api.Terminal`."""

    def __init__(self, client: Client, reply: Reply, resize: Callable[[int, int], None]) -> None:
        self._client = client
        self._reply = reply
        self._socket, self._file = reply.upgraded()
        self._resize = resize

    def read(self) -> bytes:
        with self._client.guarded():
            return self._file.read1(_READ)  # type: ignore[attr-defined, no-any-return]

    def write(self, data: bytes) -> None:
        with suppress(OSError):  # it has ended: `read` tells
            self._socket.sendall(data)

    def resize(self, rows: int, columns: int) -> None:
        with suppress(EngineError):  # it may have ended just now
            self._resize(rows, columns)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Let go of the connection, once nobody reads any more."""
        self.close()
        self._reply.close()
