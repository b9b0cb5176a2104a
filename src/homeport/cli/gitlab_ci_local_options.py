"""gitlab-ci-local's options: their table, its way of writing them, and the places that set them.

Source: `gitlab-ci-local --help` and the section "Options" of its README; yargs for what an option
may look like (`--list-json`, `--listJson`, `--list-json=false`, `--no-list-json`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from homeport.errors import UsageError

SWITCH, TEXT, LIST = "switch", "text", "list"

OPTIONS: "Final[Mapping[str, tuple[str, str]]]" = {
    "manual": (LIST, "a manual job to start; may be repeated"),
    "list": (SWITCH, "list the jobs"),
    "list-all": (SWITCH, "also the jobs left out, as when: never"),
    "list-json": (SWITCH, "all jobs as JSON"),
    "list-csv": (SWITCH, "the jobs as CSV, separated by semicolons"),
    "list-csv-all": (SWITCH, "also the jobs left out"),
    "validate-dependency-chain": (SWITCH, "check that what is needed is in the pipeline"),
    "preview": (SWITCH, "print the merged YAML"),
    "cwd": (TEXT, "the folder to work in"),
    "variables-file": (TEXT, "the project's variables (.gitlab-ci-local-variables.yml)"),
    "inputs-file": (TEXT, "values of inputs (.gitlab-ci-local-inputs.yml)"),
    "ignores-file": (TEXT, "no effect: jobs get what git does not ignore"),
    "completion": (SWITCH, "print a script that completes options and jobs"),
    "evaluate-rule-changes": (SWITCH, "whether rules:changes are looked at (default: true)"),
    "needs": (SWITCH, "also run what the named jobs need"),
    "only-needs": (SWITCH, "run only what the named jobs need"),
    "stage": (TEXT, "run the jobs of one stage"),
    "variable": (LIST, "set a variable, KEY=VALUE; may be repeated"),
    "unset-variable": (LIST, "a variable that jobs shall not have; may be repeated"),
    "input": (LIST, "the value of an input, [COMPONENT:]KEY=VALUE; may be repeated"),
    "remote-variables": (TEXT, "a file of variables in a repository, URL=FILE=REF"),
    "state-dir": (TEXT, "no effect: homeport keeps its state outside of the repository"),
    "file": (TEXT, "the CI file, relative to the folder"),
    "home": (TEXT, "the folder with .gitlab-ci-local/variables.yml"),
    "shell-isolation": (SWITCH, "no effect: every job has a folder of its own"),
    "force-shell-executor": (SWITCH, "run jobs with an image on the host's shell too"),
    "shell-executor-no-image": (SWITCH, "jobs without an image in the shell (default: true)"),
    "default-image": (TEXT, "the image of jobs without one, with --no-shell-executor-no-image"),
    "wait-image": (TEXT, "no effect: no such image is used"),
    "wait-for-services-timeout": (TEXT, "seconds that services have to be ready (default: 30)"),
    "helper-image": (TEXT, "no effect: no such image is used"),
    "mount-cache": (SWITCH, "no effect: caches are kept in homeport's store"),
    "umask": (SWITCH, "no effect: files keep their modes"),
    "userns": (TEXT, "the user namespace of containers"),
    "privileged": (SWITCH, "give containers all privileges"),
    "device": (LIST, "give containers a device, HOST[:CONTAINER[:rwm]]"),
    "ulimit": (TEXT, "the number of files that containers may have open"),
    "shm-size": (TEXT, "the size of /dev/shm in containers"),
    "network": (LIST, "put containers into a network; may be repeated"),
    "volume": (LIST, "give containers a folder, HOST:CONTAINER[:ro]"),
    "extra-host": (LIST, "a line of /etc/hosts in containers, NAME:ADDRESS; may be repeated"),
    "ca-file": (TEXT, "certificates to trust in containers"),
    "pull-policy": (TEXT, "always, if-not-present or never"),
    "fetch-includes": (SWITCH, "fetch all includes anew"),
    "maximum-includes": (TEXT, "the number of includes that are allowed (default: 150)"),
    "artifacts-to-source": (SWITCH, "copy artifacts into the working tree (default: true)"),
    "cleanup": (SWITCH, "no effect: containers are removed after use"),
    "quiet": (SWITCH, "no output of jobs"),
    "timestamps": (SWITCH, "the time and how long the job runs before each line"),
    "max-job-name-padding": (TEXT, "the most that names of jobs are padded to; 0 for none"),
    "json-schema-validation": (SWITCH, "no effect: the file is checked as GitLab does it"),
    "ignore-schema-paths": (LIST, "no effect, likewise"),
    "ignore-predefined-vars": (TEXT, "no effect: there are no such warnings"),
    "concurrency": (TEXT, "jobs at once"),
    "container-executable": (TEXT, "docker or podman: whose API is used"),
    "container-mac-address": (TEXT, "the address of containers in their network"),
    "container-emulate": (
        TEXT,
        "CPUs and memory as of a runner of GitLab: saas-linux-small, …",
    ),
    "gpus": (TEXT, "GPUs for containers"),
    "color": (SWITCH, "colours (default: on a terminal)"),
    "registry": (SWITCH, "refused"),
}
"""Name → kind, and what it does here in a few words."""

ENVIRONMENT_FILE = ".gitlab-ci-local-env"
HOME_ENVIRONMENT_FILE = ".gitlab-ci-local/.env"
_VARIABLE_PREFIX = "GCL_VARIABLE_"

_YOURS = frozenset(
    (
        "privileged",
        "device",
        "volume",
        "network",
        "userns",
        "gpus",
        "ca-file",
        "container-mac-address",
        "remote-variables",
        "home",
        "container-executable",
        "maximum-includes",
        "wait-for-services-timeout",
    )
)
"""What the repository's own file may not decide: it would open the machine to whoever wrote it."""

