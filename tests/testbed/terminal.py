"""homeport on a terminal whose other end we hold: what is shown there, and what is typed."""

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time

from testbed.runs import Repository


class OnTerminal:
    """homeport with a terminal that we hold the other end of."""

    def __init__(self, repository: Repository, *args: str) -> None:
        self.fd, far = pty.openpty()
        self.seen = b""
        self.all = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "homeport", *args],
            cwd=repository.root,
            env={**repository.env, "TERM": "xterm"},
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads
        )
        os.close(far)

    def wait_for(self, text: str, within: float = 30.0) -> None:
        """Until the terminal has shown `text` since the last call."""
        limit = time.monotonic() + within
        while text.encode() not in self.seen:
            assert time.monotonic() < limit, (text, self.seen)
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += self._read()
        self.seen = self.seen.partition(text.encode())[2]

    def type(self, line: str) -> None:
        os.write(self.fd, f"{line}\n".encode())

    def end(self, within: float = 30.0) -> int:
        limit = time.monotonic() + within
        while self.process.poll() is None:
            assert time.monotonic() < limit, self.seen
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += self._read()
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.fd)

    def _read(self) -> bytes:
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # nobody holds the other end any more
            return b""
        self.all += data
        return data
