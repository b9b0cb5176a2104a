"""`python -m benchmarks.mirror`: the servers in turns, the figures, the targets.

A missed target is printed and does not change the exit status.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.mirror.audit import audit
from benchmarks.mirror.figures import Figures, measure
from benchmarks.mirror.pulling import pulls
from benchmarks.mirror.servers import docker_registry, homeport, make_content, nginx, own, stub

STUB = "homeport, HTTP side alone"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mirror", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--tags", type=int, default=10_000, help="distinct references")
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument(
        "--own",
        metavar="COMMAND",
        help="a server of your own with {plain}, {tls}, {certificate}, {key}, {folder} in it",
    )
    parser.add_argument("--fill", action="store_true", help="push the content to it first")
    options = parser.parse_args()
    found: dict[str, list[Figures]] = {}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="homeport-bench-") as folder:
            content = make_content(Path(folder))
            servers = [nginx(content), docker_registry(content), stub(content), homeport(content)]
            if options.own:
                servers.append(own("another", options.own, content, fill=options.fill))
            for server in servers:
                with server as served:
                    few = served.label == "docker-registry"
                    requests = options.requests // 10 if few else options.requests
                    figures = measure(served, requests=requests, gigabytes=options.gigabytes)
                    found.setdefault(served.label, []).append(figures)
    print("\n".join(table(found)))
    print()
    print("\n".join(targets({label: median(runs) for label, runs in found.items()})))
    print()
    print("\n".join(pulls(tags=options.tags)))
    print("\n".join(audit()))
    return 0


def median(runs: Sequence[Figures]) -> Figures:
    tls = [run.blob_tls for run in runs if run.blob_tls is not None]
    return Figures(
        runs[0].label,
        statistics.median(run.manifest for run in runs),
        statistics.median(run.manifests_per_second for run in runs),
        statistics.median(run.blob for run in runs),
        statistics.median(tls) if tls else None,
        statistics.median(run.memory for run in runs),
    )


def table(found: dict[str, list[Figures]]) -> list[str]:
    lines = [
        "| server | manifest GET, CPU µs | req/s | blob 64 MiB, CPU s/GB | TLS, CPU s/GB | MiB |",
        "|---|---|---|---|---|---|",
    ]
    for label, runs in found.items():
        one = median(runs)
        spread = f"{min(r.manifest for r in runs):.0f}..{max(r.manifest for r in runs):.0f}"
        blobs = f"{min(r.blob for r in runs):.3f}..{max(r.blob for r in runs):.3f}"
        tls = "-" if one.blob_tls is None else f"{one.blob_tls:.2f}"
        lines.append(
            f"| {label} | {one.manifest:.0f} ({spread}) | {one.manifests_per_second:.0f}"
            f" | {one.blob:.3f} ({blobs}) | {tls} | {one.memory:.0f} |"
        )
    return lines


def targets(medians: dict[str, Figures]) -> list[str]:
    floor, peer = medians["nginx"], medians["docker-registry"]
    lines = [f"- nginx itself: blob {floor.blob / peer.blob:.2f} x docker-registry (the floor)"]
    for label, limit in ((STUB, 60.0), ("homeport", 110.0)):
        one = medians.get(label)
        if one is None:
            continue
        checks = [
            (f"manifest GET ≤ {limit:.0f} µs", one.manifest, limit),
            ("blob ≤ 2.5 x nginx", one.blob, 2.5 * floor.blob),
            ("blob ≤ 0.35 x docker-registry", one.blob, 0.35 * peer.blob),
        ]
        if one.blob_tls is not None and floor.blob_tls is not None:
            checks.append(("TLS blob ≤ 1.2 x nginx", one.blob_tls, 1.2 * floor.blob_tls))
        lines += [
            f"- {label}: {words}: {'met' if value <= most else 'MISSED'} ({value / most:.2f})"
            for words, value, most in checks
        ]
    return lines


if __name__ == "__main__":
    sys.exit(main())
