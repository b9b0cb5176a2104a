"""An engine's socket on another machine, by the user's own ssh client.

`ssh -L` forwards a socket of this machine's to the engine's. So the user's configuration, keys,
agent and known hosts count, and the other machine needs no docker command. A watcher reads from
this process: when that ends, however it does, so does ssh.
"""

import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from homeport.engine.address import Address
from homeport.engine.api import EngineError

REMOTE_SOCKET = "/var/run/docker.sock"
_PATIENCE = 30.0
"""Seconds for ssh to connect."""
_PAUSE = 0.02
_WATCHED = 'exec 3<&0; (cat <&3 >/dev/null; kill $$) & exec 3<&-; exec ssh "$@" </dev/null'
"""Forwarded connections may outlive this process on the far side, and ssh waits for them."""


class Tunnel:
    """Opened by the first call; thread-safe."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: str | None = None

    def open(self) -> Address:
        """The address of the near end. Raises `EngineError` with ssh's own words."""
        with self._lock:
            if self._folder is None:
                self._folder = tempfile.mkdtemp(prefix="homeport-ssh-")
                self._start(Path(self._folder))
            return Address(path=f"{self._folder}/socket")

    def close(self) -> None:
        with self._lock:
            process, folder = self._process, self._folder
            self._process = self._folder = None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _start(self, folder: Path) -> None:
        address = self._address
        far = address.path or REMOTE_SOCKET
        options = [
            *("-N", "-T", "-o", "ExitOnForwardFailure=yes", "-o", "ControlPath=none"),
            *("-L", f"{folder}/socket:{far}"),
            *(("-p", str(address.port)) if address.port else ()),
            *(("-l", address.user) if address.user else ()),
        ]
        with (folder / "errors").open("wb") as errors:
            try:
                self._process = subprocess.Popen(
                    ["sh", "-c", _WATCHED, "sh", *options, "--", address.host],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    start_new_session=True,  # a Ctrl-C is not for the engine's connection
                )
            except OSError as error:
                raise self._failed(f"sh cannot be started: {error.strerror}") from error
        limit = time.monotonic() + _PATIENCE
        while not (folder / "socket").exists():
            if self._process.poll() is not None:
                words = (folder / "errors").read_text("utf-8", "replace").strip().splitlines()
                raise self._failed(words[-1] if words else "ssh ended")
            if time.monotonic() > limit:
                raise self._failed("ssh did not connect in time")
            time.sleep(_PAUSE)

    def _failed(self, reason: str) -> EngineError:
        return EngineError.of(
            f"the container engine at {self._address} is not reached: {reason}",
            code="engine-unreachable",
            hint=f"ssh {self._address.host} must work without questions, and its user may use the "
            "engine's socket there",
        )
