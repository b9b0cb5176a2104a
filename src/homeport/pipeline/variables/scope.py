"""Which variables a job has, and which wins. Source: GitLab's "CI/CD variable precedence"."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from homeport.pipeline.model.config import Variable
from homeport.pipeline.model.plan import ScopedVariable


def compose(
    predefined: Mapping[str, str],
    *,
    global_variables: Mapping[str, Variable] = {},
    inherit: bool | tuple[str, ...] = True,
    job_variables: Mapping[str, Variable] = {},
    dotenv: Mapping[str, str] = {},
    user: Mapping[str, Variable] = {},
    masked: AbstractSet[str] = frozenset(),
    files: AbstractSet[str] = frozenset(),
) -> tuple[ScopedVariable, ...]:
    """All variables of one job, one entry for each key, a later kind over an earlier one.

    Predefined < global (as far as `inherit` lets them in) < job < dotenv reports < the user's.
    `masked` and `files` name variables of the user that are secret, or come as a file.
    """
    found: dict[str, ScopedVariable] = {
        key: ScopedVariable(key=key, value=value) for key, value in predefined.items()
    }
    for key, variable in _inherited(global_variables, inherit):
        found[key] = _scoped(key, variable)
    for key, variable in job_variables.items():
        found[key] = _scoped(key, variable)
    for key, value in dotenv.items():
        found[key] = ScopedVariable(key=key, value=value)
    for key, variable in user.items():
        found[key] = ScopedVariable(
            key=key,
            value=variable.value,
            raw=not variable.expand,
            masked=key in masked,
            file=key in files,
        )
    return tuple(found.values())


def _inherited(
    variables: Mapping[str, Variable], inherit: bool | tuple[str, ...]
) -> Iterator[tuple[str, Variable]]:
    for key, variable in variables.items():
        if inherit is True or (inherit is not False and key in inherit):
            yield key, variable


def _scoped(key: str, variable: Variable) -> ScopedVariable:
    return ScopedVariable(key=key, value=variable.value, raw=not variable.expand)
