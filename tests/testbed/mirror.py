"""`homeport mirror serve` as a process of its own, with a configuration and data of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from testbed.hub import free_port, wait_for

_START = 20.0


class Got(NamedTuple):
    """An answer; names of `headers` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Mirror:
    """A mirror that a test starts, stops, kills and starts again; `address` stays the same."""

    def __init__(self, folder: Path, text: str, *, port: int | None = None) -> None:
        """`text` is a homeport.toml in which `{address}` and `{data}` are filled in."""
        self.folder = folder
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.data = folder / "data"
        self.config = folder / "homeport.toml"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.configure(text)

    def configure(self, text: str) -> None:
        filled = text.replace("{address}", self.address).replace("{data}", str(self.data))
        self.config.write_text(filled)

    def start(self) -> "Mirror":
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "homeport", "mirror", "serve", "--config", self.config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
            )
        wait_for(self._ready, _START, f"the mirror does not serve:\n{self.log}")
        return self

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-6000:]

    def _ready(self) -> bool:
        assert self.process is not None
        ended = self.process.poll()
        assert ended is None, f"the mirror ended ({ended}):\n{self.log}"
        try:
            return self.get("/readyz").status == 200
        except OSError:
            return False

    def get(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 30.0,
    ) -> Got:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.address, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            content = answer.read()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, named, content)
        finally:
            connection.close()

    def send(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGINT, *, within: float = 40.0) -> int:
        """Send a signal (by default the one without a lead) and wait; the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the mirror did not end within {within} s:\n{self.log}") from None

    def homeport(self, *args: str) -> "subprocess.CompletedProcess[str]":
        """`homeport mirror ARGS --config …` beside the running server."""
        return self.homeport_bare(*args, "--config", str(self.config))

    def homeport_bare(self, *args: str) -> "subprocess.CompletedProcess[str]":
        """`homeport mirror ARGS` in the mirror's folder."""
        return subprocess.run(
            [sys.executable, "-m", "homeport", "mirror", *args],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )


@contextmanager
def mirror(folder: Path, text: str) -> Iterator[Mirror]:
    """A running mirror; it must end cleanly, and must not have met a defect."""
    made = Mirror(folder, text)
    try:
        yield made.start()
    finally:
        if made.process is not None and made.process.poll() is None:
            made.stop()
    assert "Traceback" not in made.log, made.log


def upstream(name: str, *addresses: str, more: str = "") -> str:
    """The table of one upstream on loopback."""
    urls = ", ".join(f'"http://{address}"' for address in addresses)
    return f'[mirror.upstreams."{name}"]\nurls = [{urls}]\n{more}\n'
