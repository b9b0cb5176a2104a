"""A run of enrolment that dies by SIGKILL after its nth step; `python -m testbed.killed`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from homeport.enroll.apply import apply
from homeport.enroll.model import EnrollPlan, Mirror, Request
from homeport.enroll.recovery import resume
from homeport.enroll.undo import undo
from testbed.fake_kind import FakeKind, finding
from testbed.machine import Machine

URL = "http://mirror:5000"
CA = "-----BEGIN CERTIFICATE-----\n"


def request(url: str = URL) -> Request:
    return Request(mirror=Mirror(url=url, hub_url=url, ca=CA))


def plan(machine: Machine, kind: FakeKind, url: str = URL) -> EnrollPlan:
    wanted = request(url)
    plans = [kind.plan(machine.host, engine, wanted) for engine in kind.detect(machine.host)]
    return EnrollPlan(wanted, tuple(plans))


def run(machine: Machine, action: str, stop: int = 0) -> tuple[int, list[str]]:
    """Do it in a process of its own that is killed after `stop` steps; its status and steps."""
    done = subprocess.run(
        [sys.executable, "-m", "testbed.killed", str(machine.root), action, str(stop)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, done.stdout.splitlines()


def main(root: str, action: str, stop: str) -> None:
    count = 0

    def passed(name: str) -> None:
        nonlocal count
        count += 1
        print(name, flush=True)  # noqa: T201
        if count == int(stop):
            os.kill(os.getpid(), signal.SIGKILL)

    machine = Machine(Path(root))
    kind = FakeKind(hook=passed)
    if action == "undo":
        undo(machine.host, find=finding(kind), passed=passed)
        return
    resume(machine.host, find=finding(kind), passed=passed)
    found = apply(machine.host, plan(machine, kind), find=finding(kind), passed=passed)
    assert all(result.ok for result in found), json.dumps([str(result) for result in found])


if __name__ == "__main__":
    main(*sys.argv[1:])
