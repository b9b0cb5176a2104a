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
        return tuple(
            label
            for label, *_ in self.commands
            if not label.startswith(FLOOR) and label not in (GCL, GCL_BARE, GCIL)
        )


def all_cases(make: "Maker") -> list[Case]:
    """Evaluation, and the run of one job."""
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


class Maker:
    """Makes commands of the programs that are there. `home` is an empty folder for their state,
    `env` what they get beside."""

    def __init__(
        self,
        programs: Programs,
        repositories: Callable[[str], Path],
        home: Path,
        env: Mapping[str, str] = {},
    ) -> None:
        self._programs = programs
        self.repository = repositories
        self._home = home
        self._extra = env

    def with_env(self, env: Mapping[str, str]) -> "Maker":
        return Maker(self._programs, self.repository, self._home, {**self._extra, **env})

    @property
    def homeport(self) -> tuple[str, ...]:
        return self._programs.homeport

    @property
    def python(self) -> str:
        return self._programs.python

    def version(self) -> Case:
        floor = (self._programs.python, str(FLOORS / "import_argparse.py"))
        return Case(
            "homeport --version",
            (
                self.command(FLOOR, floor, self._home),
                self.command(HOMEPORT, (*self._programs.homeport, "--version"), self._home),
                *self.peers(self._home, ("--version",), ("--version",)),
            ),
            (Target("at most twice the floor", _ratio(HOMEPORT, FLOOR), 2),),
        )

    def listing(self, name: str, *, floor: tuple[str, ...], targets: tuple[Target, ...]) -> Case:
        root = self.repository(name)
        return Case(
            f"homeport list, {name}",
            (
                self.command(FLOOR, floor, root),
                self.command(HOMEPORT, (*self._programs.homeport, "list"), root),
                # gcil's --list asks which job to run; --dump is what it has for programs.
                *self.peers(root, ("--list",), ("--dump",)),
            ),
            targets,
        )

    def run_one_job(self) -> Case:
        root = self.repository("run1")
        return Case(
            "homeport run, one shell job",
            (
                self.command(FLOOR, (str(FLOORS / "echo.sh"),), root),
                self.command(HOMEPORT, (*self._programs.homeport, "run"), root),
                *self.peers(root, (), ("-H", "-p")),
            ),
            (Target(f"at most 1/2 of {GCIL}", _ratio(HOMEPORT, GCIL), 0.5),),
        )

    def growth(self, kind: str) -> Case:
        sizes = (1000, 5000)
        commands = tuple(
            self.command(
                f"{size:,} jobs",
                (*self._programs.homeport, "list"),
                self.repository(f"{kind}{size}"),
            )
            for size in sizes
        )
        small, large = (command.label for command in commands)

        def exponent(costs: Mapping[str, Costs]) -> float:
            return log(costs[large].cpu / costs[small].cpu) / log(sizes[1] / sizes[0])

        target = Target("exponent at most 1.1", exponent, 1.1)
        return Case(f"growth of homeport list, {kind}", commands, (target,))

    def yaml_floor(self, name: str) -> tuple[str, ...]:
        file = self.repository(name) / ".gitlab-ci.yml"
        return (self._programs.python, str(FLOORS / "yaml_events.py"), str(file))

    def peers(
        self, root: Path, gcl: tuple[str, ...], gcil: tuple[str, ...] | None
    ) -> tuple[Command, ...]:
        """The peers with these arguments; gitlabci-local is left out where it has none."""
        commands = []
        if program := self._programs.gitlab_ci_local:
            commands.append(self.command(GCL, (*program, *gcl), root))
            if gcl != ("--version",):
                bare = (*program, *gcl, "--no-json-schema-validation")
                commands.append(self.command(GCL_BARE, bare, root))
        if gcil is not None and (program := self._programs.gitlabci_local):
            commands.append(self.command(GCIL, (*program, *gcil), root))
        return tuple(commands)

    def command(self, label: str, argv: tuple[str, ...], cwd: Path) -> Command:
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
            **self._extra,
        }
