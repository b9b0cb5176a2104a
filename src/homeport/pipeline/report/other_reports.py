"""What the reports of a job that are no tests come to: lines covered, numbers of findings.

Dialects: Cobertura and JaCoCo (docs/ci/testing/code_coverage), GitLab's code quality and security
reports, SARIF. A file is a job's, so hostile: nothing of it is kept but counts, entities are not
resolved from anywhere, and sizes are bounded.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError, XMLParser

import msgspec

from homeport.pipeline.report.told import ToldJob

_MAX_BYTES = 30 * 1024 * 1024
_MAX_ELEMENTS = 3_000_000
_MAX_DEPTH = 100
_BLOCK = 1 << 16
_SECURITY = frozenset((
    "api_fuzzing", "container_scanning", "coverage_fuzzing", "dast", "dependency_scanning", "sast",
    "secret_detection",
))  # fmt: skip


class BadReportError(Exception):
    """A file is not what its type of report says."""


class _Lines:
    """Takes the elements of Cobertura and JaCoCo files, and counts lines."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], bool] = {}
        self._covered = self._missed = self._count = 0
        self._stack: list[str] = []
        self._file = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MAX_ELEMENTS or len(self._stack) > _MAX_DEPTH:
            raise BadReportError("it is too large or too deep")
        if tag == "class":
            self._file = attributes.get("filename", "")
        elif tag == "line" and self._stack[-2:] == ["class", "lines"]:
            key = (self._file, attributes.get("number", ""))
            hit = attributes.get("hits", "0").strip("0 ") != ""
            self._lines[key] = hit or self._lines.get(key, False)
        elif tag == "counter" and self._stack == ["report"] and attributes.get("type") == "LINE":
            self._covered += int(attributes.get("covered", "0"))
            self._missed += int(attributes.get("missed", "0"))
        self._stack.append(tag)

    def end(self, tag: str) -> None:
        del tag
        self._stack.pop()

    def close(self) -> tuple[int, int]:
        """Lines covered, and all lines."""
        covered = self._covered + sum(self._lines.values())
        return covered, self._covered + self._missed + len(self._lines)


def sentences(job: ToldJob) -> tuple[str, ...]:
    """One for each type of report, what cannot be read among them."""
    return tuple(
        f"{kind} of {job.name}: {_words(kind, paths)}"
        for kind, paths in job.others.items()
        if paths
    )


def _words(kind: str, paths: Sequence[Path]) -> str:
    try:
        if kind == "coverage_report":
            covered, lines = map(sum, zip(*map(_lines, paths), strict=True))
            return f"{100 * covered / lines:.1f}% of {lines} lines" if lines else "no lines"
        if kind in _SECURITY or kind in ("codequality", "sarif"):
            count = sum(_findings(kind, path) for path in paths)
            return f"{count} finding{'' if count == 1 else 's'}"
    except (BadReportError, OSError) as error:
        return f"not read: {error.strerror if isinstance(error, OSError) else error}"
    return ", ".join(map(str, paths))


def _lines(path: Path) -> tuple[int, int]:
    _check_size(path)
    parser = XMLParser(target=_Lines())  # noqa: S314 - which keeps nothing, and loads nothing
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                parser.feed(block)
        counted: tuple[int, int] = parser.close()  # type: ignore[assignment]  # the target's
    except (ParseError, ValueError, LookupError) as error:
        raise BadReportError(f"{path.name} is no coverage report: {error}") from error
    return counted


def _findings(kind: str, path: Path) -> int:
    _check_size(path)
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReportError(f"{path.name} is no JSON: {error}") from error
    if kind == "codequality":
        lists = [found]
    elif kind == "sarif":
        runs = _part(found, "runs")
        lists = [_part(run, "results") for run in runs] if isinstance(runs, list) else [None]
    else:
        lists = [_part(found, "vulnerabilities")]
    if not all(isinstance(each, list) for each in lists):
        raise BadReportError(f"{path.name} is no {kind} report")
    return sum(map(len, lists))


def _part(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _check_size(path: Path) -> None:
    if path.stat().st_size > _MAX_BYTES:
        raise BadReportError(f"{path.name} is too large")
