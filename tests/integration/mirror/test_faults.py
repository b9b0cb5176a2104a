"""A failing upstream, seen through the mirror by many clients at once."""

import http.client
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.downloads import Download, run_all
from testbed.hub import Hub, Image, wait_for
from testbed.mirror import Mirror, mirror, upstream

MB = 1_000_000
SETTINGS = """
tag_ttl = "1s"
revalidate_timeout = "1s"
answer_timeout = "3s"
connect_timeout = "2s"
read_timeout = "3s"
"""


@pytest.fixture
def served(upstream_hub: Hub, tmp_path: Path) -> Iterator[Mirror]:
    text = '[mirror]\nlisten = "{address}"\ndata = "{data}"\n'
    with mirror(tmp_path, text + upstream("docker.io", upstream_hub.address, more=SETTINGS)) as it:
        yield it


def blob(image: Image, name: str) -> str:
    return f"/v2/library/{name}/blobs/{image.layers[0][0]}"


def manifest(made: Mirror, name: str, tag: str = "1") -> int:
    return made.get(f"/v2/library/{name}/manifests/{tag}").status


def download(made: Mirror, path: str, count: int = 1) -> list[Download]:
    return run_all([Download(made, path) for _ in range(count)])


def test_twenty_clients_and_one_cold_layer(upstream_hub: Hub, served: Mirror) -> None:
    image = upstream_hub.push("library/herd:1", size=64 * MB)
    assert manifest(served, "herd") == 200
    upstream_hub.faults.rate = 60 * MB
    upstream_hub.forget()
    clients = download(served, blob(image, "herd"), 20)
    digest, size = image.layers[0]
    assert {(client.digest, client.size) for client in clients} == {(digest, size)}
    assert upstream_hub.count("GET", "/blobs/") == 1
    assert upstream_hub.sent == size
    # The first byte is there long before the last (about a second later, at this rate).
    assert max(client.first_byte for client in clients) < 0.7


def test_one_client_alone_pays_little(upstream_hub: Hub, served: Mirror) -> None:
    """Beside a direct download of the same; the best of three, because a machine may be busy."""
    slower, later = [], []
    for number in range(3):
        image = upstream_hub.push(f"library/alone{number}:1", size=24 * MB)
        path = blob(image, f"alone{number}")
        assert manifest(served, f"alone{number}") == 200
        upstream_hub.faults.rate = 60 * MB
        took = []
        clients = [Download(upstream_hub, path), Download(served, path)]
        for client in clients:
            began = time.monotonic()
            run_all([client])
            took.append(time.monotonic() - began)
            assert client.digest == image.layers[0][0]
        slower.append(took[1] / took[0])
        later.append(clients[1].first_byte - clients[0].first_byte)
        upstream_hub.faults.clear()
    assert min(slower) <= 1.3, slower
    assert min(later) <= 0.05, later


def test_a_download_that_is_cut_goes_on_where_it_was(upstream_hub: Hub, served: Mirror) -> None:
    image = upstream_hub.push("library/cut:1", size=8 * MB)
    assert manifest(served, "cut") == 200
    upstream_hub.forget()
    upstream_hub.faults.cut_after = [3 * MB, 2 * MB]
    (client,) = download(served, blob(image, "cut"))
    digest, size = image.layers[0]
    assert (client.digest, client.complete) == (digest, True)
    ranges = [seen.headers.get("range") for seen in upstream_hub.seen if "/blobs/" in seen.path]
    assert ranges[0] is None
    assert all(text and text.startswith("bytes=") for text in ranges[1:])
    assert upstream_hub.sent < size * 1.1


@pytest.mark.parametrize("size", [0, 2 * MB], ids=["tiny", "large"])
def test_wrong_bytes_are_never_a_complete_answer(
    upstream_hub: Hub, served: Mirror, size: int
) -> None:
    name = f"wrong{size}"
    image = upstream_hub.push(f"library/{name}:1", size=size)
    assert manifest(served, name) == 200
    upstream_hub.faults.corrupt = True
    (client,) = download(served, blob(image, name))
    assert client.status != 200 or not client.complete
    upstream_hub.faults.clear()
    # Who comes while the attempt with the wrong bytes ends is told so; the next one is served.
    wait_for(lambda: served.get(blob(image, name)).status == 200, 2, "it is not tried again")
    (client,) = download(served, blob(image, name))
    assert client.digest == image.layers[0][0]


def test_a_black_hole_and_a_stale_tag(upstream_hub: Hub, served: Mirror) -> None:
    upstream_hub.push("library/hole:1")
    assert manifest(served, "hole") == 200
    time.sleep(1.1)
    upstream_hub.faults.black_hole = True
    began = time.monotonic()
    first = served.get("/v2/library/hole/manifests/1")
    assert first.status == 200
    assert time.monotonic() - began < 2
    assert first.headers["warning"].startswith("299 - ")
    assert int(first.headers["age"]) >= 1
    began = time.monotonic()
    assert manifest(served, "hole") == 200
    assert time.monotonic() - began < 0.05
    began = time.monotonic()
    cold = served.get("/v2/library/never-seen/manifests/1")
    assert cold.status in (502, 504)
    assert time.monotonic() - began < 5


