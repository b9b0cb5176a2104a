"""The variables of a job at its start: all layers together, expanded as GitLab and the Runner do.

GitLab expands what it knows and leaves the rest as written (references to file variables, to raw
ones, to what only the Runner sets); the Runner then expands each value once more, where an unknown
name is empty and `$$` is a dollar sign. Sources: GitLab's `Ci::Build#variables` (sorted and
expanded for the runner), GitLab Runner's common/variables.go and Go's os.Expand.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from homeport.pipeline.execute.api import ServiceSpec
from homeport.pipeline.model.config import Image, Service
from homeport.pipeline.model.plan import ScopedVariable
from homeport.pipeline.variables.expand import expand_all
from homeport.pipeline.variables.predefined import slug

_REFERENCE = r"\$(?:\{([^}]*)\}|(\{)|([0-9*#$@!?-])|([A-Za-z0-9_]+))"
_DURATION = r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)"
_UNITS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1.0}
_UNITS |= {"m": 60.0, "h": 3600.0}
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class Environment(Struct, frozen=True, kw_only=True):
    """A job's environment; a file variable holds a path there and its content in `files`.

    `secrets` are the values that must not be shown. `public` are the names of variables that the
    pipeline itself defines: those services get, as from the Runner (`PublicOrInternal`); those of
    dotenv reports, and those that only the user gave, they do not.
    """

    env: Mapping[str, str]
    files: Mapping[str, str]
    secrets: frozenset[str]
    public: frozenset[str] = frozenset()

    def is_on(self, name: str) -> bool:
        """Whether a variable is a true value for the Runner (Go's ParseBool)."""
        return self.env.get(name, "") in _TRUE

    def is_off(self, name: str) -> bool:
        """Whether a variable is a false value for the Runner; unset is neither."""
        return self.env.get(name, "") in _FALSE

    def expand(self, text: str) -> str:
        """A text of the job's configuration, as the Runner expands it."""
        return expand_as_runner(text, self.env)

    def expand_image(self, image: Image) -> Image:
        """The image with every part of it expanded."""
        return structs.replace(
            image,
            name=self.expand(image.name),
            entrypoint=self._words(image.entrypoint),
            docker_user=None if image.docker_user is None else self.expand(image.docker_user),
            docker_platform=None
            if image.docker_platform is None
            else self.expand(image.docker_platform),
        )

    def expand_service(self, service: Service, pull_policy: tuple[str, ...]) -> ServiceSpec:
        """A service of the job as it starts; `pull_policy` is for one that has none of its own.

        Its variables see the public ones of the job and each other, as in the Runner.
        """
        seen = {key: self.env[key] for key in self.env if key in self.public}
        own = {key: variable.value for key, variable in service.variables.items()}
        lookup = {**seen, **own}
        env = {key: expand_as_runner(value, lookup) for key, value in own.items()}
        return ServiceSpec(
            image=self.expand(service.name),
            aliases=service.aliases,
            entrypoint=self._words(service.entrypoint),
            command=self._words(service.command),
            env={**seen, **env},
            user=None if service.docker_user is None else self.expand(service.docker_user),
            platform=None
            if service.docker_platform is None
            else self.expand(service.docker_platform),
            pull_policy=service.pull_policy or pull_policy,
            placed=service.placed,
        )

    def _words(self, words: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if words is None else tuple(self.expand(word) for word in words)


def compose_environment(
    variables: Sequence[ScopedVariable],
    *,
    dotenv: Mapping[str, str],
    overrides: Sequence[ScopedVariable],
    project_dir: str,
    builds_dir: str,
    started_at: str,
    tokens: Sequence[ScopedVariable] = (),
) -> Environment:
    """All variables of a job; later ones win: written ones, those of dotenv reports, the user's.

    `started_at` is ISO 8601 in UTC. Raises `ExpansionError` for a cycle or a value without end.
    """
    temporary = f"{project_dir}.tmp"
    runner = {
        "CI_BUILDS_DIR": builds_dir,
        "CI_PROJECT_DIR": project_dir,
        "RUNNER_TEMP_PROJECT_DIR": temporary,
        "CI_JOB_STARTED_AT": started_at,
        "CI_JOB_STARTED_AT_SLUG": slug(started_at),
        "CI_JOB_STATUS": "running",
    }
    layers = {
        variable.key: variable
        for variable in (
            *(ScopedVariable(key=key, value=value, raw=True) for key, value in runner.items()),
            *tokens,
            *variables,
            *(ScopedVariable(key=key, value=value) for key, value in dotenv.items()),
            *overrides,
        )
    }
    expanded = expand_all(
        tuple(layers.values()), keep_undefined=True, expand_file_refs=False, expand_raw_refs=False
    )
    final = {variable.key: variable for variable in expanded}
    paths = {key: f"{temporary}/{key}" for key, variable in final.items() if variable.file}
    lookup = {key: paths.get(key, variable.value) for key, variable in final.items()}
    values = {
        key: variable.value if variable.raw else expand_as_runner(variable.value, lookup)
        for key, variable in final.items()
    }
    return Environment(
        env={**values, **paths},
        files={key: values[key] for key in paths},
        secrets=frozenset(values[key] for key, variable in final.items() if variable.masked),
        public=frozenset((*runner, *(variable.key for variable in variables))) - paths.keys(),
    )


def expand_as_runner(text: str, lookup: Mapping[str, str]) -> str:
    """Go's os.Expand with the Runner's lookup: an unknown name is empty, `$$` a dollar sign."""
    if "$" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        braced, _, special, name = match.groups()
        if special is not None:
            return "$" if special == "$" else ""
        return lookup.get(braced if braced is not None else name or "", "")

    return re.sub(_REFERENCE, replace, text)


def parse_duration(text: str) -> float | None:
    """Seconds of a Go duration such as `1h30m` (time.ParseDuration), None for anything else."""
    if text == "0":
        return 0.0
    found = list(re.finditer(_DURATION, text))
    if not found or "".join(match[0] for match in found) != text:
        return None
    return sum(float(match[1]) * _UNITS[match[2]] for match in found)
