"""What the server's process holds: flat in the size of blobs, little for who only waits."""

import http.client
import re
import socket
import time
from pathlib import Path

from testbed.downloads import Download, run_all
from testbed.hub import Hub, wait_for
from testbed.mirror import Mirror, mirror, upstream

MB = 1_000_000
KIB = 1024
CONFIG = '[mirror]\nlisten = "{address}"\ndata = "{data}"\n'


def resident(server: Mirror, field: str = "VmRSS") -> int:
    """Bytes of memory, from /proc: VmRSS now, VmHWM the most so far."""
    assert server.process is not None
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) * KIB


def fan_in(hub: Hub, folder: Path, size: int) -> int:
    """The most memory while 20 clients pull one cold layer of `size`."""
    name = f"fan{size}"
    image = hub.push(f"library/{name}:1", size=size)
    digest, length = image.layers[0]
    with mirror(folder / name, CONFIG + upstream("docker.io", hub.direct)) as server:
        assert server.get(f"/v2/library/{name}/manifests/1").status == 200
        path = f"/v2/library/{name}/blobs/{digest}"
        clients = run_all([Download(server, path) for _ in range(20)])
        assert {(each.digest, each.size) for each in clients} == {(digest, length)}
        return resident(server, "VmHWM")


def test_twenty_clients_of_one_cold_layer(upstream_hub: Hub, tmp_path: Path) -> None:
    small = fan_in(upstream_hub, tmp_path, 64 * MB)
    large = fan_in(upstream_hub, tmp_path, 256 * MB)
    assert max(small, large) <= 80 * MB
    # One module that is loaded late (to sign a head of the audit) is 9 MB; the layers differ by 192
    assert large - small <= 20 * MB


def test_idle_connections(upstream_hub: Hub, tmp_path: Path) -> None:
    upstream_hub.push("library/idle:1")
    with mirror(tmp_path, CONFIG + upstream("docker.io", upstream_hub.address)) as server:
        path = "/v2/library/idle/manifests/1"
        assert server.get(path).status == 200
        idle: list[http.client.HTTPConnection] = []
        try:
            # What the first ones cost is for tables that the others share.
            for count in (50, 500):
                before = resident(server)
                for _ in range(count):
                    connection = http.client.HTTPConnection(server.address, timeout=10)
                    connection.request("GET", path)
                    assert connection.getresponse().read()
                    idle.append(connection)
                cost = (resident(server) - before) / count
                # Under the limit for one address: these come from one.
                if len(idle) == 50:
                    while idle:
                        idle.pop().close()
            assert cost <= 20 * KIB, cost
            assert server.get("/readyz").status == 200
        finally:
            while idle:
                idle.pop().close()


def test_slow_clients_hold_no_memory(upstream_hub: Hub, tmp_path: Path) -> None:
    """Ten clients that read nothing of a layer that fills, and of one that is here."""
    image = upstream_hub.push("library/slow:1", size=64 * MB)
    digest, length = image.layers[0]
    path = f"/v2/library/slow/blobs/{digest}"
    with mirror(tmp_path, CONFIG + upstream("docker.io", upstream_hub.direct)) as server:
        assert server.get("/v2/library/slow/manifests/1").status == 200
        before = resident(server)
        stuck = [stuck_client(server, path) for _ in range(10)]
        try:
            home = server.data / "blobs" / "sha256" / digest[7:9] / digest[7:]
            wait_for(home.exists, 20, "slow clients hold up the fill")
            stuck += [stuck_client(server, path) for _ in range(10)]
            time.sleep(0.3)
            assert resident(server) - before <= 20 * MB
            (client,) = run_all([Download(server, path)])
            assert (client.digest, client.size) == (digest, length)
        finally:
            for each in stuck:
                each.close()


def stuck_client(server: Mirror, path: str) -> socket.socket:
    """It asks, and then takes nothing."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, _, port = server.address.partition(":")
    made.connect((host, int(port)))
    made.sendall(f"GET {path} HTTP/1.1\r\nHost: {server.address}\r\n\r\n".encode())
    return made


def test_many_layers_at_once(upstream_hub: Hub, tmp_path: Path) -> None:
    """What fills hold is shared among them: forty cold layers, each for three clients."""
    image = upstream_hub.push("library/many:1", size=4 * MB, layers=40)
    with mirror(tmp_path, CONFIG + upstream("docker.io", upstream_hub.direct)) as server:
        assert server.get("/v2/library/many/manifests/1").status == 200
        before = resident(server)
        clients = run_all(
            [
                Download(server, f"/v2/library/many/blobs/{digest}", source=f"127.0.{at}.{of}")
                for at, (digest, _) in enumerate(image.layers)
                for of in (1, 2, 3)
            ]
        )
        assert [each.digest for each in clients] == [
            digest for digest, _ in image.layers for _ in range(3)
        ]
        assert resident(server, "VmHWM") - before <= 54 * MB
