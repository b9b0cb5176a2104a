"""What is found of the mirror itself, whatever it answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from homeport.enroll.doctor.checks import examine
from homeport.enroll.doctor.model import PipelineImage
from homeport.enroll.model import Mirror, MirrorKind, Request
from testbed.machine import Machine
from testbed.web import Answer, Answering, Asked, as_json, make_authority, serving

HEALTHY_STATUS = {"ready": "yes", "store": {"free": 2**40}, "upstreams": []}
ALPINE = "/v2/library/alpine/manifests/latest"


def mirror_with(
    answers: dict[str, Answer], *, kind: str = "homeport", status: Any = HEALTHY_STATUS
) -> Answering:
    """A mirror that is all right but for these answers, by path."""

    def answer(asked: Asked) -> Answer:
        if asked.path in answers:
            return answers[asked.path]
        if asked.path == "/_homeport/about" and kind == "homeport":
            return as_json({"kind": "homeport", "version": "1", "listeners": []})
        if asked.path == "/_homeport/status":
            return as_json(status) if status is not None else Answer(403)
        if asked.path == "/v2/" or "/manifests/" in asked.path:
            return as_json({"layers": []})
        return Answer(404)

    return answer


def found(
    folder: Path,
    answering: Answering,
    *,
    images: tuple[PipelineImage, ...] = (),
    kind: MirrorKind = MirrorKind.AUTO,
) -> list[tuple[str, str, str]]:
    """Severity, code and words of all that is wrong."""
    machine = Machine(folder / "machine", uid=0)
    with serving(answering) as server:
        request = Request(Mirror(server.url(), server.url(), kind))
        report = examine(machine.host, request, images)
    return [
        (one.finding.severity, one.finding.code, f"{one.finding.message} | {one.finding.hint}")
        for one in report.diagnoses
        if one.wrong
    ]


def error_of(code: str, message: str, **detail: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": detail}]}).encode()


def test_nothing_is_wrong_with_a_healthy_one(tmp_path: Path) -> None:
    assert found(tmp_path, mirror_with({})) == []


def test_who_is_no_administrator_sees_no_status_and_needs_none(tmp_path: Path) -> None:
    assert found(tmp_path, mirror_with({}, status=None)) == []


@pytest.mark.parametrize(
    ("status", "code", "severity"),
    [
        (429, "upstream-rate-limited", "warning"),
        (403, "upstream-denied", "warning"),
        (502, "upstream-unreachable", "error"),
        (504, "upstream-unreachable", "error"),
        (507, "mirror-full", "error"),
    ],
)
def test_what_is_behind_it(tmp_path: Path, status: int, code: str, severity: str) -> None:
    body = error_of("X", "the words", cause="its cause", remedy="its remedy")
    ((how, which, words),) = found(tmp_path, mirror_with({ALPINE: Answer(status, body)}))
    assert (how, which) == (severity, code)
    assert "X: the words: its cause | its remedy" in words


def test_a_registry_that_has_no_such_image_is_reached(tmp_path: Path) -> None:
    assert found(tmp_path, mirror_with({ALPINE: Answer(404)})) == []


def test_a_stale_tag(tmp_path: Path) -> None:
    warning = '299 - "homeport: stale: the upstream answered 503"'
    answers = {ALPINE: Answer(200, b'{"layers": []}', {"Warning": warning})}
    ((_, code, words),) = found(tmp_path, mirror_with(answers))
    assert code == "stale"
    assert "the upstream answered 503" in words


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({"ready": "the disk is full"}, "mirror-unavailable"),
        ({"store": {"free": 10 * 1024**2}}, "mirror-full"),
        (
            {"upstreams": [{"name": "docker.io", "healthy": False, "failing": {"h": "no DNS"}}]},
            "upstream-unreachable",
        ),
        (
            {"upstreams": [{"name": "docker.io", "healthy": True, "quota": {"remaining": 0}}]},
            "upstream-rate-limited",
        ),
    ],
)
def test_what_its_status_says(tmp_path: Path, status: dict[str, Any], code: str) -> None:
    said = found(tmp_path, mirror_with({}, status=status))
    assert [one[1] for one in said] == [code]


@pytest.mark.parametrize("status", [[], 7, {"upstreams": 3, "store": []}, {"upstreams": [None]}])
def test_a_status_that_is_none(tmp_path: Path, status: Any) -> None:
    assert found(tmp_path, mirror_with({}, status=status)) == []


def test_an_authority_that_is_not_known(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    machine = Machine(tmp_path / "machine", uid=0)
    with serving(mirror_with({}), certificate=authority.certificate) as server:
        request = Request(Mirror(server.url(), server.url()))
        (one,) = [one for one in examine(machine.host, request).diagnoses if one.wrong]
    assert (one.finding.code, one.finding.severity) == ("mirror-tls", "error")
    assert "--ca FILE" in one.finding.hint


def test_the_wrong_scheme(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine", uid=0)
    with serving(mirror_with({})) as server:
        url = server.url().replace("http:", "https:")
        (one,) = examine(machine.host, Request(Mirror(url, url))).diagnoses
    assert one.finding.code == "mirror-tls"
    assert one.finding.hint == f"write {server.url()}"


def image(name: str, **more: Any) -> PipelineImage:
    path = more.pop("path", f"library/{name}")
    return PipelineImage(name, "job", ".gitlab-ci.yml:2:3", "docker.io", path, **more)


def test_an_image_that_the_mirror_does_not_give(tmp_path: Path) -> None:
    answers = {"/v2/team/app/manifests/1": Answer(403, error_of("DENIED", "private"))}
    images = (image("team/app:1", path="team/app", reference="1"),)
    said = found(tmp_path, mirror_with(answers, status=None), images=images)
    assert [one[1] for one in said] == ["upstream-denied", "image-not-at-mirror"]
    assert "engines go on to docker.io itself, with the user's login" in said[1][2]


def test_a_mirror_without_library(tmp_path: Path) -> None:
    answers = {ALPINE: Answer(404)}
    answering = mirror_with(answers, kind="other")
    said = found(tmp_path, answering, images=(image("alpine"),), kind=MirrorKind.DISTRIBUTION)
    assert [one[1] for one in said] == ["image-library"]
    assert "as alpine, and not as library/alpine" in said[0][2]


def test_a_stale_image_has_its_place(tmp_path: Path) -> None:
    warning = '299 - "homeport: gone upstream since yesterday"'
    answers = {ALPINE: Answer(200, b"{}", {"Warning": warning})}
    said = found(tmp_path, mirror_with(answers), images=(image("alpine"),))
    assert sorted(one[1] for one in said) == ["image-stale", "stale"]
