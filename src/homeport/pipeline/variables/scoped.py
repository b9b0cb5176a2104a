"""Which of the given variables a job sees, by its environment.

Source: GitLab's "Limit the environment scope of a CI/CD variable" and its `HasEnvironmentScope`: an
exact name before a pattern, a pattern before `*`. A variable of a higher level wins whatever the
scopes are, as a project's wins over a group's.
"""

from collections.abc import Iterable

from homeport.pipeline.model.trigger import GivenVariable

EVERYWHERE = "*"


def choose(given: Iterable[GivenVariable], environment: str | None) -> dict[str, GivenVariable]:
    """One variable for each key; a job without an environment sees those for all environments."""
    chosen: dict[str, tuple[tuple[int, int, int], GivenVariable]] = {}
    for variable in given:
        if matches_scope(variable.scope, environment):
            rank = (variable.level, *_specificity(variable.scope, environment))
            known = chosen.get(variable.key)
            if known is None or rank >= known[0]:
                chosen[variable.key] = (rank, variable)
    return {key: variable for key, (_, variable) in chosen.items()}


def chosen_values(given: Iterable[GivenVariable], environment: str | None) -> dict[str, str]:
    """The values alone, for conditions."""
    return {key: variable.value for key, variable in choose(given, environment).items()}


def matches_scope(scope: str, environment: str | None) -> bool:
    """Whether a variable with this environment scope is for a job of this environment.

    `*` stands for any text, and every other character for itself; linear in the name.
    """
    if scope == EVERYWHERE:
        return True
    if environment is None or "*" not in scope:
        return scope == environment
    first, *middle, last = scope.split("*")
    if not environment.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = environment.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return environment.endswith(last) and at + len(last) <= len(environment)


def _specificity(scope: str, environment: str | None) -> tuple[int, int]:
    """GitLab ranks only three kinds; among patterns the one with more of the name in it wins."""
    if scope == EVERYWHERE:
        return 0, 0
    if scope == environment:
        return 2, 0
    return 1, len(scope.replace("*", ""))
