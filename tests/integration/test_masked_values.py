"""No command shows the value of a masked variable, wherever the pipeline puts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SECRET = 'tr0ub4dor&3"quoted'  # noqa: S105 - made up
PIPELINE = """\
workflow:
  name: "deploy with $API_TOKEN and $NAMED and $SCOPED_PASSWORD"
  rules: [{if: $API_TOKEN}]
include:
  - local: ci.yml
    rules: [{if: '$API_TOKEN == "x"'}]
job:
  environment: production
  script: "true"
  rules:
    - if: '$API_TOKEN == "x" || $NAMED == "y" || $SCOPED_PASSWORD == "z" || $FROM_SETTINGS =~ /^x/'
      when: never
    - if: $API_TOKEN == $NAMED
      changes: ["$API_TOKEN/**/*", "${NAMED}.txt"]
    - changes: {paths: ["$SCOPED_PASSWORD"], compare_to: "$API_TOKEN"}
    - exists: ["$API_TOKEN", "$FROM_SETTINGS/**"]
    - exists: {paths: [x], project: "$API_TOKEN", ref: "$NAMED"}
only: {script: "true", only: {variables: ['$API_TOKEN == "x"'], changes: ["$API_TOKEN"]}}
except: {script: "true", except: {refs: [tags], variables: ["$NAMED"]}}
plain: {script: "true"}
"""
FILES = {
    ".gitlab-ci.yml": PIPELINE,
    "ci.yml": "{}\n",
    ".gitlab-ci-local-variables.yml": f"NAMED: '{SECRET}'\nSCOPED_PASSWORD:\n"
    f"  values: {{production: '{SECRET}'}}\n",
    "homeport.toml": 'masked = ["NAMED"]\n[variables]\n'
    f"FROM_SETTINGS = {{ value = '{SECRET}', masked = true }}\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    path.mkdir()
    for name, text in FILES.items():
        (path / name).write_text(text)
    for args in (["init", "-q", "-b", "main"], ["add", ".gitlab-ci.yml"], ["commit", "-qm", "c"]):
        subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=e@x.org", *args],
            cwd=path,
            check=True,
            capture_output=True,
        )
    return path


@pytest.mark.parametrize(
    "command",
    [
        ["list", "--all"],
        ["list", "--all", "--json"],
        ["list", "--names"],
        ["lint"],
        ["lint", "--json"],
        ["render"],
        ["render", "--json"],
        ["explain", "job"],
        ["explain", "job", "--json"],
        ["explain", "only"],
        ["explain", "except", "--json"],
        ["explain", "job", "--as", "merge-request", "--branch", "x", "--committed"],
        ["explain", "no-such-job"],
        ["run", "plain"],
        ["run", "plain", "--json"],
    ],
    ids=" ".join,
)
def test_no_byte_of_a_secret(repository: Path, tmp_path: Path, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "homeport", *command, "--variable", f"API_TOKEN={SECRET}"],
        cwd=repository,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "GIT_CONFIG_NOSYSTEM": "1",
            "XDG_STATE_HOME": str(tmp_path / "state"),
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 2, 3), done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout + done.stderr
    written = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    for output in (done.stdout, done.stderr, *written):
        assert b"tr0ub4dor" not in output
