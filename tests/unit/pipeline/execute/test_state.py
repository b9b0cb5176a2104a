import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from homeport.errors import MissingError
from homeport.pipeline.execute.api import JobResult
from homeport.pipeline.execute.objects import Objects
from homeport.pipeline.execute.state import State, job_slug
from homeport.pipeline.execute.stored_tree import StoredTree, walk
from homeport.pipeline.model.event import Status


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "My Repo"
    folder.mkdir()
    return folder


def open_state(root: Path, env: dict[str, str], *, runs: int = 20, size: int = 10**9) -> State:
    return State.open(root, env, kept_runs=runs, kept_bytes=size)


@pytest.fixture
def state(root: Path, tmp_path: Path) -> State:
    return open_state(root, {"HOME": str(tmp_path / "home")})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("env", "folder", "cache"),
    [
        ({"HOME": "/h"}, "/h/.local/state/homeport/", "/h/.cache/homeport/"),
        (
            {"HOME": "/h", "XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "/c"},
            "/s/homeport/",
            "/c/homeport/",
        ),
        ({"XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "/c"}, "/s/homeport/", "/c/homeport/"),
        (
            {"HOME": "/h", "XDG_STATE_HOME": "relative"},
            "/h/.local/state/homeport/",
            "/h/.cache/homeport/",
        ),
    ],
)
def test_where_state_lives(env: dict[str, str], folder: str, cache: str, root: Path) -> None:
    opened = open_state(root, env)
    assert str(opened.folder).startswith(f"{folder}my-repo-")
    assert str(opened.cache_path).startswith(f"{cache}my-repo-")


def test_without_a_home_it_is_said(root: Path) -> None:
    with pytest.raises(MissingError, match="neither XDG_STATE_HOME nor HOME"):
        open_state(root, {})


def test_the_key_is_that_of_the_real_path(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    env = {"HOME": "/h"}
    assert open_state(tmp_path / "link", env).folder == open_state(root, env).folder
    (tmp_path / "my-repo").mkdir()
    assert open_state(tmp_path / "my-repo", env).folder != open_state(root, env).folder


def test_opening_makes_nothing(state: State, tmp_path: Path) -> None:
    assert state.latest("job") is None
    assert not (tmp_path / "home").exists()


def test_everything_is_private(state: State) -> None:
    run = state.new_run()
    run.record("job", JobResult(status=Status.SUCCESS))
    for path in (state.folder.parent, state.folder, *state.folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    run.finish(Status.SUCCESS)


def test_the_last_time_a_job_ran_is_found(state: State) -> None:
    first = state.new_run(sha="a" * 40, ref="main")
    first.artifacts_path("build").mkdir(parents=True)
    first.record("build", JobResult(status=Status.SUCCESS, dotenv={"VERSION": "1"}))
    first.record("test [a, b]", JobResult(status=Status.FAILED, exit_code=3))
    first.finish(Status.FAILED)
    second = state.new_run()
    second.record("other", JobResult(status=Status.FAILED))
    second.record("other", JobResult(status=Status.SUCCESS))
    second.finish(Status.SUCCESS)

    build = state.latest("build")
    assert build is not None
    assert (build.run, build.status, build.dotenv) == (first.id, Status.SUCCESS, {"VERSION": "1"})
    assert build.artifacts == first.artifacts_path("build")
    assert 0 <= build.age < 60
    test, other = state.latest("test [a, b]"), state.latest("other")
    assert test is not None
    assert (test.status, test.artifacts) == (Status.FAILED, None)
    assert other is not None
    assert (other.run, other.status) == (second.id, Status.SUCCESS)
    assert state.latest("buil") is None


def test_a_line_cut_off_by_a_kill_is_passed_over(state: State) -> None:
    run = state.new_run()
    run.record("build", JobResult(status=Status.SUCCESS))
    with (run.folder / "jobs.jsonl").open("ab") as file:
        file.write(b'{"job":"build","res')
    run.close()
    found = state.latest("build")
    assert found is not None
    assert found.status is Status.SUCCESS


def test_run_ids_sort_by_time_and_differ(state: State) -> None:
    runs = [state.new_run() for _ in range(5)]
    assert [run.id for run in runs] == sorted({run.id for run in runs})
    for run in runs:
        run.close()


def test_old_runs_go_away_by_number(root: Path, tmp_path: Path) -> None:
    state = open_state(root, {"HOME": str(tmp_path)}, runs=3)
    ids = []
    for _ in range(5):
        run = state.new_run()
        ids.append(run.id)
        run.finish(Status.SUCCESS)
    assert names(state.folder / "runs") == ids[-3:]


def test_old_runs_go_away_by_size(root: Path, tmp_path: Path) -> None:
    state = open_state(root, {"HOME": str(tmp_path)}, size=25_000)
    ids = []
    for _ in range(4):
        run = state.new_run()
        ids.append(run.id)
        run.log_path("job").write_bytes(b"x" * 10_000)
        run.finish(Status.SUCCESS)
    state.new_run().finish(Status.SUCCESS)
    assert ids[-2:] == names(state.folder / "runs")[:2]


def test_who_reads_from_a_run_that_goes_away_misses_no_file_unseen(
    root: Path, tmp_path: Path
) -> None:
    state = open_state(root, {"HOME": str(tmp_path)}, runs=1)
    run = state.new_run()
    kept = StoredTree(run.artifacts_path("job"), Objects(run.objects_path))
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        kept.take(name, str(tmp_path / name))
    kept.finish()
    run.finish(Status.SUCCESS)
    reading = walk(kept.root)
    next(reading)
    state.new_run().finish(Status.SUCCESS)
    with pytest.raises(FileNotFoundError):
        next(reading)
    assert names(state.folder / "builds") == []


def test_a_live_run_is_never_removed(root: Path, tmp_path: Path) -> None:
    state = open_state(root, {"HOME": str(tmp_path)}, runs=1)
    live = state.new_run()
    (live.builds_path / "workspace").mkdir()
    for _ in range(3):
        state.new_run().finish(Status.SUCCESS)
    assert live.folder.is_dir()
    assert (live.builds_path / "workspace").is_dir()
    live.finish(Status.SUCCESS)
    state.new_run().finish(Status.SUCCESS)
    assert not live.folder.exists()


KILLED = """
import os, sys
from pathlib import Path
from homeport.pipeline.execute.state import State
run = State.open(Path(sys.argv[1]), {"HOME": sys.argv[2]}, kept_runs=20, kept_bytes=10**9).new_run()
(run.builds_path / "workspace").mkdir()
(run.builds_path / "workspace/file").write_text("left")
partial = "artifacts/.job.partial", "reports/job/.dotenv.partial"
for tree in ("artifacts/whole", *partial, "git.packs-x"):
    (run.folder / tree).mkdir(parents=True)
    (run.folder / tree / "file").write_text("left")
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_run_left_is_removed_at_the_next_start(
    state: State, root: Path, tmp_path: Path
) -> None:
    home = str(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(root), home],
        env={"PATH": os.environ["PATH"]},
        check=False,
    )
    assert done.returncode == -9
    [left] = names(state.folder / "builds")
    run = state.new_run()
    assert names(state.folder / "builds") == [run.id]
    assert left in names(state.folder / "runs")
    assert names(state.folder / "runs" / left / "artifacts") == ["whole"]
    assert names(state.folder / "runs" / left / "reports/job") == []
    assert not list((state.folder / "runs" / left).glob("git*"))
    run.close()
    assert names(state.folder / "builds") == []


def test_finish_removes_what_only_a_running_one_needs(state: State) -> None:
    run = state.new_run()
    run.git_path.mkdir()
    (run.builds_path / "ws").mkdir()
    run.finish(Status.SUCCESS)
    run.close()
    assert names(run.folder) == ["lock", "logs", "run.json"]
    assert not run.builds_path.exists()


def test_a_state_folder_that_cannot_be_written_is_said(tmp_path: Path, root: Path) -> None:
    (tmp_path / "file").write_text("")
    state = State.open(
        root,
        {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "file")},
        kept_runs=20,
        kept_bytes=10**9,
    )
    with pytest.raises(MissingError, match=r"cannot write .*file") as caught:
        state.new_run()
    assert caught.value.problems[0].hint


def test_logs_of_attempts_are_apart(state: State) -> None:
    run = state.new_run()
    assert run.log_path("a").name == "a.log"
    assert run.log_path("a", 2).name == "a.2.log"
    run.close()


@pytest.mark.parametrize("job", ["build", "unit_tests", "a.b-c", "deploy-1"])
def test_plain_job_names_stay(job: str) -> None:
    assert job_slug(job) == job


def test_other_job_names_are_safe_and_differ() -> None:
    jobs = [
        "a/b",
        "a b",
        "A b",
        "../../etc",
        "..",
        ".",
        "x" * 255,
        "x" * 254,
        "\u00e9",
        "\u00e8",
        "a:b",
        "-",
    ]
    slugs = {job_slug(job) for job in jobs}
    assert len({slug.lower() for slug in slugs}) == len(jobs)
    for slug in slugs:
        assert "/" not in slug
        assert slug not in ("", ".", "..")
        assert len(slug) < 100