_MAX_SIZE = 1024 * 1024


class Options:
    """The options in force. `origin` names for each the place that set it."""

    def __init__(self) -> None:
        self.jobs: tuple[str, ...] = ()
        self.origin: dict[str, str] = {}
        self.withheld: list[str] = []
        """Options of the repository's file that only the user may set."""
        self.unknown: list[tuple[str, str]] = []
        """Place and key of what no option is called."""
        self._values: dict[str, list[str]] = {}

    def add(self, name: str, values: Sequence[str], origin: str) -> None:
        """Set an option, unless a place before has done so; variables add up."""
        if name == "variable":
            self._values[name] = [*values, *self._values.get(name, ())]
            self.origin.setdefault(name, origin)
        elif name not in self._values:
            self._values[name] = list(values)
            self.origin[name] = origin

    def has(self, name: str) -> bool:
        return name in self._values

    def switch(self, name: str, *, default: bool = False) -> bool:
        values = self._values.get(name)
        if not values:
            return default
        if values[-1].lower() in ("true", "1"):
            return True
        if values[-1].lower() in ("false", "0"):
            return False
        raise _wrong(f"{self.origin[name]} is {values[-1]}", f"--{name} is true or false")

    def text(self, name: str) -> str | None:
        """The value of an option that is given once; the last one counts."""
        values = self._values.get(name)
        return values[-1] if values else None

    def list(self, name: str) -> tuple[str, ...]:
        return tuple(self._values.get(name, ()))

    def number(self, name: str) -> int | None:
        text = self.text(name)
        if text is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,9}", text):
            raise _wrong(f"{self.origin[name]} is {text}", f"--{name} is a number")
        return int(text)