def refuse(status: int, **headers: str) -> Callable[[Hub], None]:
    def fault(made: Hub) -> None:
        made.faults.status = status
        made.faults.headers = {name.replace("_", "-"): text for name, text in headers.items()}

    return fault


@pytest.mark.parametrize(
    ("fault", "cold", "code"),
    [
        (refuse(429, Retry_After="7"), 429, "TOOMANYREQUESTS"),
        (refuse(401), 403, "DENIED"),
        (refuse(403), 403, "DENIED"),
        (refuse(500), 502, "UNAVAILABLE"),
        (refuse(503), 502, "UNAVAILABLE"),
    ],
    ids=["429", "401", "403", "500", "503"],
)
def test_what_a_failure_becomes(
    upstream_hub: Hub, served: Mirror, fault: Callable[[Hub], None], cold: int, code: str
) -> None:
    upstream_hub.push("library/held:1")
    assert manifest(served, "held") == 200
    time.sleep(1.1)
    fault(upstream_hub)
    answer = served.get("/v2/library/cold-one/manifests/1")
    assert answer.status == cold
    assert answer.json["errors"][0]["code"] == code
    assert "www-authenticate" not in answer.headers
    if cold == 429:
        assert 0 < int(answer.headers["retry-after"]) <= 8
    held = served.get("/v2/library/held/manifests/1")
    if cold == 403:
        assert held.status in (200, 403)
    else:
        assert held.status == 200
        assert "warning" in held.headers


def test_a_true_404_is_remembered_for_a_while(upstream_hub: Hub, served: Mirror) -> None:
    for _ in range(3):
        answer = served.get("/v2/library/nothing/manifests/1")
        assert (answer.status, answer.json["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")
    assert upstream_hub.count("HEAD", "library/nothing") <= 1
    assert upstream_hub.count("GET", "library/nothing") <= 1


def test_a_tag_that_is_gone_upstream_is_kept(upstream_hub: Hub, served: Mirror) -> None:
    image = upstream_hub.push("library/gone:1")
    assert manifest(served, "gone") == 200
    connection = http.client.HTTPConnection(upstream_hub.direct, timeout=5)
    connection.request("DELETE", f"/v2/library/gone/manifests/{image.manifest}")
    assert connection.getresponse().status == 202
    connection.close()
    time.sleep(1.1)
    answer = served.get("/v2/library/gone/manifests/1")
    assert answer.status == 200
    assert "warning" in answer.headers


def test_a_client_that_leaves_stops_nothing(upstream_hub: Hub, served: Mirror) -> None:
    image = upstream_hub.push("library/left:1", size=4 * MB)
    assert manifest(served, "left") == 200
    upstream_hub.faults.rate = 8 * MB
    upstream_hub.forget()
    connection = http.client.HTTPConnection(served.address, timeout=10)
    connection.request("GET", blob(image, "left"))
    connection.getresponse().read(1000)
    connection.close()
    wait_for(lambda: upstream_hub.sent == image.layers[0][1], 10, "the fill did not go on")
    (client,) = download(served, blob(image, "left"))
    assert client.digest == image.layers[0][0]
    assert upstream_hub.count("GET", "/blobs/") == 1


def test_a_dead_upstream_slows_no_other(upstream_hub: Hub, tmp_path: Path) -> None:
    text = '[mirror]\nlisten = "{address}"\ndata = "{data}"\n'
    text += upstream("docker.io", upstream_hub.address, more=SETTINGS)
    text += upstream("quay.io", upstream_hub.direct)
    image = upstream_hub.push("org/tool:1", size=100_000)
    upstream_hub.faults.black_hole = True
    with mirror(tmp_path, text) as served:
        dead = [Download(served, f"/v2/library/x{n}/manifests/1") for n in range(60)]
        for client in dead:
            client.start()
        time.sleep(0.3)
        began = time.monotonic()
        assert served.get("/v2/quay.io/org/tool/manifests/1").status == 200
        (client,) = download(served, f"/v2/quay.io/org/tool/blobs/{image.layers[0][0]}")
        assert client.digest == image.layers[0][0]
        assert time.monotonic() - began < 1
        for client in dead:
            client.join()
        assert {client.status for client in dead} <= {502, 504}


def test_a_restart_goes_on_with_a_partial_file(upstream_hub: Hub, served: Mirror) -> None:
    image = upstream_hub.push("library/partial:1", size=16 * MB)
    assert manifest(served, "partial") == 200
    upstream_hub.faults.rate = 8 * MB
    client = Download(served, blob(image, "partial"))
    client.start()
    wait_for(lambda: upstream_hub.sent > 6 * MB, 20, "nothing came")
    served.stop(9)
    client.join()
    assert not client.complete
    upstream_hub.faults.clear()
    upstream_hub.forget()
    served.start()
    (client,) = download(served, blob(image, "partial"))
    assert client.digest == image.layers[0][0]
    assert upstream_hub.sent < 12 * MB
