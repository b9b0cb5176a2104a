"""A socket before an engine's that writes down what the engine is asked, one line a call."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def recorded(address: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of the recording socket, and what was asked so far: `POST /containers/ID/start`,
    without query and version."""
    path = str(folder / "engine")
    calls: list[str] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        thread = threading.Thread(target=_accept, args=(listener, address, calls), daemon=True)
        thread.start()
        yield f"unix://{path}", calls
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _accept(listener: socket.socket, address: str, calls: list[str]) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        far = socket.socket(socket.AF_UNIX)
        far.connect(address.removeprefix("unix://"))
        lock = threading.Semaphore(0)
        for one, other, seen in ((near, far, calls), (far, near, None)):
            threading.Thread(target=_pass, args=(one, other, seen, lock), daemon=True).start()
        threading.Thread(target=_close, args=(near, far, lock), daemon=True).start()


def _pass(
    one: socket.socket, other: socket.socket, calls: list[str] | None, done: threading.Semaphore
) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            if calls is not None:
                found = re.search(rb"^([A-Z]+) (?:/v[\d.]+)?([^ ?]+)\S* HTTP/1.1\r\n", data)
                calls += [b" ".join(found.groups()).decode()] if found else []
                calls = None  # one call a connection
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    done.release()


def _close(near: socket.socket, far: socket.socket, done: threading.Semaphore) -> None:
    done.acquire()
    done.acquire()
    near.close()
    far.close()
