"""Where records and signed heads are sent besides the segments: JSON lines, syslog (RFC 5424)."""

import logging
import os
import socket
import time
from collections.abc import Sequence
from typing import Protocol

from homeport.errors import UsageError

log = logging.getLogger("homeport.mirror.audit")

_PRIORITY = 13 * 8 + 6
"""Facility 13 (log audit), severity 6 (informational)."""

_COMPLAIN = 60.0


class Sink(Protocol):
    """Used by the writer's thread. `send` never raises and never waits long."""

    def send(self, lines: Sequence[bytes]) -> None: ...

    def close(self) -> None: ...


def make_sink(text: str) -> Sink:
    """`file:/path`, `syslog:/dev/log` or `syslog:HOST:PORT`; raises UsageError."""
    kind, _, rest = text.partition(":")
    if kind == "file" and rest.startswith("/"):
        return FileSink(rest)
    if kind == "syslog" and rest.startswith("/"):
        return SyslogSink(rest)
    host, _, port = rest.rpartition(":")
    if kind == "syslog" and host and port.isascii() and port.isdigit() and int(port) < 65536:
        return SyslogSink((host.strip("[]"), int(port)))
    raise UsageError.of(
        f"no audit sink: {text}", hint="file:/path, syslog:/dev/log or syslog:HOST:PORT"
    )


class _Complaints:
    """One line of log a minute for a sink that fails; what it missed is in the segments."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = 0.0

    def failed(self, error: OSError) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _COMPLAIN
            log.warning("the audit sink %s fails: %s", self._name, error.strerror or error)


class FileSink:
    def __init__(self, path: str) -> None:
        self._path = path
        self._complaints = _Complaints(path)

    def send(self, lines: Sequence[bytes]) -> None:
        """Opened each time, so that logrotate may move the file away."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            file = os.open(self._path, flags, 0o600)
            try:
                rest = memoryview(b"".join(line + b"\n" for line in lines))
                while rest:
                    rest = rest[os.write(file, rest) :]
            finally:
                os.close(file)
        except OSError as error:
            self._complaints.failed(error)

    def close(self) -> None:
        """Nothing is kept open."""


class SyslogSink:
    """Datagrams: to a Unix socket, or to a host by UDP."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self._address = address
        self._complaints = _Complaints(str(address))
        self._socket: socket.socket | None = None
        self._host = socket.gethostname()[:255] or "-"

    def send(self, lines: Sequence[bytes]) -> None:
        try:
            if self._socket is None:
                self._socket = self._connect()
            for line in lines:
                moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                head = f"<{_PRIORITY}>1 {moment} {self._host} homeport {os.getpid()} audit - "
                self._socket.send(head.encode() + line)
        except OSError as error:
            self._complaints.failed(error)
            self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        if isinstance(self._address, str):
            made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            target: str | tuple[str, int] = self._address
        else:
            host, port = self._address
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            made, target = socket.socket(found[0], socket.SOCK_DGRAM), found[4]  # type: ignore[assignment]
        made.settimeout(0.2)
        try:
            made.connect(target)
        except OSError:
            made.close()
            raise
        return made
