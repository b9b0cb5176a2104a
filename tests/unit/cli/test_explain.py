"""What `explain` and `list` say of each kind of decision."""

import json
import subprocess
from pathlib import Path

import pytest

from homeport.cli.main import main

CI = """\
workflow:
  rules:
    - if: $MODE == "none"
      when: never
    - when: always
variables: {MODE: some}
later: {script: x, when: delayed, start_in: 90 seconds}
may: {script: x, when: manual, needs: [later]}
elsewhere:
  script: x
  rules:
    - exists: {paths: [a], project: group/other}
"""


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path)], check=True)
    (tmp_path / ".gitlab-ci.yml").write_text(CI)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("args", "lines"),
    [
        (["later"], ["  when: delayed, after 1m 30s"]),
        (
            ["may"],
            [
                "  workflow: rule 2 matched  (.gitlab-ci.yml:5:7)",
                '  false      if: $MODE == "none"',
                '             $MODE is "some"',
                "  when: manual, may fail",
                "  waits for: later",
            ],
        ),
        (
            ["may", "--variable", "MODE=none"],
            [
                "may (stage test) is out: the pipeline is filtered out by workflow:rules",
                "  decided at .gitlab-ci.yml:3:7",
                '             $MODE is "none"',
            ],
        ),
    ],
)
def test_explain(args: list[str], lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *args]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line not in printed] == []


def test_explain_of_an_unknown_job_in_a_filtered_pipeline() -> None:
    assert main(["explain", "nothing", "--variable", "MODE=none"]) == 2


def test_explain_as_json_has_what_the_text_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "may", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    (job,) = printed["jobs"]
    told = {key: job[key] for key in ("when", "allow_failure", "needs", "waits_for", "defined_at")}
    assert told == {
        "when": "manual",
        "allow_failure": True,
        "needs": ["later"],
        "waits_for": "later",
        "defined_at": ".gitlab-ci.yml:8:1",
    }
    assert printed["workflow"]["checks"][0]["values"] == {"MODE": "some"}


def test_a_named_job_of_a_filtered_pipeline_is_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--variable", "MODE=none"]) == 0
    assert main(["run", "may", "--variable", "MODE=none"]) == 2
    assert "there is no pipeline that may could run in" in capsys.readouterr().err


def test_list_says_why_a_job_is_unresolved(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.endswith("  WHY")
    assert [row for row in rows if "the files of project group/other" in row] == rows[-1:]
    assert rows[0].endswith("  delayed")


def test_a_name_of_two_lines_stays_in_its_row(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / ".gitlab-ci.yml").write_text('"two\\nlines": {script: x}\n')
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["test   two\\nlines  on_success"]


def test_a_pipeline_without_jobs_leads_to_the_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    Path(".gitlab-ci.yml").write_text("j: {script: x, rules: [{when: never}]}\n")
    assert main(["list"]) == 2
    assert capsys.readouterr().err.endswith("  homeport list --all shows why each job is out\n")
