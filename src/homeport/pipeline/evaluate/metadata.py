"""What a pipeline says of itself: its name, and when it is cancelled.

Source: GitLab's CI/CD YAML reference, `workflow:name`, `workflow:auto_cancel`,
`workflow:rules:auto_cancel`; the message is that of pipeline creation.
"""

from collections.abc import Mapping

from homeport.errors import Problem
from homeport.pipeline.model.config import Rule, Variable, Workflow
from homeport.pipeline.model.plan import ScopedVariable
from homeport.pipeline.variables.expand import CycleError, expand, expand_all, has_reference


def pipeline_name(
    workflow: Workflow,
    predefined: Mapping[str, str],
    root: Mapping[str, Variable],
    user: Mapping[str, str],
) -> tuple[str | None, tuple[Problem, ...]]:
    """The name with its variables, whose own values are expanded first; and what is wrong with it.

    `root` are the global variables with those of the workflow's rule.
    """
    name = workflow.name
    if name is None:
        return None, ()
    if has_reference(name):
        name = expand(name, _expanded(predefined, root, user)).strip()
    from homeport.pipeline.config.keyword.workflow import MAX_NAME

    if len(name) <= MAX_NAME:
        return name or None, ()
    message = (
        f"Failed to build pipeline metadata! Name is too long (maximum is {MAX_NAME} characters)"
    )
    return name, (Problem(code="pipeline-name-too-long", message=message, span=workflow.span),)


def _expanded(
    predefined: Mapping[str, str], root: Mapping[str, Variable], user: Mapping[str, str]
) -> Mapping[str, str]:
    values = {key: ScopedVariable(key=key, value=value) for key, value in predefined.items()}
    for key, variable in root.items():
        values[key] = ScopedVariable(key=key, value=variable.value, raw=not variable.expand)
    for key, value in user.items():
        values[key] = ScopedVariable(key=key, value=value)
    try:
        found = expand_all(list(values.values()))
    except CycleError:
        # Each job complains of the circle; the name is shown with the values as written.
        found = list(values.values())
    return {variable.key: variable.value for variable in found}


def auto_cancel(workflow: Workflow, rule: Rule | None) -> Mapping[str, str]:
    """`auto_cancel` of the workflow, each part replaced by that of the rule that matched."""
    if rule is None or not rule.auto_cancel:
        return workflow.auto_cancel
    return {**workflow.auto_cancel, **rule.auto_cancel}
