"""A daemon of Docker that a test has told what to say, on a socket of a test's machine.

It reloads as dockerd does: a key that is gone keeps its old value, a broken file is ignored.
"""

import json
import os
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from testbed.machine import Machine


class FakeDocker:
    """`info` is what `/info` says besides the registries; `calls` is what was asked."""

    def __init__(self, machine: Machine, socket: str, config: str) -> None:
        self.machine = machine
        self.socket = socket
        self.config = config
        self.version: dict[str, Any] = {"Version": "28.2.2", "Components": [{"Name": "Engine"}]}
        self.info: dict[str, Any] = {}
        self.mirrors: list[str] = []
        self.insecure: list[str] = []
        self.running: list[str] = []
        self.error: str | None = None
        self.deaf = False
        self.calls: list[str] = []
        self.signals: list[tuple[int, int]] = []
        self._events: list[dict[str, Any]] = []

    def be_process(
        self,
        *flags: str,
        env: Mapping[str, str] = {},
        manager: str = "systemd",
        program: str = "/usr/bin/dockerd",
    ) -> None:
        """Stand in the machine's /proc as a dockerd; signals come here."""
        folder = f"/proc/{os.getpid()}"
        self.machine.write(f"{folder}/cmdline", "\0".join((program, *flags)) + "\0")
        self.machine.write(f"{folder}/environ", "\0".join(f"{k}={v}" for k, v in env.items()))
        group = "/system.slice/docker.service" if manager == "systemd" else f"/{manager}"
        self.machine.write(f"{folder}/cgroup", f"0::{group}\n")
        self.machine.at(f"{folder}/exe").symlink_to(program)
        self.machine.at(f"{folder}/cwd").symlink_to("/")
        self.machine.host.signal = self._signal  # type: ignore[method-assign]

    def reload(self) -> None:
        if self.deaf:
            return
        try:
            values = json.loads(self.machine.text(self.config))
        except (OSError, ValueError):
            return
        if "registry-mirrors" in values:
            self.mirrors = [f"{url.rstrip('/')}/" for url in values["registry-mirrors"] or ()]
        if "insecure-registries" in values:
            self.insecure = list(values["insecure-registries"] or ())
        actor = {"Attributes": {"registry-mirrors": json.dumps(self.mirrors)}}
        self._events.append({"Action": "reload", "Actor": actor, "time": time.time()})

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        self.calls.append(f"{method} {path.partition('?')[0]}")
        if path == "/version":
            return 200, self.version
        if path == "/info":
            index = {name: {"Secure": False} for name in self.insecure}
            registry = {"Mirrors": self.mirrors, "IndexConfigs": index}
            return 200, {"RegistryConfig": registry, **self.info}
        if path.startswith("/containers/json"):
            return 200, [{"Names": [f"/{name}"]} for name in self.running]
        if path.startswith("/events"):
            return 200, self._events
        if path.startswith("/images/create"):
            lines: list[Any] = [{"status": "Pulling"}]
            return 200, lines + ([{"error": self.error}] if self.error else [])
        return 404, {"message": "no such image"}

    def _signal(self, process: int, number: int) -> None:
        self.signals.append((process, number))
        self.reload()


@contextmanager
def fake_docker(
    machine: Machine,
    socket: str = "/run/docker.sock",
    config: str = "/etc/docker/daemon.json",
) -> Iterator[FakeDocker]:
    made = FakeDocker(machine, socket, config)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, found = made.answer(self.command, self.path)
            streamed = self.path.startswith(("/events", "/images/create"))
            parts: Sequence[Any] = found if streamed and isinstance(found, list) else [found]
            body = b"".join(json.dumps(part).encode() + b"\n" for part in parts)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET  # noqa: N815

        def address_string(self) -> str:
            return "test"

        def log_message(self, *args: object) -> None:
            del args

    place = machine.at(socket)
    place.parent.mkdir(parents=True, exist_ok=True)
    # Its path may be too long for a socket: it is bound by its folder's descriptor.
    folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        server = socketserver.ThreadingUnixStreamServer(
            f"/proc/self/fd/{folder}/{place.name}", Handler
        )
    finally:
        os.close(folder)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        place.unlink()
