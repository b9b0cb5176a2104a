"""The servers of the comparison, each on ports of its own, each with the same content."""

import contextlib
import datetime
import hashlib
import http.client
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.mirror.figures import Served, on_cpu
from homeport.mirror.http import ca

REPOSITORY = "local/bench"
BLOB_BYTES = 64 * 1024**2
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


class Content(NamedTuple):
    """Files: one manifest of a common size, a blob, a server certificate and its key."""

    folder: Path
    manifest: Path
    blob: Path
    pair: ca.Pair

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.blob.read_bytes()).hexdigest()


def make_content(folder: Path, *, layers: int = 6) -> Content:
    blob = folder / "blob"
    blob.write_bytes(os.urandom(BLOB_BYTES))
    digest = "sha256:" + hashlib.sha256(blob.read_bytes()).hexdigest()
    layer = {"mediaType": "application/octet-stream", "digest": digest, "size": BLOB_BYTES}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": layer,
        "layers": [layer] * layers,
    }
    manifest = folder / "manifest"
    manifest.write_text(json.dumps(document, indent=2))
    now = datetime.datetime.now(datetime.UTC)
    ca.init(folder / "ca", name="benchmark", now=now)
    pair = ca.Pair(folder / "server.pem", folder / "server.key")
    ca.issue(folder / "ca", pair, hosts=["localhost", "127.0.0.1"], now=now)
    return Content(folder, manifest, blob, pair)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def nginx(content: Content) -> Iterator[Served]:
    """Static files under the registry's paths: the floor."""
    folder = content.folder / "nginx"
    manifests = folder / "root/v2" / REPOSITORY / "manifests"
    blobs = folder / "root/v2" / REPOSITORY / "blobs"
    manifests.mkdir(parents=True)
    blobs.mkdir()
    shutil.copy(content.manifest, manifests / "1")
    (blobs / content.digest).hardlink_to(content.blob)
    plain, tls = free_port(), free_port()
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;\n"
        "user root;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
        f"default_type {MANIFEST_TYPE};\n"
        f"server {{ root {folder}/root; listen 127.0.0.1:{plain};\n"
        f"listen 127.0.0.1:{tls} ssl; ssl_protocols TLSv1.2 TLSv1.3;\n"
        f"ssl_certificate {content.pair.certificate};\n"
        f"ssl_certificate_key {content.pair.key}; }} }}\n"
    )
    argv = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with _running("nginx", argv, content, plain, tls) as served:
        yield served


@contextlib.contextmanager
def docker_registry(content: Content) -> Iterator[Served]:
    """Debian's docker-registry, plain, filled by pushes; and a second one for TLS is not needed:
    TLS is measured of nginx and the own server."""
    folder = content.folder / "docker-registry"
    folder.mkdir()
    plain = free_port()
    config = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{plain}", "secret": "benchmark"},
    }
    (folder / "config.yml").write_text(json.dumps(config))
    argv = ["docker-registry", "serve", str(folder / "config.yml")]
    with _running("docker-registry", argv, content, plain, None) as served:
        push(served.plain, content)
        yield served


@contextlib.contextmanager
def stub(content: Content) -> Iterator[Served]:
    """homeport's HTTP side alone."""
    plain, tls = free_port(), free_port()
    argv = [sys.executable, "-m", "benchmarks.mirror.stub"]
    argv += [f"127.0.0.1:{plain}", f"127.0.0.1:{tls}", str(content.manifest), str(content.blob)]
    argv += [str(content.pair.certificate), str(content.pair.key)]
    with _running("homeport, HTTP side alone", argv, content, plain, tls) as served:
        yield served


@contextlib.contextmanager
def homeport(content: Content) -> Iterator[Served]:
    """`homeport mirror serve` with rules and the audit on, filled by a push."""
    plain, tls = free_port(), free_port()
    folder = content.folder / "homeport"
    with _running("homeport", _serve(folder, plain, tls, content), content, plain, tls) as served:
        push(served.plain, content)
        yield served


@contextlib.contextmanager
def upstream(content: Content, log: Path, *, tags: int) -> Iterator[Served]:
    """docker-registry as Docker Hub, with the image under many tags, behind nginx, which gives each
    connection 25 MiB a second after a burst, and writes its requests to `log`."""
    folder = content.folder / "upstream"
    folder.mkdir()
    plain = free_port()
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{plain}", "secret": "benchmark"},
    }
    (folder / "config.yml").write_text(json.dumps(config))
    argv = ["docker-registry", "serve", str(folder / "config.yml")]
    front = free_port()
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr; user root;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log {log}; client_max_body_size 0; proxy_max_temp_file_size 0;\n"
        f"server {{ listen 127.0.0.1:{front}; location / {{\n"
        "limit_rate 25m; proxy_http_version 1.1; proxy_set_header Host $http_host;\n"
        f"proxy_pass http://127.0.0.1:{plain}; }} }} }}\n"
    )
    before = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with (
        _running("registry", argv, content, plain, None) as behind,
        _running("upstream", before, content, front, None) as served,
    ):
        push(behind.plain, content, tags=tags)
        yield served


