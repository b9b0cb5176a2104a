"""Mirrors of mirrors, and several addresses of one upstream."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from testbed.downloads import Download, run_all
from testbed.hub import Hub, Image, free_port, hub, wait_for
from testbed.mirror import Got, Mirror, mirror, upstream

MB = 1_000_000
CONFIG = '[mirror]\nlisten = "{address}"\ndata = "{data}"\n'
QUICK = 'tag_ttl = "50ms"\nanswer_timeout = "1s"\nconnect_timeout = "1s"\nread_timeout = "1s"\n'
ACCEPT = {"Accept": "application/vnd.oci.image.manifest.v1+json"}


def pull(server: Mirror, name: str, image: Image) -> None:
    """As dockerd does: /v2/, HEAD by tag, GET by digest, then HEAD and GET of the blobs."""
    assert server.get("/v2/").status == 200
    head = server.get(f"/v2/{name}/manifests/1", method="HEAD", headers=ACCEPT)
    assert head.status == 200
    assert head.headers["docker-content-digest"] == image.manifest
    manifest = server.get(f"/v2/{name}/manifests/{image.manifest}", headers=ACCEPT)
    assert hashlib.sha256(manifest.body).hexdigest() == image.manifest[7:]
    listed = json.loads(manifest.body)
    for each in (listed["config"], *listed["layers"]):
        path = f"/v2/{name}/blobs/{each['digest']}"
        found = server.get(path, method="HEAD")
        assert (found.status, int(found.headers["content-length"])) == (200, each["size"])
        (client,) = run_all([Download(server, path)])
        assert (client.status, client.digest, client.size) == (200, each["digest"], each["size"])


def test_homeport_behind_homeport(upstream_hub: Hub, tmp_path: Path) -> None:
    image = upstream_hub.push("library/deep:1", size=2 * MB, layers=3)
    outer_text = CONFIG + upstream("docker.io", upstream_hub.address)
    with mirror(tmp_path / "outer", outer_text) as outer:
        text = CONFIG + upstream("docker.io", outer.address)
        with mirror(tmp_path / "inner", text) as inner:
            upstream_hub.forget()
            pull(inner, "library/deep", image)
            for digest, _ in image.layers:
                assert upstream_hub.count("GET", digest) == 1
            pull(inner, "library/deep", image)
            pull(outer, "library/deep", image)
            for digest, _ in image.layers:
                assert upstream_hub.count("GET", digest) == 1
            absent = inner.get("/v2/library/absent/manifests/1")
            assert absent.status == 404


@contextmanager
def proxy_registry(folder: Path, remote: str) -> Iterator[str]:
    """docker-registry as a pull-through cache of `remote`; its HOST:PORT."""
    folder.mkdir()
    port = free_port()
    (folder / "proxy.yml").write_text(
        f"""version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder / "storage"}}}}}
