"""`python -m benchmarks`: install the programs, measure every case, print the tables.

A missed target is printed and does not change the exit status: a noisy machine is no failure. A
command of homeport that fails does.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from benchmarks.cases import Maker, all_cases
from benchmarks.jobs import container_cases, shell_cases
from benchmarks.measure import measure
from benchmarks.peers import cache_folder, install
from benchmarks.report import head, section
from benchmarks.repositories import make_repository


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="runs of each command (default: 7)")
    parser.add_argument("--only", metavar="WORD", default="", help="cases with WORD in their title")
    options = parser.parse_args()
    programs = install(cache_folder())
    print("\n".join(head(programs, options.rounds)), flush=True)
    broken = False
    with tempfile.TemporaryDirectory(prefix="homeport-bench-") as folder:
        home = Path(folder, "home")
        home.mkdir()

        @cache
        def repository(name: str) -> Path:
            return make_repository(Path(folder), name)

        make = Maker(programs, repository, home)
        with docker_engine() as engine:
            cases = [*all_cases(make), *shell_cases(make)]
            if engine is not None:
                cases += container_cases(make, engine)
            for case in cases:
                if options.only not in case.title:
                    continue
                costs, failures = measure(case.commands, options.rounds)
                print("\n".join(section(case, costs, failures)), flush=True)
                broken |= any(label in failures for label in case.own)
    return 1 if broken else 0


@contextmanager
def docker_engine() -> Iterator[str | None]:
    """A Docker engine of the benchmark's own with the image; None where it cannot be had."""
    if os.geteuid() or not (shutil.which("dockerd") and shutil.which("docker")):
        print("\nNot measured: containers (this takes root, dockerd and docker)")
        yield None
        return
    from testbed.engines import networked_docker

    with networked_docker() as address:
        yield address


if __name__ == "__main__":
    sys.exit(main())