@contextlib.contextmanager
def docker_registry_proxy(content: Content, source: str) -> Iterator[Served]:
    """docker-registry in proxy mode."""
    folder = content.folder / f"proxy-{free_port()}"
    folder.mkdir()
    plain = free_port()
    config = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "proxy": {"remoteurl": f"http://{source}"},
        "http": {"addr": f"127.0.0.1:{plain}", "secret": "benchmark"},
    }
    (folder / "config.yml").write_text(json.dumps(config))
    argv = ["docker-registry", "serve", str(folder / "config.yml")]
    with _running("docker-registry, proxy", argv, content, plain, None) as served:
        yield served


@contextlib.contextmanager
def homeport_mirror(content: Content, source: str) -> Iterator[Served]:
    """`homeport mirror serve` of an upstream, with rules and the audit on."""
    plain, folder = free_port(), content.folder / f"mirror-{free_port()}"
    argv = _serve(folder, plain, None, content, source=source)
    with _running("homeport", argv, content, plain, None) as served:
        yield served


def _serve(
    folder: Path, plain: int, tls: int | None, content: Content, *, source: str = ""
) -> list[str]:
    """The command, with its configuration written."""
    folder.mkdir()
    lines = [
        "[mirror]",
        f'data = "{folder / "data"}"',
        "[[mirror.listeners]]",
        'name = "plain"',
        f'address = "127.0.0.1:{plain}"',
        'role = "registry"',
    ]
    if tls is not None:
        lines += [
            "[[mirror.listeners]]",
            'name = "tls"',
            f'address = "127.0.0.1:{tls}"',
            'role = "registry"',
            f'tls = {{ certificate = "{content.pair.certificate}", key = "{content.pair.key}" }}',
        ]
    if not source:
        lines.append("[mirror.namespaces.local]")
    lines += [
        '[mirror.upstreams."docker.io"]',
        f'urls = ["http://{source or "127.0.0.1:9"}"]',
        'tag_ttl = "1h"',
        "[[mirror.rules]]",
        'name = "nobody"',
        "allow = false",
        'repositories = ["docker.io/secret/**"]',
        "[[mirror.rules]]",
        'name = "here"',
        "allow = true",
        'networks = ["127.0.0.0/8"]',
    ]
    (folder / "homeport.toml").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "homeport", "mirror", "serve"]
    return [*command, "--config", str(folder / "homeport.toml")]


@contextlib.contextmanager
def own(label: str, command: str, content: Content, *, fill: bool) -> Iterator[Served]:
    """A command with {plain}, {tls} (ports), {certificate}, {key} and {folder} in it; `fill` pushes
    the content to `local/bench`. Without {tls} there is no TLS."""
    folder = content.folder / f"own-{free_port()}"
    folder.mkdir()
    plain, tls = free_port(), free_port() if "{tls}" in command else None
    text = command.format(
        plain=plain,
        tls=tls,
        folder=folder,
        certificate=content.pair.certificate,
        key=content.pair.key,
    )
    with _running(label, shlex.split(text), content, plain, tls) as served:
        if fill:
            push(served.plain, content)
        yield served


@contextlib.contextmanager
def _running(
    label: str,
    argv: list[str],
    content: Content,
    plain: int,
    tls: int | None,
) -> Iterator[Served]:
    process = subprocess.Popen(
        [*on_cpu(0), *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await_port(plain, process)
        yield Served(
            label,
            process.pid,
            f"127.0.0.1:{plain}",
            None if tls is None else f"127.0.0.1:{tls}",
            (f"/v2/{REPOSITORY}/manifests/1",),
            f"/v2/{REPOSITORY}/blobs/{content.digest}",
        )
    finally:
        process.terminate()
        process.wait(30)


def _await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        assert process.poll() is None, "the server ended at once"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


def push(address: str, content: Content, *, tags: int = 1) -> None:
    """The blob, then the manifest as tags 1, 2, … (end-4a, end-6, end-7a)."""
    client = http.client.HTTPConnection(address, timeout=60)
    client.request("POST", f"/v2/{REPOSITORY}/blobs/uploads/", headers={"Content-Length": "0"})
    answer = client.getresponse()
    answer.read()
    where = answer.headers["Location"].removeprefix(f"http://{address}")
    joint = "&" if "?" in where else "?"
    client.request("PUT", f"{where}{joint}digest={content.digest}", content.blob.read_bytes())
    answer = client.getresponse()
    assert answer.status == 201, answer.read()
    answer.read()
    kind = {"Content-Type": MANIFEST_TYPE}
    for tag in range(1, tags + 1):
        path = f"/v2/{REPOSITORY}/manifests/{tag}"
        client.request("PUT", path, content.manifest.read_bytes(), kind)
        answer = client.getresponse()
        assert answer.status == 201, answer.read()
        answer.read()
    client.close()
