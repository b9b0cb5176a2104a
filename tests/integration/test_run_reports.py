"""Report files of real runs, and what the console says about the jobs' own tests."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from testbed.runs import Repository

CI = """\
unit:
  stage: build
  script:
    - cp report.xml out.xml
    - "printf 'section_start:1:s[collapsed=true]\\\\r\\\\033[0KFolded\\\\n'"
    - "printf 'section_end:4:s\\\\r\\\\033[0K\\\\n'"
    - echo "$SECRET"
  artifacts: {when: always, reports: {junit: "*.xml"}}
after: {stage: test, script: [exit 3]}
"""
REPORT = """<testsuite name="s"><testcase name="good"/>
<testcase name="bad" classname="c"><failure message="no &lt;way&gt;"/></testcase></testsuite>"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "project", CI, tmp_path / "home")
    (repository.root / "report.xml").write_text(REPORT)
    (repository.root / "hostile.xml").write_text('<!DOCTYPE a [<!ENTITY e "x">]><testsuite/>')
    repository.commit()
    return repository


def test_a_run_writes_its_reports_and_last_the_same_ones(repository: Repository) -> None:
    run = repository.start("run", "--junit", "../run.xml", "--html", "../run.html").end()
    assert run.status == 1
    assert "Tests of unit: 2 passed, 2 failed, 0 skipped\n  c: bad: no <way>" in run.stdout
    assert "hostile.xml of unit was not read: it has a document type" in run.stderr
    folder = repository.root.parent
    top = ElementTree.parse(folder / "run.xml").getroot()  # noqa: S314 - ours
    assert [suite.get("name") for suite in top] == [
        f"homeport run {next(repository.state.glob('*/runs/*')).name}",
        "unit: s",
    ]
    assert [case.get("name") for case in top[0]] == ["unit", "after"]
    assert top[0][1][0].tag == "failure"
    page = (folder / "run.html").read_text()
    assert "<details><summary>Folded</summary>" in page
    last = repository.start("last", "--junit", "../last.xml", "--html", "../last.html").end()
    assert last.status == 1
    assert "Tests of unit: 2 passed, 2 failed" in last.stdout
    assert (folder / "last.html").read_text() == page
    assert (folder / "last.xml").read_bytes() == (folder / "run.xml").read_bytes()
    assert repository.git("status", "--short") == ""


def test_the_page_has_no_secret_that_the_log_has_not(repository: Repository) -> None:
    config = repository.home / ".config/homeport/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[variables]\nSECRET = {value = "s3cr3tvalue", masked = true}\n')
    run = repository.start("run", "--html", "../run.html", "--junit", "../run.xml").end()
    folder = repository.root.parent
    written = (folder / "run.html").read_text() + (folder / "run.xml").read_text()
    assert run.status == 1
    assert "s3cr3tvalue" not in written + run.stdout
    assert "[MASKED]" in written


def test_json_stays_alone_on_stdout_and_phases_are_remembered(repository: Repository) -> None:
    done = repository.run("unit", "--junit", "/dev/null")
    assert done.events[-1]["event"] == "run_finished"
    told = json.loads(repository.start("last", "--json").end().stdout)
    phases = told["jobs"][0]["phases"]
    assert list(phases) == ["workspace", "script", "artifacts", "cleanup"]
    assert sum(phases.values()) <= told["jobs"][0]["duration"] + 0.001


def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(
    repository: Repository,
) -> None:
    for option in ("--html", "--junit"):
        done = repository.start("run", option, "nowhere/file").end()
        assert done.status == 2
        assert f"{option} nowhere/file is no file that could be written" in done.stderr
    assert list(repository.state.glob("*/runs/*")) == []


@pytest.mark.engine
def test_phases_of_a_container(tmp_path: Path, docker_address: str) -> None:
    ci = "job: {image: 'debian:bookworm', script: [echo hi]}"
    repository = Repository(tmp_path / "p", ci, tmp_path / "h").on(docker_address)
    assert repository.run().status == 0
    told = json.loads(repository.start("last", "--json").end().stdout)
    # The sources of the job are chosen before its image is looked at.
    phases = ["workspace", "image", "script", "artifacts", "cleanup"]
    assert list(told["jobs"][0]["phases"]) == phases


OTHERS = """\
cobertura:
  script: [echo done]
  artifacts:
    reports:
      coverage_report: {coverage_format: cobertura, path: cobertura.xml}
      codequality: quality.json
jacoco:
  script: [echo done]
  artifacts:
    reports:
      coverage_report: {coverage_format: jacoco, path: jacoco.xml}
      sast: sast.json
"""
COBERTURA = """\
<?xml version="1.0" ?>
<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage line-rate="0.75"><packages><package><classes>
<class filename="a.py">
<methods><method><lines><line number="1" hits="1"/></lines></method></methods>
<lines><line number="1" hits="1"/><line number="2" hits="0"/>
<line number="3" hits="10"/><line number="4" hits="2"/></lines></class>
</classes></package></packages></coverage>
"""
JACOCO = """\
<!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd">
<report name="x">
<package name="p"><counter type="LINE" missed="9" covered="9"/></package>
<counter type="INSTRUCTION" missed="1" covered="1"/>
<counter type="LINE" missed="1" covered="2"/></report>
"""


def test_other_reports_are_summed_up_after_the_run_and_on_the_page(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", OTHERS, tmp_path / "home")
    for name, text in (
        ("cobertura.xml", COBERTURA),
        ("jacoco.xml", JACOCO),
        ("quality.json", '[{"description": "a"}, {"description": "b"}]'),
        ("sast.json", '{"vulnerabilities": [{"id": "a"}]}'),
    ):
        (repository.root / name).write_text(text)
    repository.commit()
    run = repository.start("run", "--html", "../run.html").end()
    assert run.status == 0
    page = (tmp_path / "run.html").read_text()
    for sentence in (
        "codequality of cobertura: 2 findings",
        "coverage_report of cobertura: 75.0% of 4 lines",
        "coverage_report of jacoco: 66.7% of 3 lines",
        "sast of jacoco: 1 finding",
    ):
        assert f"{sentence}\n" in run.stdout
        assert f"<p>{sentence}</p>" in page


def test_jobs_of_a_child_pipeline_stand_below_their_trigger_job(tmp_path: Path) -> None:
    text = """\
plain: {script: ['true']}
child: {trigger: {include: child.yml, strategy: depend}}
last: {script: ['true']}
"""
    repository = Repository(tmp_path / "project", text, tmp_path / "home")
    (repository.root / "child.yml").write_text(
        "slow: {script: [sleep 0.2]}\nbelow: {trigger: {include: leaf.yml, strategy: depend}}\n"
    )
    (repository.root / "leaf.yml").write_text("leaf: {script: ['true']}\n")
    repository.commit()
    done = repository.run("--html", "page.html")
    assert done.status == 0, done
    page = (repository.root / "page.html").read_text()
    pattern = r'<rect x="(\d+)" y="\d+" width="\d+" height="24"[^>]*/><text[^>]*>(.*?)<'
    boxes = re.findall(pattern, page)
    inside = [("20", "slow"), ("20", "below"), ("36", "leaf")]
    assert boxes == [("4", "plain"), ("4", "child"), *inside, ("4", "last")]
