"""All variables from outside the CI file: settings and flags over variable files."""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, structs

from homeport.errors import Problem
from homeport.pipeline.facts.variable_files import (
    HOME_FILE,
    REPOSITORY_FILE,
    VariableFiles,
    read_variable_files,
)
from homeport.pipeline.model.trigger import GivenVariable, Trigger
from homeport.settings.model import Settings


class Given(Struct, frozen=True, kw_only=True):
    """A trigger with its variables, and notes about them."""

    trigger: Trigger
    problems: tuple[Problem, ...] = ()


def give_variables(trigger: Trigger, settings: Settings, home: str | None) -> Given:
    """The trigger with the variables of the settings and of gitlab-ci-local's files, if any.

    `home` is the user's home folder. Raises `UsageError` for a broken file.
    """
    root = Path(trigger.root)
    files = VariableFiles()
    if (root / REPOSITORY_FILE).exists() or (home and Path(home, HOME_FILE).exists()):
        files = read_variable_files(root, home, trigger.project)
    variables = (*files.variables, *_from_settings(settings))
    masked = settings.masked | {v.key for v in variables if settings.masks(v.key)}
    return Given(
        trigger=structs.replace(trigger, variables=variables, masked=masked),
        problems=files.problems,
    )


def _from_settings(settings: Settings) -> Iterator[GivenVariable]:
    for key, variable in settings.variables.items():
        for scope, value in (("*", variable.value), *variable.environments.items()):
            yield GivenVariable(
                key=key, value=value, expand=variable.expand, file=variable.file, scope=scope
            )
