"""An attached container: one upgraded connection, its stdin plain, its output in frames.

Source: Docker Engine API, "Attach to a container", stream format.
"""

import socket
import threading
from collections.abc import Callable, Iterable

from homeport.engine.http import Client, Reply

_HEADER = 8
_READ = 256 * 1024
_SAFE_WRITE = 32 * 1024
"""Bytes that every engine takes in without our reading what the container prints meanwhile."""


def read_frames(chunks: Iterable[bytes], output: Callable[[bytes], None]) -> None:
    """Deliver the data of frames that come in any cut; a last frame that is cut off as far as it
    goes."""
    header, left = b"", 0
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            if left:
                output(bytes(rest[:left]))
                left, rest = left - min(left, len(rest)), rest[left:]
                continue
            missing = _HEADER - len(header)
            header, rest = header + bytes(rest[:missing]), rest[missing:]
            if len(header) == _HEADER:
                left, header = int.from_bytes(header[4:], "big"), b""


class AttachedStream:
    """`engine.api.Stream`. `write` returns before long data is out, so that `read` can start."""

    def __init__(self, client: Client, reply: Reply) -> None:
        self._client = client
        self._reply = reply
        self._socket, self._file = reply.upgraded()
        self._writer: threading.Thread | None = None

    def write(self, data: bytes) -> None:
        """Send to stdin. What a container that ended early no longer reads is dropped."""
        if self._writer is None and len(data) <= _SAFE_WRITE:
            self._send(data)
            return
        self._after(lambda: self._send(data))

    def close_write(self) -> None:
        if self._writer is None:
            self._end_input()
        else:
            self._after(self._end_input)

    def read(self, output: Callable[[bytes], None]) -> None:
        while True:
            with self._client.guarded():
                header = self._file.read(_HEADER)
            if len(header) < _HEADER:
                if header:
                    raise self._client.broken("it hung up in the middle of the job's output")
                return
            left = int.from_bytes(header[4:], "big")
            while left:
                with self._client.guarded():
                    data = self._file.read(min(left, _READ))
                if not data:
                    raise self._client.broken("it hung up in the middle of the job's output")
                left -= len(data)
                output(data)

    def close(self) -> None:
        self._shut(socket.SHUT_RDWR)
        if self._writer is not None:
            self._writer.join()
        self._reply.close()

    def _after(self, step: Callable[[], None]) -> None:
        """Do `step` in a thread, once the steps before it are done."""
        before = self._writer

        def run() -> None:
            if before is not None:
                before.join()
            step()

        self._writer = threading.Thread(target=run, daemon=True)
        self._writer.start()

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            # The container has ended, or the engine: `read` and `wait` tell which.
            return

    def _end_input(self) -> None:
        self._shut(socket.SHUT_WR)

    def _shut(self, how: int) -> None:
        try:
            self._socket.shutdown(how)
        except OSError:
            return
