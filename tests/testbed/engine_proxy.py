"""A socket before an engine's."""

import re
import socket
import threading
from pathlib import Path

_REQUEST = re.compile(rb"([A-Z]+) (?:/v[\d.]+)?([^ ?]+)\S* HTTP/1.1\r\n")


class Proxy:
    """It passes everything on until told to `hang` or to `cut`; without a `target` it never
    answers. `calls` are the requests that passed, as `POST /containers/ID/start`: without version
    and query."""

    def __init__(self, path: Path, target: str | None) -> None:
        self.address = f"unix://{path}"
        self.calls: list[str] = []
        self._target = target
        self._hanging = threading.Event()
        self._open: list[socket.socket] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(near)
            if self._target is None or self._hanging.is_set():
                continue
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            self._open.append(far)
            for ends in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        try:
            while data := source.recv(65536):
                # One request a connection, whose first line comes first.
                found = _REQUEST.match(data) if asks else None
                if found:
                    self.calls.append(b" ".join(found.groups()).decode())
                    asks = False
                if not self._hanging.is_set():
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def hang(self) -> None:
        """Answer nothing any more, and hang up on nobody."""
        self._hanging.set()

    def cut(self) -> None:
        for end in (self._socket, *self._open):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        self.cut()
        for end in (self._socket, *self._open):
            end.close()
