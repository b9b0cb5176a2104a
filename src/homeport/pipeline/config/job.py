"""One job: its keywords in GitLab's order, its defaults, and the `Job` that they make.

Source: GitLab's CI/CD YAML reference; the messages are those of its job and bridge entries.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, structs

from homeport.errors import Span
from homeport.pipeline.config.duration import parse_duration
from homeport.pipeline.config.entry import Entry, Reader
from homeport.pipeline.config.job_checks import (
    check_dependencies,
    check_own,
    is_plain,
)
from homeport.pipeline.config.keyword.inherit import INHERIT_ALL, Inherit
from homeport.pipeline.config.keyword.stage import DEFAULT_STAGE
from homeport.pipeline.config.keyword.when import JOB_WHEN
from homeport.pipeline.config.keywords import (
    BRIDGE_ORDER,
    JOB_ORDER,
    parser_of,
)
from homeport.pipeline.config.ruby import is_blank, ruby_string
from homeport.pipeline.config.shapes import flatten
from homeport.pipeline.model.config import Artifacts, CrossNeed, Job, Need, Policy, Trigger, When
from homeport.pipeline.model.document import span_of_value

DEFAULT_ONLY: Final = Policy(refs=("branches", "tags"))
MULTIPLE_PIPELINES: Final = (
    "may allow multiple pipelines to run for a single action due to `rules:when` clause with no "
    "`workflow:rules` - read more: https://docs.gitlab.com/ee/ci/jobs/job_troubleshooting.html"
    "#job-may-allow-multiple-pipelines-to-run-for-a-single-action-warning"
)
# Keywords that are not a field of `Job` by their own name; None is checked and stays in `raw`.
_FIELDS: Final[Mapping[str, str | None]] = {
    "except": "except_",
    "hooks": "pre_get_sources_script",
    "publish": None,
    "inputs": None,
    "dast_configuration": None,
    "identity": None,
}


class Setting(Struct, frozen=True, kw_only=True):
    """What every job of a configuration is read with; `defaults` are fields of `Job`."""

    reader: Reader
    defaults: Mapping[str, Any]
    has_workflow_rules: bool


def is_hidden(name: Any) -> bool:
    return ruby_string(name).startswith(".")


def is_job(value: Any) -> bool:
    """Whether a visible entry is a job that a runner carries out."""
    return isinstance(value, dict) and ("script" in value or "run" in value)


def is_bridge(value: Any) -> bool:
    """Whether a visible entry that is no job is one that triggers (or mirrors) a pipeline."""
    return isinstance(value, dict) and ("trigger" in value or "needs" in value)


def field_defaults(defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """Inherited keywords as fields of `Job`."""
    named = {_FIELDS.get(key, key): value for key, value in defaults.items()}
    return {field: value for field, value in named.items() if field is not None}


def read_job(name: Any, job: Any, span: Span | None, setting: Setting) -> Job:
    """The job that a runner carries out; complaints go to the setting's reader."""
    reader = setting.reader
    where = f"jobs:{ruby_string(name)}" if not is_blank(name) else "jobs:job"
    if not is_plain(name, job):
        check_own(name, job, span, where, reader, bridge=False)
    if "run" not in job and is_blank(job.get("script")):
        reader.error(
            f"{where} script can't be blank".lower(), "blank", span_of_value(job, "script")
        )
    inherit = _inherit(job, where, reader)
    fields = _inherited(setting.defaults, inherit)
    for keyword in JOB_ORDER:
        if keyword in job and job[keyword] is not None:
            value = reader.read(parser_of(keyword), job, keyword, where, keyword)
            _put(fields, keyword, value)
    _finish(fields, job, setting, where)
    if "dependencies" in fields and fields.get("needs"):
        check_dependencies(fields["dependencies"], fields["needs"], job, where, reader)
    if "pages" in job or name == "pages":
        _add_site(name, job, fields)
    return Job(
        name=ruby_string(name), span=span, inherit_variables=inherit.variables, raw=job, **fields
    )


