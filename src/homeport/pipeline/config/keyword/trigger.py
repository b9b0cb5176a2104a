"""`trigger`: a job that starts a downstream pipeline, of another project or of included files.

Source: GitLab's CI/CD YAML reference, `trigger`, `trigger:include`, `trigger:forward`.
"""

from collections.abc import Mapping
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.trigger_include import parse_includes
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.status import PARTLY, YES, Keyword
from homeport.pipeline.model.config import Trigger

STATUS = Keyword(
    name="trigger",
    evaluated=True,
    run=YES,
    note="child pipelines; jobs are named `trigger job:job`",
    parts=(
        Keyword(
            name="project",
            run=PARTLY,
            note="of a checkout that the user names, else not run",
            cases=("trigger-project", "trigger-project-circle", "triggers-elsewhere-are-red"),
        ),
        Keyword(name="branch", run=YES, note="of the checkout: its working tree, or a commit"),
        Keyword(
            name="include",
            evaluated=True,
            run=YES,
            cases=("child-generated", "child-inputs", "child-matrix", "child-not-created"),
        ),
        Keyword(
            name="strategy",
            evaluated=True,
            run=YES,
            cases=("child-without-strategy", "child-depend", "child-mirror"),
        ),
        Keyword(name="forward", evaluated=True, run=YES, cases=("child-variables",)),
        Keyword(name="inputs", evaluated=True, run=YES, cases=("trigger-project",)),
    ),
    cases=("child-nested", "child-manual", "child-auto-cancel"),
)

_PROJECT_KEYS = ("project", "branch", "strategy", "forward", "inputs")
_INCLUDE_KEYS = ("strategy", "include", "forward")
_STRATEGIES = ("depend", "mirror")
_FORWARD = ("yaml_variables", "pipeline_variables")


def parse_trigger(value: Any, entry: Entry) -> Trigger | None:
    if isinstance(value, str):
        if is_blank(value):
            entry.config("can't be blank", "blank")
            return None
        return Trigger(project=str(value))
    if not isinstance(value, dict):
        entry.say("has to be either a string or a hash", "wrong-type", verbatim=True)
        return None
    if not value:
        entry.config("can't be blank", "blank")
    return _to_files(value, entry) if "include" in value else _to_project(value, entry)


def _to_project(value: Any, entry: Entry) -> Trigger:
    entry.keys(value, _PROJECT_KEYS)
    inputs = value.get("inputs")
    if inputs is not None and not isinstance(inputs, dict):
        entry.wrong(value, "inputs", "should be a hash")
        inputs = None
    return Trigger(
        project=entry.string(value, "project", required=True),
        branch=entry.string(value, "branch"),
        strategy=_strategy(value, entry),
        forward=_forward(value, entry),
        inputs=inputs or {},
    )


def _to_files(value: Any, entry: Entry) -> Trigger:
    entry.keys(value, _INCLUDE_KEYS)
    strategy = _strategy(value, entry)
    include = value["include"]
    found = () if include is None else parse_includes(include, entry.child(value, "include"))
    return Trigger(strategy=strategy, forward=_forward(value, entry), include=found)


def _strategy(value: Any, entry: Entry) -> str | None:
    return entry.one_of(value, "strategy", _STRATEGIES, "should be depend or mirror")


def _forward(value: Any, entry: Entry) -> Mapping[str, bool]:
    forward = value.get("forward")
    if forward is None:
        return {}
    place = entry.child(value, "forward")
    if not isinstance(forward, dict):
        place.config("should be a hash", "wrong-type")
        return {}
    place.keys(forward, _FORWARD)
    flags = {key: place.boolean(forward, key) for key in _FORWARD}
    return {key: flag for key, flag in flags.items() if flag is not None}
