"""Coverage and findings of a job's reports; what is broken or hostile is a word, not an error."""

from pathlib import Path

import pytest

from homeport.pipeline.model.event import Status
from homeport.pipeline.report.other_reports import sentences
from homeport.pipeline.report.told import ToldJob

BOMB = """<!DOCTYPE a [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">
<!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">
]><coverage>&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;</coverage>"""


def told(tmp_path: Path, kind: str, *texts: str) -> str:
    paths = []
    for number, text in enumerate(texts):
        paths.append(tmp_path / f"{number}.report")
        paths[-1].write_text(text)
    job = ToldJob(name="j", stage="s", status=Status.SUCCESS, others={kind: tuple(paths)})
    [sentence] = sentences(job)
    return sentence.removeprefix(f"{kind} of j: ")


def test_several_files_are_one_figure(tmp_path: Path) -> None:
    line = '<report><counter type="LINE" missed="{}" covered="{}"/></report>'
    assert told(tmp_path, "coverage_report", line.format(1, 2), line.format(0, 3)) == (
        "83.3% of 6 lines"
    )
    assert told(tmp_path, "coverage_report", "<report/>") == "no lines"


@pytest.mark.parametrize(
    "text", ["", "no xml", "<a>", BOMB, "<a>" * 200, '<?xml version="1.0" encoding="no"?><a/>']
)
def test_coverage_that_is_none_is_said(tmp_path: Path, text: str) -> None:
    assert told(tmp_path, "coverage_report", text).startswith("not read: ")


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("codequality", "[]", "0 findings"),
        ("dast", '{"vulnerabilities": [1, 2]}', "2 findings"),
        ("sarif", '{"runs": [{"results": [1]}, {"results": [1, 2]}]}', "3 findings"),
        ("sast", "[]", "not read: 0.report is no sast report"),
        ("sarif", '{"runs": [{}]}', "not read: 0.report is no sarif report"),
        ("sarif", '{"runs": 1}', "not read: 0.report is no sarif report"),
    ],
)
def test_findings_are_counted(tmp_path: Path, kind: str, text: str, words: str) -> None:
    assert told(tmp_path, kind, text) == words


def test_json_that_is_none_is_said(tmp_path: Path) -> None:
    assert told(tmp_path, "sast", "[" * 100_000).startswith("not read: ")
    assert told(tmp_path, "sast", "\x00").startswith("not read: ")


def test_of_other_types_the_path_is_said(tmp_path: Path) -> None:
    assert told(tmp_path, "terraform", "{}") == str(tmp_path / "0.report")