def read_bridge(name: Any, job: Any, span: Span | None, setting: Setting) -> Job:
    """The job that triggers a downstream pipeline, or mirrors an upstream one."""
    reader = setting.reader
    where = f"jobs:{ruby_string(name)}" if not is_blank(name) else "jobs:job"
    check_own(name, job, span, where, reader, bridge=True)
    inherit = _inherit(job, where, reader)
    fields = _inherited(
        {key: value for key, value in setting.defaults.items() if key == "interruptible"}, inherit
    )
    for keyword in BRIDGE_ORDER:
        if keyword in job and job[keyword] is not None:
            special = keyword in ("needs", "parallel", "allow_failure")
            parser = parser_of(f"bridge {keyword}" if special else keyword)
            _put(fields, keyword, reader.read(parser, job, keyword, where, keyword))
    _finish(fields, job, setting, where)
    needs: tuple[Need | CrossNeed, ...] = fields.get("needs") or ()
    upstream = any(isinstance(need, CrossNeed) and need.job is None for need in needs)
    if job.get("trigger") is None and not upstream:
        text = f"{where} config should contain either a trigger or a needs:pipeline"
        reader.error(text.lower(), "missing-key", span)
    if upstream:
        # Such a job waits for its stage, and there is nothing of it to run here.
        fields.pop("needs")
        fields.setdefault("trigger", Trigger())
    return Job(
        name=ruby_string(name), span=span, inherit_variables=inherit.variables, raw=job, **fields
    )


def _inherit(job: Any, where: str, reader: Reader) -> Inherit:
    if job.get("inherit") is None:
        return INHERIT_ALL
    found: Inherit = reader.read(parser_of("inherit"), job, "inherit", where, "inherit")
    return found


def _inherited(defaults: Mapping[str, Any], inherit: Inherit) -> dict[str, Any]:
    if inherit.default is True:
        return dict(defaults)
    return {
        field: value
        for field, value in defaults.items()
        if inherit.takes("hooks" if field == "pre_get_sources_script" else field)
    }


def _put(fields: dict[str, Any], keyword: str, value: Any) -> None:
    field = _FIELDS.get(keyword, keyword)
    if field is None:
        return
    if value is None:
        fields.pop(field, None)
    else:
        fields[field] = value


def _finish(fields: dict[str, Any], job: Any, setting: Setting, where: str) -> None:
    """Defaults that depend on other keywords."""
    fields.setdefault("stage", DEFAULT_STAGE)
    if not (setting.has_workflow_rules or "rules" in job):
        fields.setdefault("only", DEFAULT_ONLY)
    when = job.get("when")
    if when is not None and when in JOB_WHEN:
        fields["when"] = When(when)
        if when == "delayed" and isinstance(job.get("start_in"), str):
            fields["start_in"] = parse_duration(job["start_in"])
    confirmation = job.get("manual_confirmation")
    if isinstance(confirmation, str):
        fields["manual_confirmation"] = confirmation
    if not setting.has_workflow_rules and fields.get("rules"):
        reader = setting.reader
        if reader.read(_ends_in_when, job, "rules", where, "rules"):
            span = fields["rules"][-1].span
            reader.warn(f"{where} {MULTIPLE_PIPELINES}", "multiple-pipelines", span)


def _ends_in_when(value: Any, _entry: Entry) -> bool:
    """Whether the last rule says `when` and nothing else, and not `never`."""
    last = flatten(value)[-1]
    keys = [key for key, item in last.items() if item is not None]
    return keys == ["when"] and last["when"] != "never"


def _add_site(name: Any, job: Any, fields: dict[str, Any]) -> None:
    """The folder of a site is always among the artifacts of its job."""
    from homeport.pipeline.config.keyword.pages import is_pages_job, publish_path

    if not is_pages_job(ruby_string(name), job):
        return
    artifacts = fields.get("artifacts") or Artifacts()
    path = publish_path(job)
    if path not in artifacts.paths:
        fields["artifacts"] = structs.replace(artifacts, paths=(*artifacts.paths, path))
