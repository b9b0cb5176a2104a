"""Jobs that misbehave: endless and binary output, strange processes, artifacts that lead outside;
and readers that go away."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from testbed.runs import Repository

BELL, ESCAPE = "\x07", "\x1b"


def make(tmp_path: Path, text: str) -> Repository:
    return Repository(tmp_path / "group/project", text, tmp_path / "home")


def script(*lines: str, more: str = "") -> str:
    return "job:\n  script:\n" + "".join(f"    - {json.dumps(line)}\n" for line in lines) + more


def test_half_a_gigabyte_of_output(tmp_path: Path) -> None:
    repository = make(
        tmp_path, script("yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 500000000 || :")
    )
    started = repository.start("run", stdout=subprocess.DEVNULL)
    peak = 0
    while started.process.poll() is None:
        peak = max(peak, peak_of(started.process.pid))
        time.sleep(0.05)
    done = started.end(within=10)
    assert done.status == 0
    (log,) = repository.state.glob("*/runs/*/logs/job.log")
    assert log.stat().st_size > 500_000_000
    assert 0 < peak < 200_000


def peak_of(pid: int) -> int:
    """The most memory that a process had so far, in KiB; 0 for one that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) if found else 0


def test_binary_output_is_valid_json_and_whole_in_the_log(tmp_path: Path) -> None:
    made = bytes(range(256)) * 4096
    repository = make(tmp_path, script("cat blob"))
    (repository.root / "blob").write_bytes(made)
    done = repository.run()
    assert done.status == 0
    for line in done.stdout.splitlines():
        json.loads(line)
    (log,) = repository.state.glob("*/runs/*/logs/job.log")
    assert made in log.read_bytes()


def test_a_line_of_ten_megabytes(tmp_path: Path) -> None:
    repository = make(tmp_path, script("head -c 10000000 /dev/zero | tr '\\0' x"))
    done = repository.run()
    assert done.status == 0
    assert done.log("job").count("x") == 10_000_001  # one in the echoed command
    (log,) = repository.state.glob("*/runs/*/logs/job.log")
    assert log.read_text().count("x") == 10_000_001


@pytest.mark.parametrize("how", ["pipe", "no-colour", "dumb", "c-locale"])
def test_the_terminal_stays_as_it_is(tmp_path: Path, how: str) -> None:
    evil = f"{ESCAPE}]0;title{BELL}{ESCAPE}[2J{ESCAPE}[31mred{ESCAPE}[0m{BELL}\x9b6n"
    text = json.dumps(
        {f"job {evil}": {"script": [f"printf '%b\\n' '{evil}' '\\0377\\0376'; echo \u00e9\u4e2d"]}}
    )
    repository = make(tmp_path, text)
    env = {"no-colour": {"NO_COLOR": "1"}, "dumb": {"TERM": "dumb"}, "c-locale": {"LC_ALL": "C"}}
    done = repository.start("run", env=env.get(how, {})).end()
    assert done.status == 0
    assert "red" in done.stdout
    told = done.stdout + done.stderr
    assert [c for c in told if not c.isprintable() and c not in "\n\ufffd"] == []


def test_the_terminal_stays_as_it_is_in_errors(tmp_path: Path) -> None:
    repository = make(tmp_path, json.dumps({"job": {"script": ["x"], f"a{ESCAPE}[2J": 1}}))
    done = repository.start("run", f"no{ESCAPE}[2J").end()
    assert done.status == 2
    assert ESCAPE not in done.stdout + done.stderr


def test_two_thousand_jobs(tmp_path: Path) -> None:
    jobs = {f"job {number}": {"script": ["true"]} for number in range(2000)}
    done = make(tmp_path, json.dumps(jobs)).run("-j", "8", within=110)
    assert done.status == 0
    assert len([e for e in done.events if e["event"] == "job_finished"]) == 2000


def test_two_hundred_jobs_fifty_at_once(tmp_path: Path) -> None:
    jobs = {
        f"job {number}": {"script": [f"echo {number}; seq 200"], "artifacts": {"paths": ["*.yml"]}}
        for number in range(200)
    }
    repository = make(tmp_path, json.dumps(jobs))
    done = repository.run("-j", "50", within=60)
    assert done.status == 0
    for number in (0, 99, 199):
        assert done.log(f"job {number}").splitlines()[1:3] == [str(number), "1"]
    assert repository.leftovers() == []


