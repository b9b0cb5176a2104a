"""One job: which keywords it may hold and combine, its defaults, and the `Job` they make.

Source: GitLab's CI/CD YAML reference; the messages are those of its job and bridge entries.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, structs

from homeport.errors import Span
from homeport.pipeline.config.duration import WEEK, parse_duration, within
from homeport.pipeline.config.entry import Entry, Reader, flatten, is_strings
from homeport.pipeline.config.keyword.inherit import INHERIT_ALL, Inherit
from homeport.pipeline.config.keyword.stages import DEFAULT_STAGE
from homeport.pipeline.config.keywords import (
    BRIDGE_KEYS,
    BRIDGE_ORDER,
    JOB_KEYS,
    JOB_ORDER,
    parser_of,
)
from homeport.pipeline.config.ruby import is_blank, ruby_string
from homeport.pipeline.model.config import Artifacts, CrossNeed, Job, Need, Policy, Trigger, When
from homeport.pipeline.model.document import span_of_key, span_of_value

MAX_NAME: Final = 255
DEFAULT_ONLY: Final = Policy(refs=("branches", "tags"))
MULTIPLE_PIPELINES: Final = (
    "may allow multiple pipelines to run for a single action due to `rules:when` clause with no "
    "`workflow:rules` - read more: https://docs.gitlab.com/ee/ci/jobs/job_troubleshooting.html"
    "#job-may-allow-multiple-pipelines-to-run-for-a-single-action-warning"
)
_JOB_WHEN = ("on_success", "on_failure", "always", "manual", "delayed")
_BRIDGE_WHEN = ("on_success", "on_failure", "always", "manual")
_EXCLUSIVE = (("script", "trigger"), ("run", "trigger"))
_EXCLUSIVE_OF_JOBS = (("script", "run"), ("before_script", "run"), ("after_script", "run"))
_WITHOUT_RULES = ("only", "except", "start_in")
# Keywords that are not a field of `Job` by their own name; None is checked and stays in `raw`.
_FIELDS: Final[Mapping[str, str | None]] = {
    "except": "except_",
    "hooks": "pre_get_sources_script",
    "publish": None,
    "inputs": None,
    "dast_configuration": None,
    "identity": None,
}
# With these alone a job has nothing that its own entry must check.
_PLAIN: Final = frozenset((
    "stage", "variables", "environment", "interruptible", "before_script", "script",
    "after_script", "hooks", "cache", "image", "services", "timeout", "retry", "tags", "artifacts",
    "needs", "coverage", "parallel", "allow_failure", "rules", "inherit", "extends",
))  # fmt: skip


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
    if not _is_plain(name, job):
        _check_own(name, job, span, where, reader, bridge=False)
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
        _check_dependencies(fields["dependencies"], fields["needs"], job, where, reader)
    if "pages" in job or name == "pages":
        _add_site(name, job, fields)
    return Job(
        name=ruby_string(name), span=span, inherit_variables=inherit.variables, raw=job, **fields
    )


def read_bridge(name: Any, job: Any, span: Span | None, setting: Setting) -> Job:
    """The job that triggers a downstream pipeline, or mirrors an upstream one."""
    reader = setting.reader
    where = f"jobs:{ruby_string(name)}" if not is_blank(name) else "jobs:job"
    _check_own(name, job, span, where, reader, bridge=True)
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


def _is_plain(name: Any, job: Any) -> bool:
    """Whether nothing in a job needs the checks of its own entry, as in most jobs of a big file."""
    return (
        type(name) is str
        and 0 < len(name) <= MAX_NAME
        and not name.isspace()
        and job.keys() <= _PLAIN
        and type(job.get("extends", "")) is str
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
    if when is not None and when in _JOB_WHEN:
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


def _check_own(
    name: Any, job: Any, span: Span | None, where: str, reader: Reader, *, bridge: bool
) -> None:
    """What GitLab's entry of the job itself checks, in its order."""
    entry = Entry({"": job}, "")
    _check_name(name, entry, span)
    for pair in _EXCLUSIVE:
        _exclude(job, pair, entry)
    if job.get("rules") is not None:
        clashing = [key for key in job if key in _WITHOUT_RULES and job[key] is not None]
        if clashing:
            text = f"key may not be used with `rules`: {', '.join(clashing)}"
            entry.config(text, "conflict", span_of_key(job, clashing[0]))
    extends = job.get("extends")
    if extends is not None and not (isinstance(extends, str) or is_strings(extends)):
        entry.wrong(job, "extends", "should be an array of strings or a string")
    entry.keys(job, BRIDGE_KEYS if bridge else JOB_KEYS)
    if not bridge:
        for pair in _EXCLUSIVE_OF_JOBS:
            _exclude(job, pair, entry)
    entry.one_of(job, "when", _BRIDGE_WHEN if bridge else _JOB_WHEN)
    if not bridge:
        entry.string(job, "manual_confirmation")
        _check_start_in(job, entry)
        _check_publish(name, job, entry)
    reader.problems.extend(finding.problem("", where) for finding in entry.findings)


def _check_name(name: Any, entry: Entry, span: Span | None) -> None:
    if is_blank(name):
        entry.say("name can't be blank", "blank", span)
    if not isinstance(name, str):
        entry.say("name should be a symbol", "wrong-type", span)
    if len(ruby_string(name)) > MAX_NAME:
        entry.say(f"name is too long (maximum is {MAX_NAME} characters)", "limit", span)


def _exclude(job: Any, pair: tuple[str, str], entry: Entry) -> None:
    present = [key for key in job if key in pair]
    if len(present) > 1:
        text = f"these keys cannot be used together: {', '.join(present)} (mutually exclusive)"
        entry.config(text, "conflict", span_of_key(job, present[1]))


def _check_start_in(job: Any, entry: Entry) -> None:
    start_in = job.get("start_in")
    delayed = job.get("when") == "delayed"
    if delayed:
        if not isinstance(start_in, str) or parse_duration(start_in) is None:
            entry.wrong(job, "start_in", "should be a duration", "invalid-duration")
        if not (isinstance(start_in, str) and within(start_in, WEEK)):
            entry.wrong(job, "start_in", "should not exceed the limit", "limit")
    if ("rules" in job or not delayed) and not is_blank(start_in):
        entry.wrong(job, "start_in", "must be blank", "conflict")


def _check_publish(name: Any, job: Any, entry: Entry) -> None:
    if is_blank(job.get("publish")):
        return
    from homeport.pipeline.config.keyword.pages import is_pages_job

    if not is_pages_job(ruby_string(name), job):
        entry.wrong(job, "publish", "can only be used within a `pages` job", "not-allowed")


def _check_dependencies(
    dependencies: tuple[str, ...],
    needs: tuple[Need | CrossNeed, ...],
    job: Any,
    where: str,
    reader: Reader,
) -> None:
    names = {need.job for need in needs if isinstance(need, Need)}
    if not dependencies:
        return
    if not names:
        text = f"{where} needs corresponding to dependencies must be from the same pipeline"
        reader.error(text.lower(), "conflict", span_of_value(job, "needs"))
        return
    missing = [name for name in dependencies if name not in names]
    if missing:
        text = f"{where} dependencies the {', '.join(missing)} should be part of needs"
        reader.error(text.lower(), "conflict", span_of_value(job, "dependencies"))
