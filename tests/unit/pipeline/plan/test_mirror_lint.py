"""What `lint --mirror` points at: codes and places."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from homeport.cli.main import main
from testbed.runs import Repository

URL = "https://m.corp:5443"


Found = tuple[int, list[tuple[str, str]], str]
"""The status, (code, place) of each problem, and all hints."""
Lint = Callable[..., Found]


@pytest.fixture
def lint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Lint:
    def work(text: str, **files: str) -> Found:
        repository = Repository(tmp_path / "work", text, tmp_path / "home")
        for name, content in files.items():
            (repository.root / name).write_text(content)
        monkeypatch.chdir(repository.root)
        monkeypatch.setenv("HOME", str(repository.home))
        status = main(["lint", "--json", "--mirror", URL])
        problems = json.loads(capsys.readouterr().out)["problems"]
        found = [(each["code"], _place(each["span"])) for each in problems]
        return status, found, "\n".join(each["hint"] or "" for each in problems)

    return work


def _place(span: dict[str, object] | None) -> str:
    return "" if span is None else f"{span['file']}:{span['line']}:{span['column']}"


CASES = {
    "dind of a job": (
        "a:\n  services:\n    - postgres\n    - docker:dind\n  script: x\n",
        [("mirror-dind", ".gitlab-ci.yml:4:7")],
    ),
    "dind of default, once": (
        "default:\n  services: [docker:dind]\na: {script: x}\nb: {script: x}\n",
        [("mirror-dind", ".gitlab-ci.yml:2:14")],
    ),
    "dind at the top": (
        "services: [{name: docker:dind}]\na: {script: x}\n",
        [("mirror-dind", ".gitlab-ci.yml:1:12")],
    ),
    "dind by extends": (
        ".d:\n  services: [docker:dind]\na: {extends: .d, script: x}\n",
        [("mirror-dind", ".gitlab-ci.yml:2:14")],
    ),
    "dind with the mirror": (
        f"a: {{script: x, services: [{{name: docker:dind, command: [--x={URL}]}}]}}\n",
        [],
    ),
    "buildkit": (
        "a: {script: x, services: [moby/buildkit]}\n",
        [("mirror-buildkit", ".gitlab-ci.yml:1:27")],
    ),
    "buildx": (
        "a:\n  before_script:\n  - x\n  - docker buildx create\n  script: x\n",
        [("mirror-buildx", ".gitlab-ci.yml:4:5")],
    ),
    "nested script": (
        "a:\n  script:\n  - [x, y]\n  - podman pull a\n",
        [("mirror-containers", ".gitlab-ci.yml:4:5")],
    ),
    "kaniko": (
        "a:\n  image: {name: gcr.io/kaniko-project/executor}\n  script: /kaniko/executor -c .\n",
        [("mirror-not-hub", ".gitlab-ci.yml:2:10"), ("mirror-kaniko", ".gitlab-ci.yml:3:11")],
    ),
    "kaniko by its image": (
        (
            "a: {image: m.corp:5443/kaniko, script: executor -c .}\n"
            "b: {image: m.corp:5443/kaniko, script: executor --registry-map a=b}\n"
        ),
        [("mirror-kaniko", ".gitlab-ci.yml:1:12")],
    ),
    "kaniko by a variable": (
        "variables: {KANIKO_REGISTRY_MIRROR: m}\na: {script: /kaniko/executor -c .}\n",
        [],
    ),
    "images": (
        """\
a: {image: quay.io/a/b, services: [ghcr.io/a/b], script: x}
b: {image: 'm.corp:5443/a', script: x}
c: {image: $R/a, script: x}
d: {image: docker.io/library/alpine, script: x}
""",
        [("mirror-not-hub", ".gitlab-ci.yml:1:12"), ("mirror-not-hub", ".gitlab-ci.yml:1:36")],
    ),
    "names with variables": (
        """\
variables: {R: quay.io, T: dind}
a: {image: $R/a, services: ['docker:$T'], script: x}
b: {inherit: {variables: false}, image: $R/a, script: x}
""",
        [("mirror-not-hub", ".gitlab-ci.yml:2:12"), ("mirror-dind", ".gitlab-ci.yml:2:29")],
    ),
    "nothing": ("a: {script: make}\n", []),
}


@pytest.mark.parametrize("case", CASES)
def test_places(lint: Lint, case: str) -> None:
    text, expected = CASES[case]
    status, found, _ = lint(text)
    assert (status, found) == (0, expected)


def test_a_dockerfile(lint: Lint) -> None:
    files = {"Dockerfile": "FROM alpine\nFROM ghcr.io/a/b\nFROM m.corp:5443/c\n"}
    _, found, hints = lint("a: {script: docker build .}\n", **files)
    assert found == [("mirror-dockerfile", "Dockerfile:2:1")]
    assert "name it m.corp:5443/ghcr.io/" in hints


def test_no_file_outside_of_the_repository_is_read(lint: Lint, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("FROM ghcr.io/a/b\n")
    _, found, _ = lint("a: {script: docker build -f ../secret .}\n")
    assert found == []


def test_a_link_out_of_the_repository_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text("FROM ghcr.io/a/b\n")
    repository = Repository(tmp_path / "w", "a: {script: docker build .}\n", tmp_path / "home")
    (repository.root / "Dockerfile").symlink_to(tmp_path / "secret")
    monkeypatch.chdir(repository.root)
    monkeypatch.setenv("HOME", str(repository.home))
    assert main(["lint", "--mirror", URL]) == 0
    assert "ghcr.io" not in capsys.readouterr().err


def test_hints_name_what_to_add(lint: Lint) -> None:
    _, _, hints = lint("a: {services: [docker:dind], script: docker buildx create}\n")
    assert f'add command: ["--registry-mirror={URL}"]' in hints
    assert "/etc/docker/certs.d/m.corp:5443/ca.crt" in hints
    assert '[registry."docker.io"] mirrors = ["m.corp:5443"]' in hints


def test_a_path_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = Repository(tmp_path / "work", "a: {script: x}\n", tmp_path / "home")
    monkeypatch.chdir(repository.root)
    monkeypatch.setenv("HOME", str(repository.home))
    for url in ("https://m.corp/path", "https://robot:secret@m.corp"):
        assert main(["lint", "--mirror", url]) == 2
        said = capsys.readouterr().err
        assert "without a path" in said
        assert "secret" not in said
