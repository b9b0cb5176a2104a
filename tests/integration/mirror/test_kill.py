"""kill -9 at any moment: nothing wrong is served, and nothing that was acknowledged is lost."""

import hashlib
import http.client
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testbed.downloads import Download, run_all
from testbed.hub import Hub, Image
from testbed.mirror import Mirror, upstream

MB = 1_000_000
CONFIG = """
[mirror]
data = "{{data}}"
[[mirror.listeners]]
address = "{{address}}"
role = "registry"
[mirror.namespaces.team]
[mirror.store]
{store}
"""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def images(docker_hub: Hub) -> Iterator[list[Image]]:
    """Twenty layers of 2 to 5 MB."""
    docker_hub.faults.clear()
    yield [docker_hub.push(f"library/k{n}:1", size=(n + 1) * MB, layers=5) for n in range(1, 5)]
    docker_hub.faults.clear()


@contextmanager
def made(folder: Path, hub: Hub, store: str = "") -> Iterator[Mirror]:
    server = Mirror(folder, CONFIG.format(store=store) + upstream("docker.io", hub.address))
    try:
        yield server
    finally:
        if server.process is not None:
            server.stop(9)
    assert "Traceback" not in server.log, server.log


def layers(images: list[Image]) -> dict[str, tuple[str, int]]:
    """Path, digest and size of every layer."""
    return {
        f"/v2/library/k{n}/blobs/{digest}": (digest, size)
        for n, image in enumerate(images, start=1)
        for digest, size in image.layers
    }


