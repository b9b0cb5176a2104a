"""Which variables a job has, and which wins. Source: GitLab's "CI/CD variable precedence".

Predefined < global < job < who started it; what comes over them when the job starts (dotenv
reports, then the user's own) is laid on by `execute/environment.py`.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from homeport.pipeline.model.config import Variable
from homeport.pipeline.model.plan import ScopedVariable


def compose(
    predefined: Mapping[str, str],
    *,
    global_variables: Mapping[str, Variable] = {},
    inherit: bool | tuple[str, ...] = True,
    job_variables: Mapping[str, Variable] = {},
    starter: Mapping[str, str] = {},
    masked: AbstractSet[str] = frozenset(),
) -> tuple[ScopedVariable, ...]:
    """The variables of one job as written, one entry for each key, a later kind over an earlier.

    `inherit` is what `inherit:variables` lets in of the global ones; `starter` are those of the
    user who started the pipeline, which win over the file's; `masked` names variables whose
    values are secret.
    """
    found: dict[str, ScopedVariable] = {
        key: ScopedVariable(key=key, value=value) for key, value in predefined.items()
    }
    for key, variable in (*inherited(global_variables, inherit).items(), *job_variables.items()):
        found[key] = ScopedVariable(
            key=key, value=variable.value, raw=not variable.expand, masked=key in masked
        )
    found.update((key, ScopedVariable(key=key, value=value)) for key, value in starter.items())
    return tuple(found.values())


def inherited(
    variables: Mapping[str, Variable], inherit: bool | tuple[str, ...]
) -> Mapping[str, Variable]:
    """The global variables that a job takes by `inherit:variables`."""
    if isinstance(inherit, tuple):
        return {key: variable for key, variable in variables.items() if key in inherit}
    return variables if inherit else {}
