"""Caches where things go wrong: full disks, runs beside each other, runs that are killed."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.runs import Repository

LARGE = """\
big:
  script: ['head -c 1200000 /dev/urandom > big']
  cache: {paths: [big]}
"""
MANY = """\
job:
  script:
    - "[ ! -d d ] || [ $(cat d/* | sort | uniq -c | wc -l) = 1 ] || exit 7"
    - "[ ! -d d ] || [ $(ls d | wc -l) = 200 ] || exit 8"
    - mkdir -p d; cd d; seq 200 | while read n; do echo $CI_PIPELINE_ID$$ > $n; done
  cache: {paths: [d/]}
"""


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


def parts(folder: Path) -> list[Path]:
    """What no ended run may leave among the caches."""
    return [*folder.glob("homeport/*/cache/.partial/*")]


def test_a_cache_that_does_not_fit_is_a_warning(tmp_path: Path, small: Path) -> None:
    repository = Repository(tmp_path / "project", LARGE, tmp_path)
    env = {"XDG_CACHE_HOME": str(small)}
    for _ in range(2):  # the second version does not fit beside the first
        done = repository.run(env=env)
        assert done.finished("big")["status"] == "success"
    assert "WARNING: Failed to create cache: " in done.stdout
    assert "No space left on device" in done.stdout
    assert len([*small.glob("homeport/*/cache/default-*/*/tree/big")]) == 1
    assert parts(small) == []


def test_a_cache_that_does_not_fit_into_the_workspace_is_left_out(
    tmp_path: Path, small: Path
) -> None:
    text = "job: {script: ['test -e big || echo > big'], cache: {paths: [big]}}"
    repository = Repository(tmp_path / "project", text, tmp_path)
    repository.run()
    [kept] = (tmp_path / ".cache").glob("homeport/*/cache/default-*/*")
    size = 3_000_000
    (kept / "tree/big").write_bytes(bytes(size))
    (kept / "info.json").write_text(f'{{"entries":1,"size":{size}}}')
    done = repository.run(env={"XDG_STATE_HOME": str(small)})
    assert done.finished("job")["status"] == "success"
    assert "WARNING: Failed to extract cache: " in done.stdout


def test_caches_that_cannot_be_written_are_a_warning(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", LARGE, tmp_path)
    (tmp_path / "file").write_text("")
    done = repository.run(env={"XDG_CACHE_HOME": str(tmp_path / "file")})
    assert done.status == 0
    assert "WARNING: Failed to create cache: " in done.stdout


def test_runs_beside_each_other_see_whole_caches(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", MANY, tmp_path)
    for _ in range(3):
        started = [repository.start("run", "--json") for _ in range(3)]
        for done in [each.end() for each in started]:
            assert done.status == 0, done
            assert '"warning":true' not in done.stdout.replace(" ", "")
    assert parts(tmp_path / ".cache") == []


def test_a_run_that_is_killed_while_it_keeps_a_cache_leaves_the_old_one(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", MANY, tmp_path)
    repository.run()
    started = repository.start("run", "--json")
    assert started.process.stdout is not None
    while b"Creating cache" not in started.process.stdout.readline():
        assert started.process.poll() is None
    os.killpg(started.process.pid, signal.SIGKILL)
    started.process.communicate()
    done = repository.run()
    assert done.status == 0, done
    assert "Extracting cache (201 entries" in done.stdout
    assert parts(tmp_path / ".cache") == []
