"""What is compared with what, and the targets (issue figures, never loosened)."""

from collections.abc import Callable, Mapping
from math import log
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Command, Costs
from benchmarks.peers import Programs

FLOORS = Path(__file__).parent / "floors"

HOMEPORT = "homeport"
GCL = "gitlab-ci-local"
GCL_BARE = "gitlab-ci-local, no schema"
GCIL = "gitlabci-local"
FLOOR = "floor"


class Target(NamedTuple):
    """`figure(costs)` must be at most `limit`."""

    text: str
    figure: Callable[[Mapping[str, Costs]], float]
    limit: float


class Case(NamedTuple):
    """Commands to be measured in turns, and what they should show."""

    title: str
    commands: tuple[Command, ...]
    targets: tuple[Target, ...] = ()

    @property
    def own(self) -> tuple[str, ...]:
        """The labels of homeport's own commands."""
        peers = (FLOOR, GCL, GCL_BARE, GCIL)
        return tuple(label for label, *_ in self.commands if label not in peers)


def all_cases(programs: Programs, repositories: Callable[[str], Path], home: Path) -> list[Case]:
    """Every case for which the programs are there; `home` is an empty folder for their state."""
    make = _Maker(programs, repositories, home)
    return [
        make.version(),
        make.listing("hello", floor=("sh", str(FLOORS / "git_facts.sh")), targets=_LIST),
        make.run_one_job(),
        make.listing("syn1000", floor=make.yaml_floor("syn1000"), targets=_LARGE),
        make.growth("syn"),
        make.growth("plain"),
    ]


def _ratio(numerator: str, denominator: str) -> Callable[[Mapping[str, Costs]], float]:
    return lambda costs: costs[numerator].cpu / costs[denominator].cpu


_LIST = (
    Target(f"at most 1/4 of {GCL}", _ratio(HOMEPORT, GCL), 0.25),
    Target(f"at most 1/4 of {GCL_BARE}", _ratio(HOMEPORT, GCL_BARE), 0.25),
)

_LARGE = (
    Target(f"at most 1/10 of {GCL}", _ratio(HOMEPORT, GCL), 0.1),
    Target(f"at most 1/10 of {GCL_BARE}", _ratio(HOMEPORT, GCL_BARE), 0.1),
    Target(f"at most 1/3 of {GCIL}", _ratio(HOMEPORT, GCIL), 1 / 3),
)


class _Maker:
    def __init__(self, programs: Programs, repositories: Callable[[str], Path], home: Path) -> None:
        self._programs = programs
        self._repositories = repositories
        self._home = home

    def version(self) -> Case:
        floor = (self._programs.python, str(FLOORS / "import_argparse.py"))
        return Case(
            "homeport --version",
            (
                self._command(FLOOR, floor, self._home),
                self._command(HOMEPORT, (*self._programs.homeport, "--version"), self._home),
                *self._peers(self._home, ("--version",), ("--version",)),
            ),
            (Target("at most twice the floor", _ratio(HOMEPORT, FLOOR), 2),),
        )

    def listing(self, name: str, *, floor: tuple[str, ...], targets: tuple[Target, ...]) -> Case:
        root = self._repositories(name)
        return Case(
            f"homeport list, {name}",
            (
                self._command(FLOOR, floor, root),
                self._command(HOMEPORT, (*self._programs.homeport, "list"), root),
                # gcil's --list asks which job to run; --dump is what it has for programs.
                *self._peers(root, ("--list",), ("--dump",)),
            ),
            targets,
        )

    def run_one_job(self) -> Case:
        root = self._repositories("run1")
        return Case(
            "homeport run, one shell job",
            (
                self._command(FLOOR, (str(FLOORS / "echo.sh"),), root),
                self._command(HOMEPORT, (*self._programs.homeport, "run"), root),
                *self._peers(root, (), ("-H", "-p")),
            ),
            (Target(f"at most 1/2 of {GCIL}", _ratio(HOMEPORT, GCIL), 0.5),),
        )

    def growth(self, kind: str) -> Case:
        sizes = (1000, 5000)
        commands = tuple(
            self._command(
                f"{size:,} jobs",
                (*self._programs.homeport, "list"),
                self._repositories(f"{kind}{size}"),
            )
            for size in sizes
        )
        small, large = (command.label for command in commands)

        def exponent(costs: Mapping[str, Costs]) -> float:
            return log(costs[large].cpu / costs[small].cpu) / log(sizes[1] / sizes[0])

        target = Target("exponent at most 1.1", exponent, 1.1)
        return Case(f"growth of homeport list, {kind}", commands, (target,))

    def yaml_floor(self, name: str) -> tuple[str, ...]:
        file = self._repositories(name) / ".gitlab-ci.yml"
        return (self._programs.python, str(FLOORS / "yaml_events.py"), str(file))

    def _peers(
        self, root: Path, gcl: tuple[str, ...], gcil: tuple[str, ...]
    ) -> tuple[Command, ...]:
        commands = []
        if program := self._programs.gitlab_ci_local:
            commands.append(self._command(GCL, (*program, *gcl), root))
            if gcl != ("--version",):
                bare = (*program, *gcl, "--no-json-schema-validation")
                commands.append(self._command(GCL_BARE, bare, root))
        if program := self._programs.gitlabci_local:
            commands.append(self._command(GCIL, (*program, *gcil), root))
        return tuple(commands)

    def _command(self, label: str, argv: tuple[str, ...], cwd: Path) -> Command:
        return Command(label, argv, cwd, self._env())

    def _env(self) -> Mapping[str, str]:
        home = str(self._home)
        return {
            "HOME": home,
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "XDG_CACHE_HOME": f"{home}/.cache",
            "XDG_CONFIG_HOME": f"{home}/.config",
            "XDG_STATE_HOME": f"{home}/.local/state",
        }
