"""Runs of jobs: many, large, loud, in containers; and the targets."""

from collections.abc import Callable, Iterator, Mapping

from benchmarks.cases import FLOOR, FLOORS, GCIL, GCL, GCL_BARE, HOMEPORT, Case, Maker, Target
from benchmarks.measure import Costs
from benchmarks.repositories import FILES

IN_TURN = "homeport, one at a time"
ONE_LINE = "homeport, one line"
FLOOR_ONE_LINE = "floor, one line"
HOPS = 20
LINES = 500_000
SECRETS = {f"HOMEPORT_VARIABLE_SECRET_{n}": f"not-to-be-shown-{n:04}" for n in range(20)}
HELPER = ("--helper-image", "busybox:latest", "--pull-policy", "if-not-present")
"""gitlab-ci-local's own helper image cannot be pulled everywhere; it needs no more than this."""

Figure = Callable[[Mapping[str, Costs]], float]


def shell_cases(make: Maker) -> Iterator[Case]:
    """Jobs in the shell."""
    yield _runs(make, "run50", "50 shell jobs", (_cpu(0.3, GCL), _cpu(0.3, GCL_BARE)))
    yield _dag(make)
    yield _files(make)
    yield _lines(make)


def container_cases(make: Maker, engine: str) -> Iterator[Case]:
    """Jobs in containers of the Docker engine at the address `engine`."""
    make = make.with_env({"DOCKER_HOST": engine})
    for jobs in (1, 20):
        root = make.repository(f"dk{jobs}")
        floor = ("sh", str(FLOORS / "docker_runs.sh"), str(jobs))
        in_turn = (*make.homeport, "run", "--concurrency", "1")
        yield Case(
            f"homeport run, {jobs} docker job{'' if jobs == 1 else 's'}",
            (
                make.command(FLOOR, floor, root),
                make.command(HOMEPORT, (*make.homeport, "run"), root),
                *([make.command(IN_TURN, in_turn, root)] if jobs > 1 else []),
                *make.peers(root, HELPER, None),
            ),
            _ONE_CONTAINER if jobs == 1 else _MANY_CONTAINERS,
        )


def _runs(make: Maker, name: str, title: str, targets: tuple[Target, ...]) -> Case:
    root = make.repository(name)
    return Case(
        f"homeport run, {title}",
        (
            make.command(HOMEPORT, (*make.homeport, "run"), root),
            *make.peers(root, (), ("-H", "-p")),
        ),
        (*targets, _memory(HOMEPORT)),
    )


def _dag(make: Maker) -> Case:
    """Without gitlab-ci-local, which takes minutes to read this one."""
    root = make.repository("dag200")
    peers = make.peers(root, (), ("-H", "-p"))
    return Case(
        "homeport run, a DAG of 200 shell jobs",
        (
            make.command(HOMEPORT, (*make.homeport, "run"), root),
            *(peer for peer in peers if peer.label == GCIL),
        ),
        (_cpu(0.4, GCIL),),
    )


def _files(make: Maker) -> Case:
    root = make.repository(f"art{HOPS}")
    floor = ("sh", str(FLOORS / "tar_passes.sh"), str(FILES), str(HOPS))
    return Case(
        f"homeport run, {FILES:,} small files through {HOPS} jobs",
        (
            make.command(FLOOR, floor, root),
            make.command(HOMEPORT, (*make.homeport, "run"), root),
            *make.peers(root, (), None),
        ),
        (
            Target("CPU at most 5 tar passes a hop", _ratio(HOMEPORT, FLOOR), 5),
            Target("wall at most 5 tar passes a hop", _wall(HOMEPORT, FLOOR), 5),
            _memory(HOMEPORT),
        ),
    )


def _lines(make: Maker) -> Case:
    root, one = make.repository(f"log{LINES}"), make.repository("log1")
    log = str(root.parent / "floor.log")
    script = str(FLOORS / "prefix_lines.py")
    python = make.python
    make = make.with_env(SECRETS)

    def talk(lines: int) -> str:
        return f"seq 1 {lines} | sed 's/^/this is line number /'"

    def above_one_line(costs: Mapping[str, Costs]) -> float:
        own = costs[HOMEPORT].cpu - costs[ONE_LINE].cpu
        return own / (costs[FLOOR].cpu - costs[FLOOR_ONE_LINE].cpu)

    return Case(
        f"homeport run, {LINES:,} lines of output, 20 secrets",
        (
            make.command(FLOOR, (python, script, log, talk(LINES)), root),
            make.command(FLOOR_ONE_LINE, (python, script, log, talk(1)), root),
            make.command(HOMEPORT, (*make.homeport, "run"), root),
            make.command(ONE_LINE, (*make.homeport, "run"), one),
            *make.peers(root, (), ("-H", "-p")),
        ),
        (Target("at most 1.5 floors, less one line", above_one_line, 1.5), _memory(HOMEPORT)),
    )


def _ratio(numerator: str, denominator: str) -> Figure:
    return lambda costs: costs[numerator].cpu / costs[denominator].cpu


def _wall(numerator: str, denominator: str) -> Figure:
    return lambda costs: costs[numerator].wall / costs[denominator].wall


def _cpu(limit: float, peer: str) -> Target:
    return Target(f"CPU at most {limit} of {peer}", _ratio(HOMEPORT, peer), limit)


def _memory(label: str) -> Target:
    return Target(
        f"memory at most 1/3 of {GCL}",
        lambda costs: costs[label].memory / costs[GCL].memory,
        1 / 3,
    )


_ONE_CONTAINER = (
    Target("wall at most 2 bare docker run", _wall(HOMEPORT, FLOOR), 2),
    Target(f"wall at most 1/4 of {GCL}", _wall(HOMEPORT, GCL), 0.25),
    Target(f"wall at most 1/4 of {GCL_BARE}", _wall(HOMEPORT, GCL_BARE), 0.25),
    _memory(HOMEPORT),
)
_MANY_CONTAINERS = (
    Target("one at a time: wall at most 1.2 of bare runs", _wall(IN_TURN, FLOOR), 1.2),
    Target("together: wall below that of bare runs", _wall(HOMEPORT, FLOOR), 1),
    _memory(HOMEPORT),
)