STRANGE = {
    "daemon": ("setsid sh -c 'sleep 1000 &' & sleep 1000 & echo out", 0, "out\n"),
    "nohup": ("nohup setsid sleep 1000 >/dev/null 2>&1 & disown -a; echo out", 0, "out\n"),
    "holds-the-pipe": ("(sleep 1000) & echo out", 0, "out\n"),
    "closed-output": ("echo out; exec >&- 2>&-; sleep 0.2; exit 7", 7, "out\n"),
    "own-group": ("set -m; sleep 1000 & echo out", 0, "out\n"),
    "exec": ("exec sh -c 'echo out; exit 4'", 4, "out\n"),
    "no-errexit": ("set +e\nfalse\necho out", 0, "out\n"),
    "trap": ("trap 'echo bye; exit 9' EXIT; echo out", 9, "out\nbye\n"),
    "killed": ("echo out; kill -9 $$", 137, "out\n"),
    "stdin": ("cat; read x || echo out", 0, "out\n"),
    "terminal": (
        "tty || :; { echo x > /dev/tty; } 2>/dev/null || echo none",
        0,
        "not a tty\nnone\n",
    ),
    "forks": ("ulimit -u 4000; for i in $(seq 300); do sleep 1000 & done; echo out", 0, "out\n"),
    "deep": (
        "d=$(printf '%0200d' 0); for i in $(seq 30); do mkdir $d; cd $d; done; echo out",
        0,
        "out\n",
    ),
    "removes-itself": ("cd ..; rm -rf ./*; echo out", 0, "out\n"),
    "read-only-folder": ("mkdir -p a/b; touch a/b/c; chmod -R 0 a; echo out", 0, "out\n"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_scripts(tmp_path: Path, name: str) -> None:
    commands, status, output = STRANGE[name]
    repository = make(tmp_path, script(commands))
    done = repository.run(within=20)
    assert done.finished("job").get("exit_code") == status, done
    assert done.status == (1 if status else 0)
    assert done.log("job").endswith(output)
    assert repository.leftovers() == []


def test_exit_in_before_script_ends_the_job(tmp_path: Path) -> None:
    text = (
        "job: {before_script: [echo before, exit 0], script: [echo never], after_script: [pwd]}\n"
    )
    done = make(tmp_path, text).run()
    assert done.status == 0
    assert "before\n" in done.log("job")
    assert "never\n" not in done.log("job")


def test_artifacts_that_lead_outside(tmp_path: Path) -> None:
    text = """\
job:
  script:
    - echo secret > ../outside
    - ln -s ../outside up; ln -s /etc/passwd absolute; ln -s /etc folder; mkdir -p real sub
    - echo inside > real/file; truncate -s 3G sparse; rm sparse; truncate -s 64M sparse
    - cd sub; pwd
  artifacts:
    paths:
      [up, absolute, folder/passwd, ../outside, /etc/hostname, real/, sparse, $CI_PROJECT_DIR/sub]
next:
  stage: deploy
  script:
    - test -L up && test -L absolute && test "$(readlink up)" = ../outside
    - test ! -e folder && test ! -e ../outside && test ! -e hostname
    - cat real/file; stat -c %s sparse; test -d sub; git status --short | sort
"""
    repository = make(tmp_path, text)
    done = repository.run()
    assert done.status == 0, done
    assert done.log("next").endswith("inside\n67108864\n?? absolute\n?? real/\n?? sparse\n?? up\n")
    kept = {path.name for path in repository.state.glob("*/runs/*/artifacts/*/**/*")}
    assert kept == {"up", "absolute", "real", "file", "sparse", "sub"}


def test_one_path_from_two_jobs_comes_from_the_later_in_the_order_of_needs(tmp_path: Path) -> None:
    text = """\
.make: {script: ['echo $CI_JOB_NAME > same'], artifacts: {paths: [same]}}
a: {extends: .make}
b: {extends: .make}
ab: {stage: deploy, needs: [a, b], script: [cat same]}
ba: {stage: deploy, needs: [b, a], script: [cat same]}
"""
    done = make(tmp_path, text).run()
    assert (done.log("ab"), done.log("ba")) == ("$ cat same\nb\n", "$ cat same\na\n")


def many_jobs(tmp_path: Path) -> Repository:
    jobs = {f"job number {number:05}": {"script": ["true"]} for number in range(5000)}
    return make(tmp_path, json.dumps(jobs))


def test_a_megabyte_through_a_slow_reader(tmp_path: Path) -> None:
    repository = many_jobs(tmp_path)
    started = repository.start("list", "--json")
    told = b""
    assert started.process.stdout is not None
    while block := os.read(started.process.stdout.fileno(), 1000 if len(told) < 50_000 else 65536):
        told += block
    assert started.process.wait(10) == 0
    started.process.communicate()
    assert len(told) > 1_000_000
    assert len(json.loads(told)["jobs"]) == 5000


@pytest.mark.parametrize(
    "args",
    [["list", "--json"], ["list"], ["render"], ["run", "job*00", "--json"], ["run", "job*00"]],
)
def test_a_reader_that_leaves_is_no_error(tmp_path: Path, args: list[str]) -> None:
    repository = many_jobs(tmp_path)
    started = repository.start(*args)
    assert started.process.stdout is not None
    os.read(started.process.stdout.fileno(), 10)
    started.process.stdout.close()
    started.process.stdout = None
    done = started.end(within=60)
    assert done.stderr == ""
    assert repository.leftovers() == []


@pytest.mark.parametrize("args", [["list"], ["run"], ["run", "--json"], ["--version"], ["lint"]])
def test_a_closed_output_is_no_traceback(tmp_path: Path, args: list[str]) -> None:
    repository = make(tmp_path, script("echo ran; touch ran", more="  artifacts: {paths: [ran]}\n"))
    closing = ["sh", "-c", 'exec "$@" >&-', "sh"]
    done = repository.start(*args, command=closing).end()
    assert done.status in (0, 1, 3)
    if args[0] == "run":
        assert [path.name for path in repository.state.glob("*/runs/*/artifacts/*/*")] == ["ran"]


def test_a_full_output_is_one_error(tmp_path: Path) -> None:
    full = Path("/dev/full")
    repository = make(tmp_path, script("echo ran"))
    with full.open("wb") as out:
        done = repository.start("list", "--json", stdout=out).end()
    assert done.status == 3
    assert done.stderr == "error: cannot write the output: No space left on device\n"
