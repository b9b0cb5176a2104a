"""A data folder that fills up: pulls go on, pushes are told why, and nothing needs a restart."""

import hashlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from testbed.downloads import Download, run_all
from testbed.hub import Hub, wait_for
from testbed.mirror import Got, Mirror, mirror, upstream

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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB, where `mirror(…)` has its data."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "m" / "data"
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "homeport-test", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def push_blob(server: Mirror, content: bytes) -> Got:
    """POST with all the bytes."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    kind = {"Content-Type": "application/octet-stream"}
    path = f"/v2/team/app/blobs/uploads/?digest={digest}"
    return server.get(path, method="POST", headers=kind, body=content)


def fill_up(folder: Path) -> Path:
    """Take what is left of the disk."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return ballast


def test_pulls_go_through_and_pushes_are_refused(
    upstream_hub: Hub, small_disk: Path, tmp_path: Path
) -> None:
    image = upstream_hub.push("library/full:1", size=8 * MB, layers=2)
    more = upstream_hub.push("library/more:1", size=2 * MB, layers=1)
    text = CONFIG.format(store="reserve = 0")
    text += upstream("docker.io", upstream_hub.address, more='tag_ttl = "1h"\n')
    with mirror(tmp_path / "m", text) as server:
        assert server.get("/v2/library/full/manifests/1").status == 200
        assert server.get("/v2/library/more/manifests/1").status == 200
        held = b"kept" * 1000
        assert push_blob(server, held).status == 201

        # It fills up under way: 16 MB reserved while another takes the rest of the disk.
        upstream_hub.faults.rate = 8 * MB
        clients = [
            Download(server, f"/v2/library/full/blobs/{digest}")
            for digest, _ in image.layers
            for _ in range(4)
        ]
        for client in clients:
            client.start()
        wait_for(lambda: upstream_hub.sent > 4 * MB, 10, "nothing came")
        ballast = fill_up(small_disk)
        for client in clients:
            client.join()
        upstream_hub.faults.rate = None
        assert {(each.digest, each.size, each.complete) for each in clients} == {
            (digest, size, True) for digest, size in image.layers
        }

        # Full: what is cold goes through, by range as well; what is held is served.
        digest, _ = more.layers[0]
        path = f"/v2/library/more/blobs/{digest}"
        fill_up(small_disk)
        through = run_all([Download(server, path) for _ in range(4)])
        assert {(each.digest, each.complete) for each in through} == {(digest, True)}
        part = server.get(path, headers={"Range": "bytes=1000-1999"})
        assert (part.status, len(part.body)) == (206, 1000)
        assert server.get("/v2/library/full/manifests/1").status == 200
        kept = f"sha256:{hashlib.sha256(held).hexdigest()}"
        assert server.get(f"/v2/team/app/blobs/{kept}").body == held

        refused = push_blob(server, os.urandom(MB))
        assert refused.status == 507, refused.body
        assert "full" in refused.json["errors"][0]["message"]

        # Space again: everything goes on by itself.
        ballast.unlink()
        for other in small_disk.glob("ballast*"):
            other.unlink()
        assert push_blob(server, os.urandom(MB)).status == 201
        (client,) = run_all([Download(server, path)])
        assert (client.digest, client.complete) == (digest, True)
        upstream_hub.forget()
        (client,) = run_all([Download(server, path)])
        assert (client.digest, client.complete) == (digest, True)
        assert upstream_hub.count("GET", digest) == 0
        assert server.get("/readyz").status == 200
        # The audit had to wait for space, too, and has it all.
        wait_for(lambda: audited(server, digest) == 7, 5, "records are missing")
        verified = server.homeport("audit", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr


def audited(server: Mirror, digest: str) -> int:
    done = server.homeport("audit", "query", "--json", "--digest", digest)
    assert done.returncode == 0, done.stderr
    return len(done.stdout.splitlines())


def test_reserve_is_nobodys(upstream_hub: Hub, small_disk: Path, tmp_path: Path) -> None:
    image = upstream_hub.push("library/reserve:1", size=8 * MB)
    text = CONFIG.format(store='reserve = "20MB"') + upstream("docker.io", upstream_hub.address)
    with mirror(tmp_path / "m", text) as server:
        assert server.get("/v2/library/reserve/manifests/1").status == 200
        digest, _ = image.layers[0]
        clients = run_all([Download(server, f"/v2/library/reserve/blobs/{digest}")] * 1)
        assert (clients[0].digest, clients[0].complete) == (digest, True)
        assert push_blob(server, bytes(8 * MB)).status == 507
        used = sum(each.stat().st_size for each in small_disk.rglob("*") if each.is_file())
        assert used < 4 * MB


def age(server: Mirror, seconds: float) -> None:
    """Make a stopped mirror's memory of what it served so much older: a manifest that was served
    keeps its blobs for an hour."""
    with closing(sqlite3.connect(server.data / "metadata.db")) as database:
        database.execute("UPDATE links SET used = used - ?", (seconds,))
        database.execute("UPDATE blob_links SET at = at - ?", (seconds,))
        database.execute("UPDATE holds SET until = until - ?", (seconds,))
        database.commit()


def test_cold_images_go_first_and_pins_never(upstream_hub: Hub, tmp_path: Path) -> None:
    """A quota of four images: one pinned, one pushed, and the two that were used last."""
    images = {name: upstream_hub.push(f"library/{name}:1", size=2 * MB) for name in "abcde"}
    store = 'quota = "9MB"\npins = ["docker.io/library/a:1"]'
    text = CONFIG.format(store=store) + upstream("docker.io", upstream_hub.address)

    def pull(server: Mirror, name: str) -> None:
        assert server.get(f"/v2/library/{name}/manifests/1").status == 200
        digest = images[name].layers[0][0]
        (client,) = run_all([Download(server, f"/v2/library/{name}/blobs/{digest}")])
        assert (client.digest, client.complete) == (digest, True)

    def held(server: Mirror) -> str:
        digests = {name: image.layers[0][0][7:] for name, image in images.items()}
        folder = server.data / "blobs" / "sha256"
        return "".join(
            n for n, digest in digests.items() if (folder / digest[:2] / digest).exists()
        )

    with mirror(tmp_path / "m", text) as server:
        local = os.urandom(2 * MB)
        assert push_blob(server, local).status == 201
        for name in "abc":
            pull(server, name)
        # What was served in the last hour is not taken from a client that is just pulling it.
        pull(server, "d")
        assert held(server) == "abc"
        for name, left in (("d", "acd"), ("c", "acd"), ("e", "ace"), ("b", "abe")):
            server.stop()
            age(server, 7 * 3600)
            server.start()
            pull(server, name)
            assert held(server) == left
            kept = f"sha256:{hashlib.sha256(local).hexdigest()}"
            assert server.get(f"/v2/team/app/blobs/{kept}").body == local
