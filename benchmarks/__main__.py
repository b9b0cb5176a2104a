"""`python -m benchmarks`: install the programs, measure every case, print the tables.

A missed target is printed and does not change the exit status: a noisy machine is no failure. A
command of homeport that fails does.
"""

import argparse
import sys
import tempfile
from functools import cache
from pathlib import Path

from benchmarks.cases import all_cases
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

        for case in all_cases(programs, repository, home):
            if options.only not in case.title:
                continue
            costs, failures = measure(case.commands, options.rounds)
            print("\n".join(section(case, costs, failures)), flush=True)
            broken |= any(label in failures for label in case.own)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
