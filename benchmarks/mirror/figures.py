"""A running server's figures: CPU per manifest request and per gigabyte, memory."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

_TICK = os.sysconf("SC_CLK_TCK")


class Served(NamedTuple):
    """A server that runs. `pid` is the root of its process tree; addresses are `HOST:PORT`, `tls`
    None where it has no TLS; paths begin with a slash, and a warm-up is made before measuring."""

    label: str
    pid: int
    plain: str
    tls: str | None
    manifests: tuple[str, ...]
    blob: str


class Figures(NamedTuple):
    """CPU (user and system) of the server alone: microseconds per manifest, seconds per gigabyte
    (10^9); the rest as measured by the clients; None where it was not measured."""

    label: str
    manifest: float
    manifests_per_second: float
    blob: float
    blob_tls: float | None
    memory: float
    """MiB resident, of the whole tree, at the end."""


def measure(served: Served, *, requests: int = 20_000, gigabytes: float = 4.0) -> Figures:
    """Measure a server. It must be the only work on the machine; compare only figures of one go."""
    with tempfile.TemporaryDirectory(prefix="homeport-bench-") as folder:
        manifests, blob = Path(folder, "manifests"), Path(folder, "blob")
        manifests.write_text("\n".join(served.manifests))
        blob.write_text(served.blob)
        warm = max(2000, len(served.manifests))
        _load("requests", served.plain, manifests, count=warm, connections=64)
        before = cpu_of(served.pid)
        done = _load("requests", served.plain, manifests, count=requests, connections=64)
        manifest = (cpu_of(served.pid) - before) / done[0] * 1e6
        plain = _per_gigabyte(served.pid, served.plain, blob, gigabytes, tls=False)
        tls = None
        if served.tls is not None:
            tls = _per_gigabyte(served.pid, served.tls, blob, gigabytes / 2, tls=True)
    return Figures(
        served.label, manifest, done[0] / done[2], plain, tls, memory_of(served.pid) / 1024**2
    )


def load_requests(address: str, paths: list[str], count: int) -> None:
    """Ask for the paths in turns, on 64 connections."""
    with tempfile.TemporaryDirectory(prefix="homeport-bench-") as folder:
        file = Path(folder, "paths")
        file.write_text("\n".join(paths))
        _load("requests", address, file, count=count, connections=min(64, len(paths)))


def on_cpu(index: int) -> list[str]:
    """The words before a command that keep it on one processor: servers on the first, clients on
    the last. The kernel does a part of a loopback transfer for whoever runs at that moment; without
    this the figures of one server differ by a factor of four from run to run."""
    cpus = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cpus[index])] if len(cpus) > 1 else []


def _per_gigabyte(pid: int, address: str, blob: Path, gigabytes: float, *, tls: bool) -> float:
    _, size, _ = _load("download", address, blob, count=1, connections=1, tls=tls)
    count = max(1, round(gigabytes * 1e9 / size / 2))
    before = cpu_of(pid)
    _, total, _ = _load("download", address, blob, count=count, connections=2, tls=tls)
    return (cpu_of(pid) - before) / (total / 1e9)


def _load(
    kind: str, address: str, paths: Path, *, count: int, connections: int, tls: bool = False
) -> tuple[int, int, float]:
    argv = [*on_cpu(-1), sys.executable, "-m", "benchmarks.mirror.load", kind, address, str(paths)]
    argv += ["--count", str(count), "--connections", str(connections), *["--tls"] * tls]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, timeout=300)
    requests, size, seconds = json.loads(done.stdout)
    return requests, size, seconds


def cpu_of(pid: int) -> float:
    """Seconds of a process and its descendants, those that have ended and were waited for too."""
    return sum(_cpu(number) for number in tree_of(pid))


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / _TICK


def memory_of(pid: int) -> int:
    """Bytes resident of a process and its descendants (shared pages count in each)."""
    pages = sum(int(Path(f"/proc/{n}/statm").read_text().split()[1]) for n in tree_of(pid))
    return pages * os.sysconf("SC_PAGE_SIZE")


def tree_of(pid: int) -> list[int]:
    found = [pid]
    for number in found:
        for task in Path(f"/proc/{number}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found
