"""The name of a job's resource group, with the variables that are known before anything runs.

Source: GitLab's CI/CD YAML reference, `resource_group`, and `Seed::Processable::ResourceGroup`.
"""

from collections.abc import Sequence

from homeport.pipeline.model.plan import ScopedVariable
from homeport.pipeline.variables.expand import expand, has_reference


def group_of(written: str | None, variables: Sequence[ScopedVariable]) -> str | None:
    """The group's name; None where nothing is left of it, as GitLab then has no group.

    A group is named in messages: one that would show a masked value is known by a hash.
    """
    if written is None or not has_reference(written):
        return written or None
    from homeport.pipeline.variables.forwarded import known_variables

    known = known_variables(variables, {})
    name = expand(written, {key: variable.value for key, variable in known.items()})
    if any(each.masked and each.value and each.value in name for each in known.values()):
        from hashlib import sha256

        return f"{written} ({sha256(name.encode()).hexdigest()[:12]})"
    return name.strip() or None
