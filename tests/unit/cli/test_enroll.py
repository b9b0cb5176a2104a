"""What the options ask for, and how what goes wrong is told."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from homeport.cli import enroll as command
from homeport.cli.enroll import mapped, problem_of, request_of
from homeport.cli.main import build_parser, main
from homeport.enroll.apply import apply
from homeport.enroll.errors import (
    BrokenFileError,
    ConflictError,
    EngineError,
    EnrollError,
    MachineError,
    UnreachableMirrorError,
)
from homeport.enroll.model import Finding, MirrorKind, Mode
from homeport.errors import Severity, Span, UsageError
from testbed.fake_kind import FakeKind, finding
from testbed.killed import URL, plan
from testbed.machine import Machine

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


def parsed(*words: str) -> argparse.Namespace:
    return build_parser("enroll").parse_args(["enroll", "plan", *words])


def test_every_option_arrives(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(CA)
    words = ["--mirror", "https://m", "--docker-mirror", "http://m:5000", "--mode", "only"]
    words += ["--registries", "docker.io, GHCR.io", "--engine", "docker", "--engine", "podman"]
    words += ["--mirror-kind", "harbor", "--path", "ghcr.io=/ghcr/", "--canary", "x/y:1"]
    words += ["--ca", str(tmp_path / "ca.pem"), "--allow-restart"]
    request = request_of(parsed(*words), machine.host)
    mirror = request.mirror
    assert (mirror.url, mirror.hub_url, mirror.ca) == ("https://m", "http://m:5000", CA)
    assert (mirror.kind, mirror.canary) == (MirrorKind.HARBOR, "x/y:1")
    assert mirror.paths == {"ghcr.io": "ghcr"}
    assert request.registries == ("docker.io", "ghcr.io")
    assert (request.mode, request.engines) == (Mode.ONLY, ("docker", "podman"))
    assert request.allow_restart


def test_without_a_mirror_it_is_that_of_the_last_enrolment(machine: Machine) -> None:
    with pytest.raises(UsageError, match="which mirror"):
        request_of(parsed(), machine.host)
    kind = FakeKind()
    machine.at("/etc").mkdir()
    apply(machine.host, plan(machine, kind), find=finding(kind))
    found = request_of(parsed("--mode", "only"), machine.host)
    assert (found.mirror.url, found.mode) == (URL, Mode.ONLY)
    # Another mirror begins anew.
    assert request_of(parsed("--mirror", "https://m"), machine.host).mirror.ca is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read the CA"),
        (b"\xff\xfe", "it is not PEM"),
        (b"x", "not a CA's certificate"),
        (CA.encode() + b"-----BEGIN PRIVATE KEY-----\n", "not a CA's certificate"),
    ],
)
def test_a_ca_must_be_one(
    machine: Machine, tmp_path: Path, content: bytes | None, said: str
) -> None:
    place = tmp_path / "ca.pem"
    if content is not None:
        place.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        request_of(parsed("--mirror", "https://m", "--ca", str(place)), machine.host)


@pytest.mark.parametrize("text", ["ghcr.io", "=x", "ghcr.io=/"])
def test_a_path_names_both(machine: Machine, text: str) -> None:
    with pytest.raises(UsageError, match="names no registry and path"):
        request_of(parsed("--mirror", "https://m", "--path", text), machine.host)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EnrollError("x"), 2),
        (ConflictError("x"), 2),
        (BrokenFileError("/etc/x", 3, 4, "x"), 2),
        (MachineError("x"), 3),
        (EngineError("x", said="its words"), 3),
        (UnreachableMirrorError("x"), 3),
    ],
)
def test_errors_have_their_exit_status(error: EnrollError, status: int) -> None:
    found = mapped(error)
    assert int(found.exit_code) == status
    (problem,) = found.problems
    assert problem.message.startswith("x")
    if isinstance(error, BrokenFileError):
        assert problem.span == Span("/etc/x", 3, 4)
    if isinstance(error, EngineError):
        assert "its words" in problem.message


def test_a_place_without_a_line_is_told_in_the_message() -> None:
    found = problem_of(Finding("code", "message", "hint", "/etc/x", "warning"))
    assert (found.span, found.message) == (None, "/etc/x: message")
    assert (found.severity, found.hint) == (Severity.WARNING, "hint")


def test_nothing_enrolled_is_said(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsysbinary: Any
) -> None:
    for name in ("undo", "status", "watch"):
        module = __import__(f"homeport.cli.enroll_{name}", fromlist=["this_host"])
        monkeypatch.setattr(module, "this_host", lambda: machine.host)
    assert command.this_host().root == "/"
    assert main(["enroll", "undo", "--json"]) == 0
    assert json.loads(capsysbinary.readouterr().out) == {"undone": []}
    assert main(["enroll", "status", "--json"]) == 0
    assert json.loads(capsysbinary.readouterr().out) == {"engines": [], "findings": []}
    assert main(["enroll", "watch"]) == 0
    assert capsysbinary.readouterr().out == b""
    assert main(["enroll", "undo", "--keep", "/etc/x"]) == 2
    assert b"no file that homeport has changed" in capsysbinary.readouterr().err
