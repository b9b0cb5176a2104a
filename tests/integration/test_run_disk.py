"""Disks that are full or read-only, trees with everything in them that a file system knows."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.runs import Repository

SIMPLE = "job: {script: ['echo ran']}\n"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run(
        [*as_root, "mount", "-t", "tmpfs", "-o", "size=2m,mode=1777", "none", folder], check=True
    )
    yield folder
    subprocess.run([*as_root, "umount", "-l", folder], check=True)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("head -c 9000000 /dev/zero | tr '\\\\0' 'x' | fold", "No space left on device"),
        ("head -c 9000000 /dev/zero > big", "No space left on device"),
    ],
    ids=["log", "workspace"],
)
def test_a_disk_that_fills_up_fails_the_job(
    tmp_path: Path, small: Path, script: str, words: str
) -> None:
    text = f"job:\n  script:\n    - {script}\nnext: {{script: ['true'], stage: deploy}}\n"
    repository = Repository(tmp_path / "project", text, tmp_path / "home")
    done = repository.run(env={"XDG_STATE_HOME": str(small)}, within=30)
    assert done.status in (1, 3)
    assert done.finished("job")["status"] == "failed"
    assert words in f"{done.finished('job')['reason']} {done.log('job')} {done.stderr}"
    assert [*small.glob("homeport/*/builds/*")] == []


def test_a_full_disk_before_anything_runs_is_one_error(tmp_path: Path, small: Path) -> None:
    repository = Repository(tmp_path / "project", SIMPLE, tmp_path / "home")
    subprocess.run(["dd", "if=/dev/zero", f"of={small}/filler"], capture_output=True, check=False)
    done = repository.run(env={"XDG_STATE_HOME": str(small)}, within=30)
    assert (done.status, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 2
    assert "No space left on device" in done.stderr


def test_artifacts_that_do_not_fit_fail_the_job(tmp_path: Path, small: Path) -> None:
    text = """\
job:
  script: ['head -c 1200000 /dev/zero > big']
  artifacts: {paths: [big]}
"""
    repository = Repository(tmp_path / "project", text, tmp_path / "home")
    done = repository.run(env={"XDG_STATE_HOME": str(small)}, within=30)
    assert done.status in (1, 3)
    assert "No space left on device" in done.finished("job")["reason"]
    assert [*small.glob("homeport/*/runs/*/artifacts/*")] == []


@pytest.mark.engine
def test_the_state_may_lie_on_a_file_system_of_its_own(
    tmp_path: Path, small: Path, docker_address: str
) -> None:
    text = "job: {image: 'debian:bookworm', script: ['git log --format=%s']}\n"
    repository = Repository(tmp_path / "project", text, tmp_path / "home").on(docker_address)
    (tmp_path / "scratch").mkdir()
    env = {"XDG_STATE_HOME": str(small), "TMPDIR": str(tmp_path / "scratch")}
    done = repository.run(env=env)
    assert (done.status, "a commit\n" in done.log("job")) == (0, True), done
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_a_cache_that_does_not_fit_leaves_nothing(tmp_path: Path, small: Path) -> None:
    text = """\
job:
  script: ['mkdir c; for i in 1 2 3; do head -c 600000 /dev/urandom > c/$i; done']
  cache: {key: k, paths: [c]}
"""
    repository = Repository(tmp_path / "project", text, tmp_path / "home")
    (small / "filler").write_bytes(b"x" * 1_000_000)
    done = repository.run(env={"XDG_CACHE_HOME": str(small)})
    assert done.status == 0
    assert "WARNING: Failed to create cache" in done.stdout
    used = sum(path.stat().st_size for path in small.rglob("*") if path.is_file())
    assert used < 1_100_000


def test_a_state_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", SIMPLE, tmp_path / "home")
    (tmp_path / "file").write_text("")
    done = repository.run(env={"XDG_STATE_HOME": str(tmp_path / "file")})
    assert (done.status, done.stdout) == (3, "")
    assert "cannot write" in done.stderr
    assert "XDG_STATE_HOME" in done.stderr


def test_without_a_home(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", SIMPLE, tmp_path / "home")
    del repository.env["HOME"]
    done = repository.run()
    assert (done.status, done.stdout) == (3, "")
    assert "neither XDG_STATE_HOME nor HOME is an absolute path" in done.stderr
    done = repository.run(env={"XDG_STATE_HOME": str(tmp_path / "s")})
    assert done.status == 3
    assert "XDG_CACHE_HOME" in done.stderr
    xdg = {"XDG_STATE_HOME": str(tmp_path / "s"), "XDG_CACHE_HOME": str(tmp_path / "c")}
    done = repository.run(env=xdg)
    assert (done.status, done.log("job")) == (0, "$ echo ran\nran\n")


def test_a_read_only_repository(tmp_path: Path, small: Path) -> None:
    text = "job: {script: ['echo more >> .gitlab-ci.yml', 'git status --short', 'touch new']}\n"
    repository = Repository(small / "project", text, tmp_path / "home")
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*as_root, "mount", "-o", "remount,ro", small], check=True)
    done = repository.run()
    assert (done.status, done.stderr) == (0, "")
    assert " M .gitlab-ci.yml\n" in done.log("job")


def test_a_tree_with_everything_in_it(tmp_path: Path) -> None:
    text = """\
job:
  script:
    - find . -path ./.git -prune -o -print0 | LC_ALL=C sort -z > ../listed
    - test ! -e fifo && test ! -e socket && test ! -e device
    - test "$(readlink broken)" = nowhere && test "$(readlink absolute)" = /etc/hostname
    - test "$(readlink out)" = ../../outside
    - test "$(stat -c %a setuid)" = 755 && test "$(stat -c %h hard)" = 1
    - echo changed > hard; test "$(cat linked)" = same
    - test "$(ls many | wc -l)" = 10000
    - cat "$(printf 'a\\nb')" "$(printf 'caf\\351')" "$(printf '%0255d' 0)"
  artifacts: {paths: ["*"]}
next:
  stage: deploy
  variables: {GIT_STRATEGY: none}
  script:
    - cat "$(printf 'a\\nb')" "$(printf 'caf\\351')" "$(printf '%0255d' 0)"
    - test "$(readlink out)" = ../../outside && test "$(ls many | wc -l)" = 10000
"""
    repository = Repository(tmp_path / "project", text, tmp_path / "home")
    root = repository.root
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket"))
    if os.geteuid() == 0:
        os.mknod(root / "device", 0o20600, os.makedev(1, 3))
    (root / "broken").symlink_to("nowhere")
    (root / "absolute").symlink_to("/etc/hostname")
    (root / "out").symlink_to("../../outside")
    (root / "setuid").write_text("")
    (root / "setuid").chmod(0o4755)
    (root / "hard").write_text("same")
    os.link(root / "hard", root / "linked")
    for name in (b"a\nb", b"caf\xe9", b"0" * 255):
        (root / os.fsdecode(name)).write_text("x")
    (root / "many").mkdir()
    for number in range(10000):
        (root / f"many/{number}").write_text("")
    done = repository.run(within=100)
    assert done.status == 0, done
    assert "\nxxx$ test" in done.log("next")
    assert (root / "hard").read_text() == "same"


def test_a_file_that_may_not_be_read_fails_the_job_by_name(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", SIMPLE, tmp_path / "home")
    (repository.root / "secret").write_text("")
    (repository.root / "secret").chmod(0)
    command = []
    if os.geteuid() == 0:
        # Root reads everything, unless it gives that up.
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    done = repository.run(command=command)
    assert done.status == 1
    assert "secret: Permission denied" in done.finished("job")["reason"]
