"""All variables from outside the CI file: settings and flags over variable files."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct, structs

from homeport.errors import Problem
from homeport.pipeline.model.trigger import GivenVariable, Trigger
from homeport.settings.model import Settings, VariablesFrom

REPOSITORY_FILE = ".gitlab-ci-local-variables.yml"
HOME_FILE = ".gitlab-ci-local/variables.yml"


class Given(Struct, frozen=True, kw_only=True):
    """A trigger with its variables, and notes about them."""

    trigger: Trigger
    problems: tuple[Problem, ...] = ()


def give_variables(
    trigger: Trigger,
    settings: Settings,
    home: str | None,
    env: Mapping[str, str] = {},
    *,
    file: str = REPOSITORY_FILE,
    shared: tuple[str, bytes] | None = None,
) -> Given:
    """The trigger with the variables of the settings, of gitlab-ci-local's files, if any, and, when
    the settings ask for them, those of the server.

    `home` is the user's home folder, `env` holds the server's credentials; `file` is that of
    the repository, relative to its root, `shared` is a further one's name and content, in the form
    of the home folder's. Raises `UsageError` for
    a broken file, `MissingError` for a server that does not tell.
    """
    root = Path(trigger.root)
    variables = tuple(_from_settings(settings))
    masked = settings.masked
    problems: tuple[Problem, ...] = ()
    if shared or (root / file).exists() or (home and Path(home, HOME_FILE).exists()):
        from homeport.pipeline.facts.variable_files import read_variable_files

        files = read_variable_files(root, home, trigger.project, file, shared=shared)
        variables = (*files.variables, *variables)
        problems = files.problems
    if settings.variables_from is VariablesFrom.GITLAB:
        from homeport.pipeline.facts.server_variables import read_server_variables

        server = read_server_variables(trigger, settings, env)
        # Of two of the same level the later wins, and the user's own files are nearer.
        variables = (*server.variables, *variables)
        masked |= server.masked
        problems += server.problems
    variables = tuple(variable for variable in variables if variable.key not in trigger.unset)
    masked |= {v.key for v in variables if settings.masks(v.key)}
    return Given(
        trigger=structs.replace(trigger, variables=variables, masked=masked), problems=problems
    )


def _from_settings(settings: Settings) -> Iterator[GivenVariable]:
    for key, variable in settings.variables.items():
        for scope, value in (("*", variable.value), *variable.environments.items()):
            yield GivenVariable(
                key=key, value=value, expand=variable.expand, file=variable.file, scope=scope
            )
