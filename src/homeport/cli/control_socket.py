"""How a command reaches the mirror that runs on a data folder: HTTP over the socket in it."""

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from homeport.errors import ExitCode, HomeportError, MissingError, Problem
from homeport.lib.unix_socket import short_path

SOCKET = "control.sock"
PATIENCE = 30.0
LONG = 3600.0
MAX_ANSWER = 64 * 1024**2
_POLL = 0.2


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            with short_path(self._path) as short:
                self.sock.connect(short)
        except BaseException:
            self.sock.close()
            raise


class Control:
    """A mirror that runs, as `find` and `need` return it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, word: str, query: Mapping[str, str] = {}) -> Any:
        return self._ask("GET", word, query, PATIENCE)

    def post(self, word: str, query: Mapping[str, str] = {}) -> Any:
        return self._ask("POST", word, query, LONG)

    def work(self, word: str, query: Mapping[str, str], show: Callable[[Any], None]) -> Any:
        """Begin a long act and wait for its result; `show` is given its progress. The act goes on
        where this is interrupted."""
        job = self._ask("POST", word, query, PATIENCE)
        while job["state"] == "running":
            show(job["progress"])
            time.sleep(_POLL)
            job = self.get(f"job/{word}")
        if job["state"] != "done":
            raise _failed(f"{word}: {job['error']}")
        return job["result"]

    def _ask(self, method: str, word: str, query: Mapping[str, str], timeout: float) -> Any:
        connection = _Connection(self._path, timeout)
        path = f"/_homeport/{word}?{urlencode(query)}"
        try:
            connection.request(method, path, headers={"Host": "localhost", "Content-Length": "0"})
            answer = connection.getresponse()
            body = answer.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(self._path, error) from None
        finally:
            connection.close()
        try:
            if len(body) > MAX_ANSWER:
                raise ValueError("too large")
            value = json.loads(body)
        except ValueError:
            raise _failed(f"the mirror answered {answer.status} without JSON") from None
        if answer.status >= 400:
            raise _failed(_words(value, answer.status))
        return value


def find(data: str) -> Control | None:
    """None where no mirror runs on the folder; raises MissingError where it may not be asked."""
    path = Path(data, SOCKET)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PATIENCE)
        try:
            with short_path(path) as short:
                probe.connect(short)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreachable(path, error) from None
    return Control(path)


def need(data: str) -> Control:
    """Raises MissingError where no mirror runs."""
    found = find(data)
    if found is None:
        raise MissingError.of(
            f"no mirror runs on {data}",
            code="mirror-stopped",
            hint="start it, or name its folder by --data or its configuration by --config",
        )
    return found


@contextmanager
def progress_line(words: str) -> Iterator[Callable[[Any], None]]:
    """Shows `done` of `total` on one line of a terminal, on nothing else."""
    on = sys.stderr.isatty()

    def show(progress: Any) -> None:
        if on:
            of = f" of {progress['total']}" if progress.get("total") else ""
            print(f"\r\033[K{words}: {progress['done']}{of}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if on:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


@contextmanager
def watching(look: Callable[[], Mapping[str, Any]], words: str) -> Iterator[None]:
    """The same for work that this process does itself."""
    stop = threading.Event()
    with progress_line(words) as show:

        def watch() -> None:
            while not stop.wait(_POLL):
                show(look())

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _unreachable(path: Path, error: Exception) -> MissingError:
    hint = None
    if isinstance(error, PermissionError):
        hint = "run the command as the user whom the mirror runs as"
    reason = getattr(error, "strerror", None) or error or type(error).__name__
    return MissingError.of(f"cannot ask the mirror at {path}: {reason}", code="socket", hint=hint)


def _failed(message: str) -> HomeportError:
    return HomeportError([Problem(message=message, code="mirror-refused")], ExitCode.FAILED)


def _words(value: Any, status: int) -> str:
    try:
        return str(value["errors"][0]["message"])
    except (KeyError, IndexError, TypeError):
        return f"the mirror answered {status}"
