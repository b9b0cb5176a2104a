"""`python -m benchmarks`: install the programs, measure every case, print the tables.

A missed target is printed and does not change the exit status: a noisy machine is no failure.
"""

import argparse
import sys
import tempfile
from functools import cache
from pathlib import Path

from benchmarks.cases import all_cases
from benchmarks.measure import BrokenRunError, measure
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
    broken = 0
    with tempfile.TemporaryDirectory(prefix="homeport-bench-") as folder:
        home = Path(folder, "home")
        home.mkdir()

        @cache
        def repository(name: str) -> Path:
            return make_repository(Path(folder), name)

        for case in all_cases(programs, repository, home):
            if options.only not in case.title:
                continue
            try:
                costs = measure(case.commands, options.rounds)
            except BrokenRunError as error:
                broken += 1
                print(f"\n## {case.title}\n\nBROKEN: {error}", flush=True)
            else:
                print("\n".join(section(case, costs)), flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
