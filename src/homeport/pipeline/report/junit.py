"""JUnit files: those that jobs left are read and summed up; one file tells of a whole run.

The dialect is the one that GitLab reads (docs/ci/testing/unit_test_reports.md): `testsuites` or
`testsuite` on top, suites nested to any depth, `testcase` with `failure`, `error` or `skipped`.
A file is a job's, so hostile: no document type (entities grow without bound), and bounds for size,
depth and number of elements.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, SubElement, TreeBuilder, XMLParser, tostring

from msgspec import Struct

from homeport.pipeline.model.event import Status
from homeport.pipeline.report.told import ToldJob, ToldRun

_MAX_BYTES = 30 * 1024 * 1024
_MAX_ELEMENTS = 500_000
_MAX_DEPTH = 40
_BLOCK = 1 << 16
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""All that XML 1.0 has no place for (2.2 Characters)."""
_BAD = ("failure", "error")
_LOG_TAIL = 16 * 1024


class Case(Struct, frozen=True, kw_only=True):
    """A test case: `outcome` is `passed`, `failure`, `error` or `skipped`."""

    name: str
    suite: str = ""
    classname: str = ""
    outcome: str = "passed"
    seconds: float = 0.0
    message: str = ""
    text: str = ""
    file: str = ""


class JobTests(Struct, frozen=True, kw_only=True):
    """The tests of one job, and in words what of its reports could not be read."""

    job: str
    tests: tuple[Case, ...] = ()
    faults: tuple[str, ...] = ()

    def count(self, *outcomes: str) -> int:
        return sum(test.outcome in outcomes for test in self.tests)


class BadReportError(Exception):
    """A file is no JUnit report that we read."""


class _Bounded(TreeBuilder):
    """Builds a tree of bounded size, without any document type."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._count = 0

    def doctype(self, *_: object) -> None:
        raise BadReportError("it has a document type")

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._count += 1
        if self._depth > _MAX_DEPTH or self._count > _MAX_ELEMENTS:
            raise BadReportError("it is too large or too deep")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def read_tests(job: ToldJob) -> JobTests:
    """All tests of a job's reports; each file that cannot be read is a fault, not an error."""
    tests: list[Case] = []
    faults = []
    for path in job.reports:
        try:
            tests += parse_report(path)
        except (BadReportError, OSError) as error:
            words = error.strerror if isinstance(error, OSError) else str(error)
            faults.append(f"JUnit report {path.name} of {job.name} was not read: {words}")
    return JobTests(job=job.name, tests=tuple(tests), faults=tuple(faults))


def parse_report(path: Path) -> tuple[Case, ...]:
    """The tests of one file. Raises `BadReportError`, OSError."""
    if path.stat().st_size > _MAX_BYTES:
        raise BadReportError("it is too large")
    parser = XMLParser(target=_Bounded())  # noqa: S314 - which refuses what makes XML dangerous
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                parser.feed(block)
        root = parser.close()
    except ParseError as error:
        raise BadReportError(f"it is no XML: {error}") from error
    except (ValueError, LookupError) as error:  # an encoding that is unknown
        raise BadReportError(f"it is no XML: {error}") from error
    if root.tag not in ("testsuites", "testsuite"):
        raise BadReportError("it is no JUnit report")
    return tuple(_tests(root, root.get("name", "")))


def merged(run: ToldRun, tests: Iterable[JobTests]) -> bytes:
    """A JUnit file: a suite with a case for each job, then the suites of the jobs' own tests."""
    own = [_job_case(job) for job in run.jobs]
    suites = {f"homeport run {run.id}": own}
    for told in tests:
        for test in told.tests:
            name = f"{told.job}: {test.suite}" if test.suite else told.job
            suites.setdefault(name, []).append(test)
    top = Element("testsuites", _numbers([test for suite in suites.values() for test in suite]))
    top.set("name", "homeport")
    for name, cases in suites.items():
        suite = SubElement(top, "testsuite", {"name": _legal(name), **_numbers(cases)})
        for test in cases:
            _add_case(suite, test)
    content: bytes = tostring(top, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + content + b"\n"


def _tests(element: Element, suite: str) -> Iterator[Case]:
    for child in element:
        if child.tag == "testsuite":
            yield from _tests(child, child.get("name", "") or suite)
        elif child.tag == "testcase":
            yield _test(child, suite)


def _test(case: Element, suite: str) -> Case:
    outcome, message, text = "passed", "", ""
    for child in case:
        if child.tag in (*_BAD, "skipped"):
            outcome, message = child.tag, child.get("message", "")
            text = "".join(child.itertext())
            if child.tag in _BAD:
                break
    return Case(
        name=case.get("name", ""),
        suite=suite,
        classname=case.get("classname", ""),
        outcome=outcome,
        seconds=_seconds(case.get("time", "")),
        message=message,
        text=text,
        file=case.get("file", ""),
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e9 else 0.0  # nan compares with nothing


def _job_case(job: ToldJob) -> Case:
    """A failure that is allowed is a skipped test: it does not count, and is seen."""
    if job.status is Status.SUCCESS:
        outcome = "passed"
    elif job.status in (Status.FAILED, Status.CANCELED) and not job.allowed:
        outcome = "failure" if job.status is Status.FAILED else "error"
    else:
        outcome = "skipped"
    words = job.status.value + (" (allowed)" if job.allowed else "")
    return Case(
        name=job.name,
        classname=job.stage,
        outcome=outcome,
        seconds=job.duration or 0.0,
        message=f"{words}: {job.reason}" if job.reason else words,
        text=_tail(job.log) if outcome in _BAD else "",
    )


def _tail(log: Path | None) -> str:
    """The end of a log, without control sequences."""
    from homeport.pipeline.report.text import shown_lines

    try:
        if log is None:
            return ""
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(shown_lines(tuple(text.split("\n")), colour=False))


def _numbers(cases: list[Case]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(test.outcome == "failure" for test in cases)),
        "errors": str(sum(test.outcome == "error" for test in cases)),
        "skipped": str(sum(test.outcome == "skipped" for test in cases)),
        "time": f"{sum(test.seconds for test in cases):.3f}",
    }


def _add_case(suite: Element, test: Case) -> None:
    given = {"name": test.name, "classname": test.classname, "file": test.file}
    attributes = {key: _legal(value) for key, value in given.items() if value or key == "name"}
    case = SubElement(suite, "testcase", {**attributes, "time": f"{test.seconds:.3f}"})
    if test.outcome != "passed":
        what = SubElement(case, test.outcome, {"message": _legal(test.message)})
        what.text = _legal(test.text) or None


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