def in_argparse_order(argv: Sequence[str]) -> list[str]:
    """Arguments as yargs understands them, in a form in which argparse takes them: each option with
    its value in one word, and the jobs last."""
    options: list[str] = []
    jobs: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            jobs += rest
            break
        if not word.startswith("--"):
            (options if word == "-h" else jobs).append(word)
            continue
        name, equals, value = word[2:].partition("=")
        name = _kebab(name)
        kind = OPTIONS.get(name.removeprefix("no-"), ("", ""))[0]
        if kind == SWITCH:
            # Only these words are its value; any other is the name of a job.
            if not equals and rest and rest[0] in ("true", "false"):
                value = rest.pop(0)
            plain = name.removeprefix("no-")
            off = (plain != name) != (value == "false")
            options.append(f"--no-{plain}" if off else f"--{plain}")
        elif kind and not equals and rest:
            options.append(f"--{name}={rest.pop(0)}")
        else:
            options.append(f"--{name}{equals}{value}")
    return [*options, "--", *jobs]


def collect(given: Mapping[str, object], env: Mapping[str, str]) -> Options:
    """The options of a command line, then of `GCL_*`; `add_files` adds those of the files."""
    options = Options()
    jobs = given.get("job")
    options.jobs = tuple(jobs) if isinstance(jobs, list) else ()
    for name in OPTIONS:
        value = given.get(name.replace("-", "_"))
        if value is None or value == []:
            continue
        values = value if isinstance(value, list) else [str(value)]
        options.add(name, values, f"--{name}")
    for key, text in env.items():
        if key.startswith(_VARIABLE_PREFIX) and len(key) > len(_VARIABLE_PREFIX):
            options.add("variable", [f"{key[len(_VARIABLE_PREFIX) :]}={text}"], key)
        elif key.startswith("GCL_"):
            name = key[4:].lower().replace("_", "-")
            if name in OPTIONS:
                many = OPTIONS[name][0] == LIST
                options.add(name, text.split(";") if many else [text], key)
    return options


def add_files(options: Options, folder: str, home: str | None) -> None:
    """Add what the files of the folder and of the home folder set. The folder's goes before that of
    the home folder, as with gitlab-ci-local, except for what is the user's alone to decide."""
    import os.path

    refused: list[str] = []
    path = os.path.join(folder, ENVIRONMENT_FILE)  # noqa: PTH118
    for name, values in _entries(options, path, ENVIRONMENT_FILE, inside=True):
        if name in _YOURS:
            refused.append(name)
        else:
            options.add(name, values, f"{ENVIRONMENT_FILE}: {name}")
    if home:
        path, shown = os.path.join(home, HOME_ENVIRONMENT_FILE), f"~/{HOME_ENVIRONMENT_FILE}"  # noqa: PTH118
        for name, values in _entries(options, path, shown, inside=False):
            options.add(name, values, f"{shown}: {name}")
    options.withheld = [name for name in refused if not options.has(name)]


def _entries(
    options: Options, path: str, shown: str, *, inside: bool
) -> "Iterator[tuple[str, list[str]]]":
    text = read_text(path, inside=inside)
    if text is None:
        return
    from homeport.pipeline.facts.dotenv_file import parse_env_lines

    for key, value in parse_env_lines(text):
        name = _kebab(key.lower().replace("_", "-") if key.isupper() else key.replace("_", "-"))
        if name not in OPTIONS:
            options.unknown.append((shown, key))
        elif value != "null":
            yield name, value.split() if OPTIONS[name][0] == LIST else [value]


def read_text(path: str, *, inside: bool) -> str | None:
    """The text of a small regular file; None where there is none (`read_small`)."""
    from homeport.lib.small_file import read_small

    content = read_small(path, inside=inside, most=_MAX_SIZE)
    return None if content is None else content.decode("utf-8-sig", "replace")


def _kebab(name: str) -> str:
    """`listJson` as `list-json`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", name).lower()


def _wrong(message: str, hint: str) -> "UsageError":
    from homeport.errors import UsageError

    return UsageError.of(message, code="gitlab-ci-local", hint=hint)
