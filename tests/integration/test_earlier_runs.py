"""Commands about earlier runs: `last`, `logs`, `cache` and `clean`, as a user sees them."""

import json
import os
import shutil
import signal
from itertools import groupby
from pathlib import Path

import pytest

from homeport.engine.api import ContainerSpec
from homeport.engine.docker import connect
from testbed.runs import Done, Repository, containers, wait_until

CI = """\
stages: [build, test, deploy]
build:
  stage: build
  script: [echo building, "printf '\\\\033]0;title\\\\007red\\\\n'"]
  cache: {key: "things $CI_COMMIT_REF_NAME", paths: [kept]}
  before_script: [mkdir -p kept, echo 1 > kept/file]
flaky:
  stage: test
  retry: 1
  script: [echo trying, exit 3]
odd: {stage: test, script: [exit 4], allow_failure: true}
deploy: {stage: deploy, script: [echo never]}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "project", CI, tmp_path / "home")


def test_last_tells_what_the_run_told(repository: Repository) -> None:
    run = repository.start("run").end()
    last = repository.start("last").end()
    assert last.status == run.status == 1
    table = run.stdout[run.stdout.index("Job ") :]
    assert last.stdout.splitlines()[1:] == table.splitlines()
    told = json.loads(repository.start("last", "--json").end().stdout)
    jobs = {job["job"]: job for job in told["jobs"]}
    assert told["status"] == "failed"
    assert told["exit_status"] == 1
    assert not told["live"]
    assert told["failed"] == ["flaky"]
    assert jobs["flaky"]["attempts"] == 2
    assert jobs["flaky"]["exit_code"] == 3
    assert jobs["odd"]["allowed"] is True
    assert jobs["deploy"]["status"] == "skipped"
    assert jobs["deploy"]["attempts"] == 0


def test_last_of_a_good_run_and_of_one_by_its_id(repository: Repository) -> None:
    bad = repository.run()
    assert repository.run("build").status == 0
    assert repository.start("last").end().status == 0
    number = bad.events[0]["run"]
    assert repository.start("last", "--run", number).end().status == 1
    unknown = repository.start("last", "--run", "../..").end()
    assert unknown.status == 2
    assert "there is no run ../.." in unknown.stderr


def test_last_needs_a_run_and_no_whole_ci_file(repository: Repository) -> None:
    none = repository.start("last").end()
    assert none.status == 2
    assert "there is no run of this repository" in none.stderr
    repository.run("build")
    (repository.root / ".gitlab-ci.yml").write_text("]")
    assert repository.start("last").end().status == 0


def test_last_of_a_killed_run_says_so(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "p", "job: {script: [echo on, sleep 60]}", tmp_path / "h")
    started = repository.start("run", "--json")
    repository.wait_for("on")
    live = repository.start("last").end()
    assert live.status == 1
    assert "still going on" in live.stderr
    assert "running" in live.stdout
    started.signal(signal.SIGKILL)
    started.end()
    killed = repository.start("last").end()
    assert killed.status == 1
    assert "was killed before its end" in killed.stderr
    assert "canceled" in killed.stdout
    assert repository.start("clean").end().status == 0
    wait_until(lambda: not repository.leftovers(), "the job's processes live on")


def test_last_of_an_interrupted_run_is_interrupted(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "p", "job: {script: [echo on, sleep 60]}", tmp_path / "h")
    started = repository.start("run", "--json")
    repository.wait_for("on")
    started.signal(signal.SIGINT)
    assert started.end().status == 130
    assert repository.start("last").end().status == 130


def test_logs_are_the_very_bytes_of_each_attempt(repository: Repository) -> None:
    run = repository.run()
    build = repository.start("logs", "build").end()
    log = Path(run.finished("build")["log"])
    assert build.status == 0
    assert build.stdout == log.read_text()
    assert "\x1b]0;title\x07red" in build.stdout
    assert run.events[0]["run"] in build.stderr
    flaky = repository.start("logs", "flaky").end()
    first = repository.start("logs", "flaky", "--attempt", "1").end()
    assert flaky.status == first.status == 0
    assert ".2.log" in flaky.stderr
    assert ".2.log" not in first.stderr


def test_logs_of_an_earlier_run_and_of_none(repository: Repository) -> None:
    whole = repository.run()
    repository.run("build")
    flaky = repository.start("logs", "flaky").end()
    assert flaky.status == 0
    assert whole.events[0]["run"] in flaky.stderr
    skipped = repository.start("logs", "deploy", "--run", whole.events[0]["run"]).end()
    assert skipped.status == 2
    assert "there is no log of deploy: it is skipped" in skipped.stderr
    other = repository.start("logs", "../../run.json").end()
    assert other.status == 2
    assert other.stdout == ""


def test_caches_are_listed_and_cleared_by_key(repository: Repository) -> None:
    assert "no caches" in repository.start("cache", "list").end().stderr
    repository.run("build")
    listed = json.loads(repository.start("cache", "list", "--json").end().stdout)["caches"]
    assert len(listed) == 1
    assert listed[0]["size"] == 2
    assert listed[0]["name"] in repository.start("cache", "list").end().stdout
    unknown = repository.start("cache", "clear", "other").end()
    assert unknown.status == 2
    assert repository.start("cache", "clear", "things main").end().status == 0
    assert json.loads(repository.start("cache", "list", "--json").end().stdout) == {"caches": []}


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_clean_removes_all_of_homeports_and_nothing_else(
    repository: Repository, tmp_path: Path
) -> None:
    home = repository.home
    repository.run()
    second = Repository(tmp_path / "second", CI, home)
    second.run("build")
    for foreign in (".cache/homeport/mine.txt", ".local/state/homeport/enroll/journal"):
        (home / foreign).parent.mkdir(exist_ok=True, parents=True)
        (home / foreign).write_text("x")
    mine = next((home / ".local/state/homeport").glob("second-*")) / "notes"
    mine.write_text("x")
    before = everything(home)
    dry = repository.start("clean", "--dry-run").end()
    assert dry.status == 0
    assert everything(home) == before
    assert dry.stdout.count("would remove run") == 2
    done = repository.start("clean").end()
    assert done.status == 0, done
    assert done.stdout == dry.stdout.replace("would remove", "removed")
    left = {path for path in everything(home) if (home / path).is_file()}
    assert left == {
        ".cache/homeport/mine.txt",
        ".local/state/homeport/enroll/journal",
        f".local/state/homeport/{mine.parent.name}/lock",
        f".local/state/homeport/{mine.parent.name}/notes",
    }
    assert repository.start("clean").end().stdout == ""
    assert repository.run("build").status == 0


def test_clean_never_touches_a_live_run(tmp_path: Path) -> None:
    ci = """\
