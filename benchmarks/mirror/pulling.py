"""Pull-through mirrors beside each other: warm manifests, one cold layer for many clients."""

import http.client
import re
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.mirror.figures import Served, cpu_of, load_requests, memory_of
from benchmarks.mirror.servers import (
    REPOSITORY,
    docker_registry_proxy,
    homeport_mirror,
    make_content,
    upstream,
)

CLIENTS = 20
_BLOB = re.compile(rb'"GET /v2/\S+/blobs/\S+ HTTP/1.1" (\d+) (\d+)')


class Pulls(NamedTuple):
    """`manifest` is CPU µs of a warm GET. `gets`, `times` (bytes fetched ÷ size), `first_byte`
    (seconds, the slowest client's), `seconds` and `memory` (MiB) are of the fan-in; `alone` is the
    time of one cold download over that of a direct one.
    """

    label: str
    manifest: float
    gets: int
    times: float
    first_byte: float
    seconds: float
    memory: float
    alone: float


def pulls(*, tags: int) -> list[str]:
    """The table and the targets."""
    found: list[Pulls] = []
    with tempfile.TemporaryDirectory(prefix="homeport-bench-") as folder:
        content = make_content(Path(folder))
        log = Path(folder, "upstream.log")
        with upstream(content, log, tags=tags) as source:
            direct = min(_download(source)[1] for _ in range(3))
            for make in (docker_registry_proxy, homeport_mirror):
                few = make is docker_registry_proxy
                with make(content, source.plain) as served:
                    manifest = _manifests(served, min(tags, 300) if few else tags, few=few)
                with make(content, source.plain) as served:
                    fan_in = _fan_in(served, log, content.blob.stat().st_size)
                with make(content, source.plain) as served:
                    alone = _download(served)[1] / direct
                found.append(Pulls(served.label, manifest, *fan_in, alone))
    return [*_table(found), "", *_targets(found)]


def _manifests(served: Served, tags: int, *, few: bool) -> float:
    paths = [f"/v2/{REPOSITORY}/manifests/{tag}" for tag in range(1, tags + 1)]
    load_requests(served.plain, paths, tags)
    count = tags * 3 if few else max(tags * 3, 60_000)
    before = cpu_of(served.pid)
    load_requests(served.plain, paths, count)
    return (cpu_of(served.pid) - before) / count * 1e6


def _fan_in(served: Served, log: Path, size: int) -> tuple[int, float, float, float, float]:
    _get(served, f"/v2/{REPOSITORY}/manifests/1")
    begin = log.stat().st_size
    results: list[tuple[float, float]] = []
    threads = [
        threading.Thread(target=lambda: results.append(_download(served))) for _ in range(CLIENTS)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    memory = memory_of(served.pid) / 1024**2
    time.sleep(1)  # what goes on behind the clients' backs counts as well
    with log.open("rb") as file:
        file.seek(begin)
        answers = _BLOB.findall(file.read())
    fetched = sum(int(answer[1]) for answer in answers)
    return len(answers), fetched / size, max(first for first, _ in results), seconds, memory


def _get(served: Served, path: str) -> None:
    client = http.client.HTTPConnection(served.plain, timeout=120)
    accept = "application/vnd.oci.image.manifest.v1+json"
    client.request("GET", path, headers={"Accept": accept})
    client.getresponse().read()
    client.close()


def _download(served: Served) -> tuple[float, float]:
    """Seconds until the first byte and until the last."""
    began = time.perf_counter()
    client = http.client.HTTPConnection(served.plain, timeout=300)
    client.request("GET", served.blob)
    answer = client.getresponse()
    assert answer.status == 200, answer.status
    answer.read(1)
    first = time.perf_counter() - began
    while answer.read(1024**2):
        pass
    client.close()
    return first, time.perf_counter() - began


def _table(found: list[Pulls]) -> list[str]:
    lines = [
        f"{CLIENTS} clients and one cold layer of 64 MiB; the upstream gives each connection 25",
        "MiB a second after a first burst. Warm manifests with rules and audit on.",
        "",
        "| mirror | manifest, CPU µs | GETs | bytes | first byte s | all s | MiB | one client |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {one.label} | {one.manifest:.0f} | {one.gets} | {one.times:.2f} x | "
        f"{one.first_byte:.2f} | {one.seconds:.1f} | {one.memory:.0f} | {one.alone:.2f} x direct |"
        for one in found
    ]
    return lines


def _targets(found: list[Pulls]) -> list[str]:
    peer, own = found
    checks = [
        ("manifest GET ≤ 1/30 of docker-registry's proxy", own.manifest, peer.manifest / 30),
        ("one upstream GET", own.gets, 1),
        ("1.0 x the bytes", own.times, 1.005),
        ("memory ≤ 80 MiB under the fan-in", own.memory, 80),
        ("one client alone ≤ 1.3 x a direct download", own.alone, 1.3),
    ]
    return [
        f"- {'met' if value <= most else 'MISSED'}: {words}: {value:.3g} (limit {most:.3g})"
        for words, value, most in checks
    ]
