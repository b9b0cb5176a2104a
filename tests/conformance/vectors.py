"""Files of cases, and which kind each file is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from conformance import adapters


class Case(NamedTuple):
    """One line of a file; `kind` is None where no adapter is for files of that name."""

    file: str
    line: int
    kind: str | None
    name: str
    given: Any
    expected: Any

    @property
    def label(self) -> str:
        return f"{self.file}:{self.line} {self.name}"


def kind_of(stem: str) -> str | None:
    """`errors` and `more-errors` are both of the kind `errors`."""
    if stem in adapters.KINDS:
        return stem
    found = [kind for kind in adapters.KINDS if stem.endswith(f"-{kind}")]
    return max(found, key=len) if found else None


def read_folder(folder: Path) -> Iterator[Case]:
    """Every case of every `*.jsonl` in a folder, in order of name."""
    for path in sorted(folder.glob("*.jsonl")):
        kind = kind_of(path.stem)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip():
                yield _case(json.loads(line), path.name, number, kind)


def _case(written: Any, file: str, line: int, kind: str | None) -> Case:
    return Case(
        file=file,
        line=line,
        kind=kind,
        name=str(written.get("case", "")),
        given=written["input"],
        expected=written["expected"],
    )