def verified(server: Mirror) -> dict[str, Any]:
    """The report of `homeport mirror verify`, which found nothing wrong."""
    done = server.homeport("verify", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["faults"] == []
    return report


def staged(server: Mirror) -> int:
    return sum(path.stat().st_size for path in (server.data / "staged").iterdir())


def rightly(clients: list[Download], wanted: dict[str, tuple[str, int]]) -> int:
    """How many took their answer for a whole one; each of these is right."""
    whole = [each for each in clients if each.status == 200 and each.complete]
    for each in whole:
        assert (each.digest, each.size) == wanted[each._path]
    return len(whole)


def test_kill_during_a_hundred_fills(docker_hub: Hub, images: list[Image], tmp_path: Path) -> None:
    chance = random.Random(11)  # noqa: S311 - a test
    wanted = layers(images)
    with made(tmp_path, docker_hub) as server:
        most = sum(size for _, size in wanted.values())
        docker_hub.faults.match = "/blobs/"
        docker_hub.faults.rate = 1_000_000
        killed = 0
        for turn in range(9):
            server.start()
            if turn == 0:
                for n in range(1, 5):
                    assert server.get(f"/v2/library/k{n}/manifests/1").status == 200
            clients = [Download(server, path) for path in wanted for _ in range(2)]
            for client in clients:
                client.start()
            time.sleep(chance.uniform(0.1, 0.9))
            server.stop(9)
            for client in clients:
                client.join()
            killed += len(wanted) - rightly(clients, wanted) // 2
            assert staged(server) <= most
        assert killed >= 100, "the kills came too late"
        docker_hub.faults.clear()
        docker_hub.forget()
        server.start()
        clients = run_all([Download(server, path) for path in wanted])
        assert rightly(clients, wanted) == len(wanted)
        # What was written before a kill (by the megabyte) was not downloaded again.
        assert any("range" in seen.headers for seen in docker_hub.seen)
        assert docker_hub.sent < most - MB
        server.stop()
        report = verified(server)
        assert report["blobs"] == len(wanted)
        assert staged(server) == 0
        assert not list((server.data / "quarantine").iterdir())


class FullError(Exception):
    """What fills have reserved is not free for pushes."""


class Pusher(threading.Thread):
    """Pushes images of one layer until the server is gone, or its quota is used up.

    `done` has what was acknowledged: paths and the digest of what they must give.
    """

    def __init__(self, server: Mirror, number: str) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._number = number
        self.done: dict[str, str] = {}

    def run(self) -> None:
        home = "/v2/team/app"
        connection = http.client.HTTPConnection(self._server.address, timeout=20)
        try:
            for count in range(1000):
                tag = f"{self._number}-{count}"
                layer = self._blob(connection, home, os.urandom(200_000))
                config = self._blob(connection, home, json.dumps({"tag": tag}).encode())
                manifest = json.dumps(
                    {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
                ).encode()
                path = f"{home}/manifests/{tag}"
                self._expect(connection, path, manifest, MANIFEST)
                self.done[path] = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        except (OSError, http.client.HTTPException, FullError):
            pass
        finally:
            connection.close()

    def _blob(
        self, connection: http.client.HTTPConnection, home: str, content: bytes
    ) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        location = self._expect(connection, f"{home}/blobs/uploads/", b"")
        path = "/" + location.split("/", 3)[3] if "://" in location else location
        joint = "&" if "?" in path else "?"
        closing = f"{path}{joint}digest={digest}"
        self._expect(connection, closing, content, "application/octet-stream")
        self.done[f"{home}/blobs/{digest}"] = digest
        return {"mediaType": "application/x", "digest": digest, "size": len(content)}

    def _expect(
        self, connection: http.client.HTTPConnection, path: str, body: bytes, kind: str = ""
    ) -> str:
        """PUT if there is a content type, else POST; the Location."""
        method, status, headers = (
            ("PUT", 201, {"Content-Type": kind}) if kind else ("POST", 202, {})
        )
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        said = answer.read()
        if b"storage is full" in said:
            raise FullError
        assert answer.status == status, said
        return answer.headers.get("Location", "")


def all_there(server: Mirror, done: dict[str, str]) -> None:
    for path, digest in done.items():
        answer = server.get(path, headers={"Accept": MANIFEST})
        assert answer.status == 200, path
        assert f"sha256:{hashlib.sha256(answer.body).hexdigest()}" == digest


def test_kill_during_pushes(docker_hub: Hub, tmp_path: Path) -> None:
    chance = random.Random(12)  # noqa: S311 - a test
    with made(tmp_path, docker_hub) as server:
        done: dict[str, str] = {}
        for turn in range(5):
            server.start()
            all_there(server, done)
            pushers = [Pusher(server, f"{turn}-{number}") for number in range(6)]
            for pusher in pushers:
                pusher.start()
            time.sleep(chance.uniform(0.1, 0.9))
            server.stop(9)
            for pusher in pushers:
                pusher.join()
                done.update(pusher.done)
        assert len(done) > 60
        server.start()
        all_there(server, done)
        server.stop()
        verified(server)


def test_kill_during_eviction_and_collection(
    docker_hub: Hub, images: list[Image], tmp_path: Path
) -> None:
    """A quota of half of what is pulled, so that eviction never rests; a sweep every second."""
    chance = random.Random(13)  # noqa: S311 - a test
    wanted = layers(images)
    quota = 30 * MB
    with made(tmp_path, docker_hub, f"quota = {quota}\nsweep_interval = 1") as server:
        done: dict[str, str] = {}
        served = 0
        for turn in range(5):
            server.start()
            for n in range(1, 5):
                assert server.get(f"/v2/library/k{n}/manifests/1").status == 200
            pusher = Pusher(server, str(turn))
            clients = [Download(server, path) for path in wanted]
            chance.shuffle(clients)
            for each in (*clients, pusher):
                each.start()
            time.sleep(chance.uniform(0.5, 1.5))
            server.stop(9)
            for each in (*clients, pusher):
                each.join()
            served += rightly(clients, wanted)
            done.update(pusher.done)
            if sum(200_000 for path in done if "/blobs/" in path) > quota // 2:
                break
        assert served > 0
        server.start()
        all_there(server, done)
        for path in wanted:
            (client,) = run_all([Download(server, path)])
            assert (client.status, client.digest) == (200, wanted[path][0])
        server.stop()
        report = verified(server)
        assert report["size"] <= quota