http: {{addr: 127.0.0.1:{port}}}
proxy: {{remoteurl: http://{remote}}}
"""
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "proxy.yml")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        wait_for(lambda: status_of(f"127.0.0.1:{port}") == 200, 15, "the proxy does not answer")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def status_of(address: str) -> int:
    try:
        return at(address, "/v2/").status
    except OSError:
        return 0


def at(address: str, path: str) -> Got:
    made = Mirror.__new__(Mirror)
    made.address = address
    return made.get(path, headers=ACCEPT)


def test_homeport_behind_a_proxy_of_distribution(upstream_hub: Hub, tmp_path: Path) -> None:
    """Such a proxy answers HEAD of a blob with 404 until somebody has asked for it by GET."""
    image = upstream_hub.push("library/behind:1", size=2 * MB, layers=2)
    with proxy_registry(tmp_path / "proxy", upstream_hub.address) as address:
        text = CONFIG + upstream("docker.io", address)
        with mirror(tmp_path / "mirror", text) as server:
            pull(server, "library/behind", image)
            pull(server, "library/behind", image)


def test_a_proxy_of_distribution_behind_homeport(upstream_hub: Hub, tmp_path: Path) -> None:
    image = upstream_hub.push("library/before:1", size=2 * MB, layers=2)
    with mirror(tmp_path / "m", CONFIG + upstream("docker.io", upstream_hub.address)) as server:
        with proxy_registry(tmp_path / "proxy", server.address) as address:
            digest, size = image.layers[0]
            assert at(address, f"/v2/library/before/manifests/{image.manifest}").status == 200
            got = at(address, f"/v2/library/before/blobs/{digest}")
            assert hashlib.sha256(got.body).hexdigest() == digest[7:]
            assert len(got.body) == size
        assert upstream_hub.count("GET", digest) == 1


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Hub]:
    with hub(tmp_path / "second") as made:
        yield made


def is_there(server: Mirror, path: str) -> bool:
    return server.get(path).status == 200


def copy(name: str, source: Hub, target: Hub) -> None:
    command = ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false"]
    command += ["--dest-tls-verify=false", f"docker://{source.direct}/{name}"]
    subprocess.run([*command, f"docker://{target.direct}/{name}"], check=True, timeout=60)


def test_the_second_address_of_an_upstream(upstream_hub: Hub, second: Hub, tmp_path: Path) -> None:
    image = upstream_hub.push("library/two:1", size=3 * MB, layers=4)
    copy("library/two:1", upstream_hub, second)
    text = CONFIG + upstream("docker.io", upstream_hub.address, second.address, more=QUICK)
    digest, size = image.layers[0]

    def fresh(name: str) -> Iterator[Mirror]:
        with mirror(tmp_path / name, text) as server:
            yield server

    def black_hole() -> None:
        upstream_hub.faults.black_hole = True

    def failing() -> None:
        upstream_hub.faults.status = 500

    def refusing() -> None:
        upstream_hub.faults.status = 429

    for fault in (black_hole, failing, refusing):
        upstream_hub.faults.clear()
        fault()
        for server in fresh(fault.__name__):
            pull(server, "library/two", image)

    # Wrong bytes: the client is cut, and the next attempt is of the second address.
    upstream_hub.faults.clear()
    upstream_hub.faults.corrupt = True
    for server in fresh("corrupt"):
        assert server.get("/v2/library/two/manifests/1").status == 200
        path = f"/v2/library/two/blobs/{digest}"
        (client,) = run_all([Download(server, path)])
        assert not client.complete or client.digest == digest
        wait_for(partial(is_there, server, path), 3, "the second is not asked")
        (client,) = run_all([Download(server, path)])
        assert (client.complete, client.digest) == (True, digest)

    # A cut in the middle, and then nothing more of the first.
    upstream_hub.faults.clear()
    upstream_hub.faults.cut_after = [2 * MB]
    second.forget()
    for server in fresh("cut"):
        assert server.get("/v2/library/two/manifests/1").status == 200
        upstream_hub.faults.rate = 4 * MB
        client = Download(server, f"/v2/library/two/blobs/{digest}")
        client.start()
        wait_for(lambda: not upstream_hub.faults.cut_after, 5, "nothing was asked")
        upstream_hub.faults.status = 500
        client.join()
        assert (client.complete, client.digest, client.size) == (True, digest, size)
    assert goes_on_at(second, digest)
    assert second.sent < size


def goes_on_at(made: Hub, digest: str) -> bool:
    ranges = [seen.headers.get("range") for seen in made.seen if digest in seen.path]
    return any(text and text.startswith("bytes=") for text in ranges)


def test_a_download_leaves_an_address_that_drips(
    upstream_hub: Hub, second: Hub, tmp_path: Path
) -> None:
    image = upstream_hub.push("library/drip:1", size=3 * MB)
    copy("library/drip:1", upstream_hub, second)
    more = QUICK + 'min_rate = "1MB/s"\n'
    text = CONFIG + upstream("docker.io", upstream_hub.address, second.address, more=more)
    digest, size = image.layers[0]
    with mirror(tmp_path / "m", text) as server:
        assert server.get("/v2/library/drip/manifests/1").status == 200
        # Each piece comes within read_timeout; all of them would take 30 seconds.
        upstream_hub.faults.rate = MB // 10
        (client,) = run_all([Download(server, f"/v2/library/drip/blobs/{digest}")])
        assert (client.complete, client.digest, client.size) == (True, digest, size)
    assert upstream_hub.count("GET", digest) == 1
    assert goes_on_at(second, digest)


@pytest.mark.parametrize("root", ["/v2/quay.io", "/v2/quay.io/"])
def test_an_upstream_with_a_path(upstream_hub: Hub, tmp_path: Path, root: str) -> None:
    """homeport itself as such a one: everything of quay.io is under `quay.io/` there."""
    image = upstream_hub.push("org/pathed:1", size=MB, layers=2)
    outer_text = CONFIG.replace('listen = "{address}"\n', "")
    outer_text += '[[mirror.listeners]]\naddress = "{address}"\nrole = "registry"\n'
    outer_text += upstream("quay.io", upstream_hub.address)
    outer_text += upstream("docker.io", "127.0.0.1:9")
    with mirror(tmp_path / "outer", outer_text) as outer:
        text = CONFIG + upstream("docker.io", f"{outer.address}{root}")
        with mirror(tmp_path / "inner", text) as inner:
            pull(inner, "org/pathed", image)
            listed = inner.get("/v2/org/pathed/tags/list?n=5")
            assert listed.json == {"name": "org/pathed", "tags": ["1"]}
