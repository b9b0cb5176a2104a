"""The command: which mirror, which images, and its status."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from homeport.cli import doctor as command
from homeport.cli.main import build_parser, main
from homeport.enroll.apply import apply
from homeport.enroll.doctor.checks import CHECKS
from homeport.enroll.model import Mirror, Request
from homeport.enroll.plan import make_plan
from testbed.machine import Machine
from testbed.scenes import scene

ROOT = Path(__file__).parents[3]
GONE = "http://127.0.0.1:9"


class Said(NamedTuple):
    status: int
    out: Any
    err: str


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: Any) -> Any:
    """On a machine with nothing, in a repository of which a test writes the pipeline."""
    machine = Machine(tmp_path / "machine", uid=0)
    monkeypatch.setattr(command, "this_host", lambda: machine.host)
    monkeypatch.setenv("HOME", str(tmp_path))
    project = tmp_path / "project"
    subprocess.run(["git", "init", "-q", project], check=True)

    def run(*arguments: str, pipeline: str | None = None) -> Said:
        if pipeline is not None:
            (project / ".gitlab-ci.yml").write_text(pipeline)
        status = main(["doctor", "-C", str(project), *arguments])
        out, err = (text.decode() for text in capsysbinary.readouterr())
        return Said(status, json.loads(out) if "--json" in arguments else out, err)

    return run


def test_nothing_to_look_at(doctor: Any) -> None:
    assert doctor() == (3, "0 engines, no mirror is known: nothing is wrong\n", "")


def test_a_folder_that_is_no_repository(doctor: Any, tmp_path: Path) -> None:
    assert doctor("-C", str(tmp_path)).status == 3


def test_a_mirror_that_is_not_there(doctor: Any) -> None:
    said = doctor("--mirror", GONE, "--json")
    assert said.status == 1
    assert (said.out["ok"], said.out["mirror"], said.out["engines"]) == (False, GONE, [])
    (found,) = said.out["findings"]
    assert (found["code"], found["severity"]) == ("mirror-unreachable", "error")
    assert "--ca" not in found["hint"]


def test_the_mirror_of_the_last_enrolment_is_known_with_its_registries(tmp_path: Path) -> None:
    machine = scene("podman", tmp_path)
    request = Request(Mirror(GONE, GONE), registries=("docker.io", "quay.io"))
    assert all(one.ok for one in apply(machine.host, make_plan(machine.host, request)))
    for words in ([], ["--mirror", f"{GONE}/"]):
        args = build_parser("doctor").parse_args(["doctor", *words])
        found = command._request(args, machine.host)
        assert found is not None
        assert (found.mirror.url, found.registries) == (GONE, ("docker.io", "quay.io"))
    args = build_parser("doctor").parse_args(["doctor", "--mirror", "http://127.0.0.1:8"])
    found = command._request(args, machine.host)
    assert found is not None
    assert found.mirror.url == "http://127.0.0.1:8"


def test_a_url_that_is_none_is_what_is_wrong(doctor: Any) -> None:
    said = doctor("--mirror", "mirror.corp:5000")
    assert said.status == 1
    assert "write https://mirror.corp:5000" in said.err


def test_an_engine_that_there_is_not(doctor: Any) -> None:
    assert doctor("--engine", "dokcer").status == 2


def test_the_images_have_the_lines_on_which_they_stand(doctor: Any) -> None:
    pipeline = """\
variables: {REGISTRY: quay.io/team, APP: "$REGISTRY/app"}
default:
  services: [redis:7]
job:
  image:
    name: $APP:1
  services:
    - name: Host.corp:5000/db@sha256:ab
      alias: db
  script: [x]
other:
  image: ${CI_REGISTRY_IMAGE}/tool
  script: [x]
"""
    said = doctor("--json", pipeline=pipeline)
    assert said.status == 0
    found = [(one["registry"], one["path"], one["reference"], one["place"], one["unknown"])
             for one in said.out["images"]]  # fmt: skip
    file = ".gitlab-ci.yml"
    assert found[:2] == [
        ("quay.io", "team/app", "1", f"{file}:6:5", ""),
        ("host.corp:5000", "db", "sha256:ab", f"{file}:8:7", ""),
    ]
    assert found[3] == ("docker.io", "library/redis", "7", f"{file}:3:14", "")
    assert [one["name"] for one in said.out["images"][2:]] == [
        "${CI_REGISTRY_IMAGE}/tool",
        "redis:7",
    ]
    assert said.out["images"][2]["unknown"] == "$CI_REGISTRY_IMAGE"
    (unknown,) = said.out["findings"]
    assert (unknown["code"], unknown["place"]) == ("image-unknown", f"{file}:12:10")


def test_engines_that_jobs_bring(doctor: Any) -> None:
    pipeline = """\
build:
  image: gcr.io/kaniko-project/executor:debug
  script:
    - /kaniko/executor --context .
    - docker buildx create --use
"""
    said = doctor("--mirror", GONE, "--json", pipeline=pipeline)
    found = {one["code"]: one["place"] for one in said.out["findings"]}
    assert found == {
        "mirror-unreachable": "",
        "mirror-kaniko": ".gitlab-ci.yml:4:7",
        "mirror-buildx": ".gitlab-ci.yml:5:7",
    }


def test_a_broken_pipeline_is_no_fault_of_an_engine(doctor: Any) -> None:
    said = doctor(pipeline="job: [")
    assert said.status == 3
    assert "note: the pipeline here is not looked at" in said.err


def test_an_include_that_is_not_read_is_named(doctor: Any) -> None:
    pipeline = "include: {remote: 'http://127.0.0.1:9/x.yml'}\na: {image: x, script: y}\n"
    said = doctor("--json", "--offline", pipeline=pipeline)
    assert [one["name"] for one in said.out["images"]] == ["x"]
    assert "was not read" in said.err


def test_no_pipeline(doctor: Any) -> None:
    assert (
        doctor("--no-pipeline", "--json", pipeline="a: {image: x, script: y}").out["images"] == []
    )


def test_every_code_is_on_the_page() -> None:
    text = (ROOT / "docs/reference/doctor.md").read_text()
    known = set(re.findall(r"`([a-z-]+)`", text))
    assert {code for check in CHECKS for code in check.codes} - known == set()


def test_every_failure_has_a_check() -> None:
    looked = {number for check in CHECKS for number in check.failures}
    assert looked == set(range(1, 13))
