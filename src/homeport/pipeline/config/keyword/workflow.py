"""`workflow`: whether there is a pipeline at all, and its name.

Source: GitLab's CI/CD YAML reference, `workflow`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.rules import parse_workflow_rules
from homeport.pipeline.config.keyword.workflow_cancel import parse_auto_cancel
from homeport.pipeline.config.ruby import ruby_string
from homeport.pipeline.config.status import NO_EFFECT, PARTLY, YES, Keyword
from homeport.pipeline.model.config import Workflow

STATUS = Keyword(
    name="workflow",
    evaluated=True,
    parts=(
        Keyword(name="name", evaluated=True, run=YES),
        Keyword(name="rules", evaluated=True),
        Keyword(name="rules:variables", evaluated=True, run=YES),
        Keyword(name="rules:auto_cancel", evaluated=True, run=PARTLY),
        Keyword(
            name="auto_cancel:on_new_commit",
            run=NO_EFFECT,
            note="a newer run beside an older one leaves that alone",
        ),
        Keyword(name="auto_cancel:on_job_failure", run=YES),
    ),
    cases=("workflow-filters-out",),
)

MAX_NAME = 255


def parse_workflow(value: Any, entry: Entry) -> Workflow:
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return Workflow()
    entry.keys(value, ("rules", "name", "auto_cancel"))
    name = value.get("name")
    if name is not None:
        if not isinstance(name, str):
            name = ruby_string(name)
        if len(name) > MAX_NAME:
            entry.wrong(value, "name", f"is too long (maximum is {MAX_NAME} characters)", "limit")
    rules, cancel = value.get("rules"), value.get("auto_cancel")
    if rules is not None:
        rules = parse_workflow_rules(rules, entry.child(value, "rules"))
    if cancel is not None:
        cancel = parse_auto_cancel(cancel, entry.child(value, "auto_cancel"))
    return Workflow(
        name=None if name is None else name.strip(),
        rules=rules,
        auto_cancel=cancel or {},
        span=entry.span,
    )
