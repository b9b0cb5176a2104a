"""A registry that plays Docker Hub or another upstream: docker-registry, filled by skopeo.

Before it stands a proxy that breaks what a test wants broken, and counts what it is asked.
"""

import gzip
import hashlib
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from testbed.faults import FaultHandler, Faults, Seen

_START = 15.0


class Hub:
    """`address` is HOST:PORT of the proxy, `direct` that of the registry behind it."""

    def __init__(self, direct: str, folder: Path) -> None:
        self.direct = direct
        self.folder = folder
        self.faults = Faults()
        self.seen: list[Seen] = []
        self.sent = 0
        self.address = ""
        self._lock = threading.Lock()

    def count(self, method: str, part: str) -> int:
        """How often it was asked with this method for a path that holds `part`."""
        return sum(seen.method == method and part in seen.path for seen in list(self.seen))

    def forget(self) -> None:
        with self._lock:
            self.seen.clear()
            self.sent = 0

    def add_sent(self, size: int) -> None:
        with self._lock:
            self.sent += size

    def push(self, name: str, *, size: int = 0, text: str = "hello", layers: int = 1) -> "Image":
        """Push an image of layers with `size` random bytes each (and a file `hello`), by skopeo."""
        layout, image = _layout(self.folder, size=size, text=text, layers=layers)
        command = ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false"]
        destination = f"docker://{self.direct}/{name}"
        subprocess.run([*command, "-q", f"oci:{layout}:it", destination], check=True, timeout=120)
        return image


class Image(NamedTuple):
    """Digests of an image; `layers` are (digest, size)."""

    manifest: str
    config: str
    layers: tuple[tuple[str, int], ...]


@contextmanager
def hub(folder: Path, users: Mapping[str, str] = {}) -> Iterator[Hub]:
    """A registry and its proxy, until the end of the block. `users` are passwords by name: with
    any, it answers nobody else (htpasswd)."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "registry.yml"
    config.write_text(
        f"""version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder / "storage"}}}, delete: {{enabled: true}}}}
http: {{addr: 127.0.0.1:{port}}}
{_authentication(folder, users)}"""
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        direct = f"127.0.0.1:{port}"
        wait_for(lambda: _answers(direct), _START, "the registry does not answer")
        made = Hub(direct, folder)
        with _proxy(made):
            yield made
    finally:
        process.terminate()
        process.wait(10)


def _authentication(folder: Path, users: Mapping[str, str]) -> str:
    if not users:
        return ""
    import bcrypt

    path = folder / "htpasswd"
    path.write_text(
        "".join(
            f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"
            for name, password in users.items()
        )
    )
    return f"auth: {{htpasswd: {{realm: tests, path: {path}}}}}\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool], limit: float, words: str) -> None:
    """Poll until it holds; AssertionError with `words` after `limit` seconds."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, words
        time.sleep(0.02)


def _answers(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=2)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status in (200, 401)
    except OSError:
        return False
    finally:
        connection.close()


class _Server(ThreadingHTTPServer):
    # Clients that come all at once are kept waiting, not turned away.
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A mirror that was killed leaves connections behind."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def _proxy(made: Hub) -> Iterator[None]:
    server = _Server(("127.0.0.1", 0), type("Handler", (FaultHandler,), {"made": made}))
    server.daemon_threads = True
    made.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        made.faults.clear()
        server.shutdown()
        server.server_close()
        thread.join()


def _layout(folder: Path, *, size: int, text: str, layers: int) -> tuple[Path, Image]:
    """An OCI image layout with one image, tagged `it`."""
    root = folder / f"layout-{os.urandom(4).hex()}"
    blobs = root / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    made, diff_ids = [], []
    for number in range(layers):
        plain = _layer(text if number == 0 else f"{text}{number}", size, number)
        diff_ids.append(f"sha256:{hashlib.sha256(plain).hexdigest()}")
        packed = gzip.compress(plain, compresslevel=1, mtime=0)
        made.append(put(packed, "application/vnd.oci.image.layer.v1.tar+gzip"))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    config_blob = put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json")
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config_blob,
        "layers": made,
    }
    entry = put(json.dumps(manifest).encode(), manifest["mediaType"])  # type: ignore[arg-type]
    entry["annotations"] = {"org.opencontainers.image.ref.name": "it"}
    (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    digests = tuple((layer["digest"], layer["size"]) for layer in made)
    return root, Image(entry["digest"], config_blob["digest"], digests)


def _layer(text: str, size: int, number: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in ((f"hello{number or ''}", text.encode()), (f"r{number}", None)):
            data = os.urandom(size) if content is None else content
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()
