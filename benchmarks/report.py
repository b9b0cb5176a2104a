"""The results as markdown: one table for each case, then its targets."""

import os
import platform
from collections.abc import Iterator, Mapping

from benchmarks.cases import HOMEPORT, Case
from benchmarks.measure import Costs
from benchmarks.peers import Programs


def head(programs: Programs, rounds: int) -> Iterator[str]:
    """The machine, and how to read the tables."""
    yield "# CPU time of whole commands"
    yield ""
    yield (
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs; load "
        f"{os.getloadavg()[0]:.1f} at the start. User and system time of the process tree, median "
        f"of {rounds} runs taken in turns after one warm-up; the spread is the cheapest and the "
        "dearest run. MB is what the largest process of the tree held at most; an engine's own "
        "work is in the wall time alone."
    )
    for reason in programs.missing:
        yield ""
        yield f"Not measured: {reason}"


def section(case: Case, costs: Mapping[str, Costs], failures: Mapping[str, str]) -> Iterator[str]:
    """The table of one case and the verdict on its targets."""
    own = costs.get(HOMEPORT)
    yield ""
    yield f"## {case.title}"
    yield ""
    yield "| command | CPU ms | spread | wall ms | MB | to homeport |"
    yield "|---|--:|--:|--:|--:|--:|"
    for label, cost in costs.items():
        low, high = (round(1000 * seconds) for seconds in cost.spread)
        ratio = f"{cost.cpu / own.cpu:.2f}" if own else ""
        cpu, wall = round(1000 * cost.cpu), round(1000 * cost.wall)
        memory = round(cost.memory / 1e6)
        yield f"| {label} | {cpu} | {low} to {high} | {wall} | {memory} | {ratio} |"
    for label, reason in failures.items():
        yield f"| {label} | {reason} | | | | |"
    if case.targets:
        yield ""
    for target in case.targets:
        try:
            figure = target.figure(costs)
        except KeyError as label:
            yield f"- NOT MEASURED: {target.text} ({label.args[0]} has no figure)"
            continue
        verdict = "met" if figure <= target.limit else "MISSED"
        yield f"- {verdict}: {target.text}: {figure:.2f} (limit {target.limit:.2f})"
