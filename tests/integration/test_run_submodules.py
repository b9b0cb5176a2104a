"""Submodules that a job asks for: from the user's checkout as it is, or fetched; in shells and in
containers. The user's own repositories stay as they were."""

import base64
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from testbed.git_server import GitProjects, git_backend
from testbed.runs import Repository
from testbed.web import Answer, Asked, serving

TEXT = """\
default: {image: "debian:bookworm"}

with:
  variables: {GIT_SUBMODULE_STRATEGY: recursive, GIT_SUBMODULE_DEPTH: "1"}
  script:
    - cat libs/one/file libs/one/new libs/one/deep/nested; cat libs/one/.git
    - git -C libs/one log --format=%s; git -C libs/one/deep fsck --connectivity-only
    - (cd libs/one/deep; git rev-parse --show-toplevel | sed "s|$CI_PROJECT_DIR/||")
    - git -C libs/one status --porcelain
    - git -C libs/one config remote.origin.url; git config submodule.first.url
    - git -C libs/one -c user.name=a -c user.email=b commit -qam mine; echo changed > libs/one/file
    - echo made > made; echo made > libs/one/made
  artifacts: {untracked: true}

normal:
  variables: {GIT_SUBMODULE_STRATEGY: normal}
  script:
    - cat libs/one/file; find libs/one/deep -type f | wc -l || true

other:
  variables: {GIT_SUBMODULE_STRATEGY: recursive, GIT_SUBMODULE_PATHS: ":(exclude)libs/one"}
  script:
    - ls -A libs/one | wc -l

without:
  script:
    - ls -A libs/one | wc -l; ls -d libs/one
"""


def commit(repository: Path, env: dict[str, str], message: str = "a commit") -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=b@c"]
    for command in (["add", "-A"], [*identity, "commit", "-qm", message]):
        subprocess.run(["git", *command], cwd=repository, env=env, check=True)


@pytest.fixture
def project(tmp_path: Path) -> Repository:
    """A project with a submodule that has one itself, all checked out."""
    home = tmp_path / "home"
    deep = Repository(tmp_path / "deep", "x: {script: x}\n", home)
    (deep.root / "nested").write_text("nested\n")
    deep.commit()
    one = Repository(tmp_path / "one", "x: {script: x}\n", home)
    (one.root / "file").write_text("file\n")
    one.commit()
    allow = ["-c", "protocol.file.allow=always", "submodule", "-q"]
    one.git(*allow, "add", str(deep.root), "deep")
    one.git("commit", "-qm", "last of one")
    project = Repository(tmp_path / "group/project", TEXT, home)
    project.git(*allow, "add", "--name", "first", str(one.root), "libs/one")
    project.git(*allow, "update", "--init", "--recursive")
    url = "https://user:secret@git.example.com/one.git"
    project.git("config", "--file", ".gitmodules", "submodule.first.url", url)
    project.commit()
    return project


@pytest.fixture(params=["shell", "docker", "podman"])
def place(request: pytest.FixtureRequest, project: Repository) -> Repository:
    if request.param != "shell":
        project.on(request.getfixturevalue(f"{request.param}_address"))
    else:
        text = TEXT.replace('default: {image: "debian:bookworm"}', "")
        (project.root / ".gitlab-ci.yml").write_text(text)
        project.commit()
    return project


def words(log: str) -> list[str]:
    return [line for line in log.splitlines() if line and not line.startswith("$ ")]


def test_submodules_are_as_they_are_checked_out(place: Repository) -> None:
    (place.root / "libs/one/file").write_text("edited\n")
    (place.root / "libs/one/new").write_text("untracked\n")
    before = place.git("submodule", "foreach", "--recursive", "git status --porcelain; git log -1")
    done = place.run()
    assert done.status == 0, done.stdout[-3000:]
    assert words(done.log("with")) == [
        "edited",
        "untracked",
        "nested",
        "gitdir: ../../.git/modules/first",
        "last of one",
        "libs/one/deep",
        " M file",
        "?? new",
        "https://git.example.com/one.git",
        "https://git.example.com/one.git",
    ]
    [artifacts] = place.state.glob("*/runs/*/artifacts/with")
    assert [path.name for path in artifacts.rglob("*")] == ["made"]
    assert "secret" not in str(place.logs())
    assert words(done.log("normal")) == ["edited", "0"]
    assert words(done.log("other")) == ["0"]
    assert words(done.log("without")) == ["0", "libs/one"]
    after = place.git("submodule", "foreach", "--recursive", "git status --porcelain; git log -1")
    assert after == before


def test_another_commit_than_the_recorded_one_is_said(project: Repository) -> None:
    (project.root / "libs/one/more").write_text("")
    commit(project.root / "libs/one", project.env, "beyond")
    done = project.run("--executor", "shell", "normal")
    assert done.status == 0, done.stdout[-3000:]
    assert "submodule libs/one is run as it is checked out here, at" in str(done.events)


def test_the_commit_alone_has_the_recorded_one(project: Repository) -> None:
    (project.root / "libs/one/file").write_text("edited\n")
    done = project.run("--executor", "shell", "--committed", "normal")
    assert done.status == 0, done.stdout[-3000:]
    assert words(done.log("normal")) == ["file", "0"]


