"""`python -m conformance DIR`: every vector of a folder, each failure, and how many passed."""

import json
import sys
from pathlib import Path

from conformance.adapters import KINDS
from conformance.outcome import run_case
from conformance.vectors import kind_of, read_folder


def main(folder: Path) -> int:
    """Run a folder and print; 1 if any case failed, 2 if there is no such folder."""
    if not folder.is_dir():
        print(f"{folder}: no such folder", file=sys.stderr)  # noqa: T201
        return 2
    passed = failed = 0
    for path in sorted(folder.glob("*.jsonl")):
        if kind_of(path.stem) is None:
            known = ", ".join(KINDS)
            print(f"unknown file: {path.name} (known are {known})")  # noqa: T201
    for case in read_folder(folder):
        outcome = run_case(case)
        passed += outcome.passed
        failed += not outcome.passed
        if not outcome.passed:
            print(f"FAILED {case.label}")  # noqa: T201
            print(f"  input:    {_show(case.given)}")  # noqa: T201
            print(f"  expected: {_show(case.expected)}")  # noqa: T201
            print(f"  actual:   {_show(outcome.actual)}")  # noqa: T201
    print(f"{passed} passed, {failed} failed")  # noqa: T201
    return 1 if failed else 0


def _show(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