before: {stage: .pre, script: [mkdir kept, touch kept/a], cache: {key: k, paths: [kept]}}
job: {script: ['echo on', 'while ! [ -e "$HOME/go" ]; do sleep 0.1; done', 'test -e .git']}
"""
    repository = Repository(tmp_path / "p", ci, tmp_path / "h")
    repository.run("before")
    started = repository.start("run", "--json", "job")
    repository.wait_for("on")
    cleaned = repository.start("clean").end()
    assert cleaned.status == 0
    assert "going on: kept" in cleaned.stderr
    assert cleaned.stdout.count("removed run") == 1
    assert "removed cache" not in cleaned.stdout
    (repository.home / "go").touch()
    assert started.end().status == 0
    assert repository.start("last").end().status == 0


@pytest.mark.engine
def test_clean_removes_what_a_killed_run_left_in_the_engine(
    tmp_path: Path, networked_address: str
) -> None:
    ci = "job: {image: 'debian:bookworm', script: [echo on, sleep 60]}"
    repository = Repository(tmp_path / "p", ci, tmp_path / "h").on(networked_address)
    live = Repository(tmp_path / "live", ci, tmp_path / "h").on(networked_address)
    dead = repository.start("run", "--json")
    repository.wait_for("on")
    going = live.start("run", "--json")
    wait_until(lambda: len(containers(networked_address, repository.home)) == 2, "two runs", 30)
    dead.signal(signal.SIGKILL)
    dead.end()
    # Its state is gone, so nothing but the label says whose container it is.
    for folder in repository.state.glob("p-*"):
        shutil.rmtree(folder)
    engine = connect(networked_address)
    labels = {
        "homeport.state": f"{os.uname().nodename}:{repository.state}/p-1",
        "homeport.run": "x",
    }
    network, volume = f"homeport-{os.getpid()}-net", f"homeport-{os.getpid()}-volume"
    stranger = ""
    try:
        engine.create_network(network, labels)
        content = {"Name": volume, "Labels": labels}
        engine._call("POST", "/volumes/create", content=content).close()
        other = {**labels, "homeport.state": f"{os.uname().nodename}:/home/other/homeport/p-1"}
        stranger = engine.create(
            ContainerSpec(image="debian:bookworm", name=f"other-{os.getpid()}", labels=other)
        )
        done = repository.start("clean").end()
        assert done.status == 0, done
        kinds = [line.split()[1] for line in done.stdout.splitlines()]
        # The workspace of the container may be a volume, too.
        assert [kind for kind, _ in groupby(kinds)] == ["container", "network", "volume"]
        assert len(containers(networked_address, repository.home)) == 1
        assert stranger in [one.id for one in engine.marked("homeport.state")]
        assert not {network, volume} & {one.id for one in engine.marked("homeport.state")}
    finally:
        going.signal(signal.SIGTERM)
        going.end()
        engine.remove(stranger)
        engine.remove_network(network)
        engine.remove_volume(volume)
        engine.close()


def test_clean_says_that_a_named_engine_does_not_answer(repository: Repository) -> None:
    repository.run("build")
    done = repository.start("clean", env={"DOCKER_HOST": "unix:///nowhere/docker.sock"}).end()
    assert done.status == 3
    assert "containers could not be looked for" in done.stderr
    assert "removed run" in done.stdout


RERUN = """\
stages: [build, test, deploy]
build: {stage: build, script: [echo x > made], artifacts: {paths: [made]}}
test: {stage: test, script: [cat made, test -e mended]}
lint: {stage: test, script: [exit 1], allow_failure: true}
"deploy: [a*]": {stage: deploy, script: [cat made]}
by hand: {stage: deploy, script: [echo], when: manual}
"""


def statuses(done: Done) -> dict[str, str]:
    return {e["job"]: e["status"] for e in done.events if e["event"] == "job_finished"}


def test_rerun_goes_on_where_the_run_failed(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "p", RERUN, tmp_path / "h")
    assert repository.start("rerun").end().status == 2
    assert repository.run().status == 1
    failed = repository.start("rerun", "--json", "--failed").end()
    assert failed.status == 1
    assert statuses(failed) == {"test": "failed", "lint": "failed"}
    (repository.root / "mended").touch()
    repository.run()  # with what is mended all but lint succeeds
    assert statuses(repository.start("rerun", "--json").end()) == {"lint": "failed"}


def test_rerun_runs_what_was_skipped_too_and_named_jobs(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "p", RERUN, tmp_path / "h")
    repository.run()
    (repository.root / "mended").touch()
    done = repository.start("rerun", "--json").end()
    assert done.status == 0, done
    assert statuses(done) == {"test": "success", "lint": "failed", "deploy: [a*]": "success"}
    assert "x" in done.log("deploy: [a*]").splitlines()
    named = repository.start("rerun", "--json", "test").end()
    assert statuses(named) == {"test": "success"}
    nothing = repository.start("rerun").end()
    assert (nothing.status, nothing.stdout) == (0, "")
    assert "is left to run" in nothing.stderr
    assert repository.start("rerun", "--failed", "test").end().status == 2


def test_rerun_of_a_killed_run_runs_what_it_did_not_end(tmp_path: Path) -> None:
    repository = Repository(
        tmp_path / "p",
        "a: {stage: build, script: [exit 0]}\n"
        "b: {script: [echo on, 'test -e \"$HOME/go\" || sleep 60']}\n"
        "c: {needs: [b], script: [echo]}",
        tmp_path / "h",
    )
    started = repository.start("run", "--json")
    repository.wait_for("on")
    assert "still going on" in repository.start("rerun").end().stderr
    started.signal(signal.SIGKILL)
    started.end()
    (repository.home / "go").touch()
    done = repository.start("rerun", "--json").end()
    assert statuses(done) == {"b": "success", "c": "success"}
