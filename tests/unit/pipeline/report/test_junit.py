"""JUnit reports of jobs, which may be anything, and the one that we write."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from homeport.pipeline.model.event import Status
from homeport.pipeline.report.junit import BadReportError, merged, parse_report, read_tests
from homeport.pipeline.report.told import ToldJob, ToldRun

REPORT = """<?xml version="1.0"?>
<testsuites><testsuite name="outer"><testsuite name="inner">
  <testcase name="good" classname="c" time="1,000.5" file="a.py"/>
  <testcase name="bad"><failure message="no">why\nnot</failure><system-out>x</system-out></testcase>
</testsuite><testcase name="broken" time="nan"><error>boom</error></testcase>
<testcase name="later"><skipped message="todo"/></testcase></testsuite></testsuites>
"""


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "r.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_suites_of_any_depth_are_read(tmp_path: Path) -> None:
    tests = parse_report(written(tmp_path, REPORT))
    assert [(test.suite, test.name, test.outcome, test.seconds) for test in tests] == [
        ("inner", "good", "passed", 1000.5),
        ("inner", "bad", "failure", 0.0),
        ("outer", "broken", "error", 0.0),
        ("outer", "later", "skipped", 0.0),
    ]
    assert (tests[1].message, tests[1].text) == ("no", "why\nnot")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('<!DOCTYPE a [<!ENTITY e "x">]><testsuite>&e;</testsuite>', "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><testsuite/>', "document type"),
        ("<testsuite>" * 100 + "</testsuite>" * 100, "too deep"),
        ("<html/>", "no JUnit report"),
        ("", "no XML"),
        ("<testsuite>", "no XML"),
        (b"\xff\xfe\x00", "no XML"),
        ('<?xml version="1.0" encoding="no-such"?><testsuite/>', "no XML"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, text: str | bytes, why: str) -> None:
    with pytest.raises(BadReportError, match=why):
        parse_report(written(tmp_path, text))


def test_a_bad_file_is_a_fault_beside_the_good_ones(tmp_path: Path) -> None:
    good = written(tmp_path, REPORT)
    job = ToldJob(
        name="unit",
        stage="test",
        status=Status.SUCCESS,
        reports=(good, tmp_path / "absent.xml"),
    )
    told = read_tests(job)
    assert told.count("failure", "error") == 2
    assert told.faults == (
        "JUnit report absent.xml of unit was not read: No such file or directory",
    )


def test_the_merged_file_has_a_case_per_job_and_their_tests(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\x1b[31mred\x1b[0m\x00 ]]> <end>\n")
    jobs = (
        ToldJob(name="unit", stage="test", status=Status.SUCCESS, started=0.0, finished=2.5,
                reports=(written(tmp_path, REPORT),)),
        ToldJob(name="a <\x01> b", stage="test", status=Status.FAILED, reason="exit status 1",
                log=log),
        ToldJob(name="odd", stage="test", status=Status.FAILED, allowed=True),
        ToldJob(name="late", stage="deploy", status=Status.SKIPPED),
    )  # fmt: skip
    run = ToldRun(id="r", at=0, root="/p", ref="main", sha="a", status=Status.FAILED, duration=3,
                  jobs=jobs)  # fmt: skip
    path = written(tmp_path, merged(run, [read_tests(jobs[0])]))
    top = ElementTree.parse(path).getroot()  # noqa: S314 - what we have written
    assert top.attrib | {"time": ""} == {
        "name": "homeport", "tests": "8", "failures": "2", "errors": "1", "skipped": "3",
        "time": "",
    }  # fmt: skip
    assert [suite.get("name") for suite in top] == ["homeport run r", "unit: inner", "unit: outer"]
    cases = {case.get("name"): [child.tag for child in case] for case in top[0]}
    assert cases == {
        "unit": [],
        "a <\ufffd> b": ["failure"],
        "odd": ["skipped"],
        "late": ["skipped"],
    }
    assert "red ]]> <end>" in (top[0][1][0].text or "")
    assert len(parse_report(path)) == 8
