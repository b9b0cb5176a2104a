"""The CPU time of a command's whole process tree, and several commands measured in turns."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

TIMEOUT = 300
"""Seconds after which a command is given up."""


class Command(NamedTuple):
    """A program of the comparison. `argv` and `env` are complete: nothing is inherited."""

    label: str
    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]


class Cost(NamedTuple):
    """One run: user and system seconds of the process tree, seconds on the wall, and the bytes that
    the largest of its processes held at most."""

    cpu: float
    wall: float
    memory: int


class Costs(NamedTuple):
    """All runs of one command."""

    runs: tuple[Cost, ...]

    @property
    def cpu(self) -> float:
        """The median, in seconds."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def wall(self) -> float:
        return statistics.median(run.wall for run in self.runs)

    @property
    def memory(self) -> float:
        return statistics.median(run.memory for run in self.runs)

    @property
    def spread(self) -> tuple[float, float]:
        """The cheapest and the dearest run, in CPU seconds."""
        return min(run.cpu for run in self.runs), max(run.cpu for run in self.runs)


class BrokenRunError(Exception):
    """A command of the comparison did not do its work, so its time means nothing."""


def measure(commands: Sequence[Command], rounds: int) -> tuple[dict[str, Costs], dict[str, str]]:
    """The costs of each command by its label, and why the others have none.

    One warm-up, then `rounds` times all in turn: turns spread whatever else the machine does over
    all commands alike. A command that fails is left out of the turns that follow.
    """
    costs: dict[str, list[Cost]] = {command.label: [] for command in commands}
    failures: dict[str, str] = {}
    for number in range(rounds + 1):
        for command in commands:
            if command.label in failures:
                continue
            try:
                cost = run(command)
            except BrokenRunError as error:
                failures[command.label] = str(error)
                continue
            if number:
                costs[command.label].append(cost)
    done = {label: Costs(tuple(runs)) for label, runs in costs.items() if label not in failures}
    return done, failures


def run(command: Command) -> Cost:
    """Run a command once, with no stdin and its output thrown away.

    wait4 gives the usage of the child and of all descendants that were waited for.
    """
    begin = time.perf_counter()
    process = subprocess.Popen(
        command.argv,
        cwd=command.cwd,
        env=dict(command.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    timer = _stop_after(process, TIMEOUT)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    timer.cancel()
    process.stderr.close()
    if process.returncode:
        sys.stderr.buffer.write(errors)
        raise BrokenRunError(f"ended with {process.returncode}, see its errors above")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(cpu, time.perf_counter() - begin, usage.ru_maxrss * 1024)


def _stop_after(process: subprocess.Popen[bytes], seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    return timer