def elsewhere(project: Repository, url: str) -> None:
    project.git("submodule", "-q", "deinit", "-f", "--all")
    project.git("config", "--file", ".gitmodules", "submodule.first.url", url)


def test_what_is_not_checked_out_is_fetched(project: Repository, tmp_path: Path) -> None:
    projects = GitProjects(tmp_path / "served")
    sha = projects.commit("group/lib", {"file": "fetched\n"})
    project.git("update-index", "--cacheinfo", f"160000,{sha},libs/one")
    with serving(git_backend(projects.root)) as server:
        elsewhere(project, "../../group/lib.git")
        project.git("remote", "add", "origin", f"{server.url()}/some/project.git")
        done = project.run("--executor", "shell", "normal")
        assert done.status == 0, done.stdout[-3000:]
        assert words(done.log("normal"))[0] == "fetched"
        assert list((project.root / "libs/one").iterdir()) == []
        offline = project.run("--executor", "shell", "--offline", "normal")
        assert offline.status == 1
        assert "submodule libs/one is not checked out here, and --offline" in str(offline.events)


def test_the_users_own_helper_is_asked_for_a_password(project: Repository, tmp_path: Path) -> None:
    projects = GitProjects(tmp_path / "served")
    sha = projects.commit("lib", {"file": "private\n"})
    project.git("update-index", "--cacheinfo", f"160000,{sha},libs/one")
    behind = git_backend(projects.root)
    wanted = "Basic " + base64.b64encode(b"me:hunter22").decode()

    def answer(asked: Asked) -> Answer:
        if asked.headers.get("authorization") != wanted:
            return Answer(401, b"", {"WWW-Authenticate": "Basic realm=x"})
        return behind(asked)

    with serving(answer) as server:
        elsewhere(project, server.url("/lib.git"))
        refused = project.run("--executor", "shell", "normal")
        assert refused.status == 1
        assert "submodule libs/one cannot be fetched from http://" in str(refused.events)
        (project.home / ".gitconfig").write_text(
            '[credential]\nhelper = "!echo username=me; echo password=hunter22; :"\n'
        )
        done = project.run("--executor", "shell", "normal")
    assert done.status == 0, done.stdout[-3000:]
    assert words(done.log("normal"))[0] == "private"
    assert "hunter22" not in done.stdout + done.stderr + str(project.logs())


def test_a_fetch_that_hangs_ends_with_the_run(project: Repository) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        elsewhere(project, f"http://127.0.0.1:{server.getsockname()[1]}/x.git")
        started = project.start("run", "--json", "--executor", "shell", "normal")
        connection, _ = server.accept()
        began = time.monotonic()
        started.process.send_signal(signal.SIGINT)
        done = started.end()
        connection.close()
    assert done.status == 130
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/etc", "none of https, http or ssh"),
        ("file:///etc", "none of https, http or ssh"),
        ("ext::sh -c touch% /tmp/owned", "none of https, http or ssh"),
        ("-u./payload", "none of https, http or ssh"),
        ("ssh://-oProxyCommand=touch/x", "none of https, http or ssh"),
        ("../x", "the repository has no remote"),
        ("http://127.0.0.1:1/x.git", "cannot be fetched from http://127.0.0.1:1/x.git"),
    ],
)
def test_what_cannot_be_fetched_is_said(project: Repository, url: str, words: str) -> None:
    elsewhere(project, url)
    done = project.run("--executor", "shell", "normal")
    assert done.status == 1
    assert words in str(done.events)
    assert "git submodule update --init --recursive libs/one" in str(done.events)


def test_a_submodule_behind_a_link_is_refused(project: Repository, tmp_path: Path) -> None:
    (project.root / "libs").rename(tmp_path / "libs")
    (project.root / "libs").symlink_to(tmp_path / "libs")
    done = project.run("--executor", "shell", "normal")
    assert done.status == 1
    assert "submodule libs/one: libs is no folder" in str(done.events)


def test_a_repository_elsewhere_is_refused(project: Repository, tmp_path: Path) -> None:
    (project.root / "libs/one/.git").write_text(f"gitdir: {tmp_path}/deep/.git\n")
    done = project.run("--executor", "shell", "normal")
    assert done.status == 1
    assert "its repository is outside of the project's" in str(done.events)


def test_another_user_of_a_container_may_use_git_in_submodules(
    project: Repository, docker_address: str
) -> None:
    (project.root / ".gitlab-ci.yml").write_text(
        "variables: {GIT_SUBMODULE_STRATEGY: recursive}\n"
        "job:\n  image: nonroot:latest\n  script:\n"
        "    - id -u; git status --short --ignore-submodules=none\n"
        "    - git -C libs/one/deep log --format=%s -1; touch libs/one/written\n"
    )
    project.git("add", "-A")
    project.git("commit", "-qm", "another")
    done = project.on(docker_address).run()
    assert done.status == 0, done.stdout[-3000:]
    assert words(done.log("job")) == ["1000", "a commit"]
