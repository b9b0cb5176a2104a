"""The limit of the whole mirror, met by ten clients of two networks on the real process."""

import threading
import time
from pathlib import Path

import pytest

from testbed.downloads import Download
from testbed.hub import Hub
from testbed.mirror import Mirror, mirror, upstream

MB = 1_000_000
RATE = 20 * MB
SOURCES = [f"127.{network}.0.{host}" for network in (1, 2) for host in range(1, 6)]
WARM_UP, WINDOW = 0.7, 4.0
CONFIG = """
[mirror]
listen = "{{address}}"
data = "{{data}}"
[mirror.bandwidth]
total = "20MB/s"
{more}
"""


class Meter:
    """Bytes of one client within the window."""

    def __init__(self) -> None:
        self.bytes = 0
        self.running = threading.Event()

    def __call__(self, size: int) -> None:
        if self.running.is_set():
            self.bytes += size


def measured(server: Mirror, paths: dict[str, list[str]]) -> dict[str, float]:
    """Bytes per second of every source address, with all of its paths at once, in the window."""
    meters = {source: Meter() for source in paths}
    clients = [
        Download(server, path, source=source, progress=meters[source])
        for source, wanted in paths.items()
        for path in wanted
    ]
    for client in clients:
        client.start()
    time.sleep(WARM_UP)
    began = time.monotonic()
    for meter in meters.values():
        meter.running.set()
    time.sleep(WINDOW)
    for meter in meters.values():
        meter.running.clear()
    took = time.monotonic() - began
    assert all(client.is_alive() for client in clients), "the window is not within the transfers"
    # What is left is of no interest.
    server.stop(9)
    for client in clients:
        client.join()
    return {source: meter.bytes / took for source, meter in meters.items()}


def is_fair(rates: dict[str, float], shares: dict[str, float]) -> None:
    assert sum(rates.values()) == pytest.approx(sum(shares.values()), rel=0.10), rates
    for source, share in shares.items():
        assert rates[source] == pytest.approx(share, rel=0.25), rates


def push(hub: Hub, name: str, *, layers: int, size: int) -> list[str]:
    image = hub.push(f"library/{name}:1", size=size, layers=layers)
    return [f"/v2/library/{name}/blobs/{digest}" for digest, _ in image.layers]


def test_hits_are_shared_by_ten_clients(upstream_hub: Hub, tmp_path: Path) -> None:
    """One client has three transfers at once, and no more than the others."""
    (path,) = push(upstream_hub, "warm", layers=1, size=16 * MB)
    text = CONFIG.format(more="shape_hits = true") + upstream("docker.io", upstream_hub.address)
    with mirror(tmp_path, text) as server:
        assert server.get("/v2/library/warm/manifests/1").status == 200
        fill = Download(server, path)
        fill.start()
        fill.join()
        assert fill.complete
        paths = {source: [path] for source in SOURCES}
        paths[SOURCES[0]] *= 3
        rates = measured(server, paths)
    is_fair(rates, dict.fromkeys(SOURCES, RATE / 10))


def test_downloads_are_shared_by_ten_clients(upstream_hub: Hub, tmp_path: Path) -> None:
    """Each pulls cold layers of its own; one pulls three at once."""
    paths = push(upstream_hub, "cold", layers=12, size=12 * MB)
    wanted = {source: [paths[number]] for number, source in enumerate(SOURCES)}
    wanted[SOURCES[0]] += paths[10:]
    text = CONFIG.format(more="") + upstream("docker.io", upstream_hub.address)
    with mirror(tmp_path, text) as server:
        assert server.get("/v2/library/cold/manifests/1").status == 200
        rates = measured(server, wanted)
    is_fair(rates, dict.fromkeys(SOURCES, RATE / 10))


def test_a_network_has_a_limit_of_its_own(upstream_hub: Hub, tmp_path: Path) -> None:
    (path,) = push(upstream_hub, "net", layers=1, size=30 * MB)
    networks = 'shape_hits = true\nnetworks = [{ network = "127.1.0.0/16", rate = "5MB/s" }]'
    text = CONFIG.format(more=networks) + upstream("docker.io", upstream_hub.address)
    with mirror(tmp_path, text) as server:
        assert server.get("/v2/library/net/manifests/1").status == 200
        fill = Download(server, path)
        fill.start()
        fill.join()
        rates = measured(server, {source: [path] for source in SOURCES})
    shares = dict.fromkeys(SOURCES[:5], 1.0 * MB) | dict.fromkeys(SOURCES[5:], 3.0 * MB)
    is_fair(rates, shares)
