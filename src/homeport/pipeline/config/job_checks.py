"""What GitLab's entry of a job checks of the job as a whole: name, keys, and combinations of keys.

Source: GitLab's CI/CD YAML reference; the messages, and their order, are those of GitLab's job and
bridge entries.
"""

from typing import Any, Final

from homeport.errors import Span
from homeport.pipeline.config.entry import Entry, Reader
from homeport.pipeline.config.keyword.when import check_when
from homeport.pipeline.config.keywords import BRIDGE_KEYS, JOB_KEYS
from homeport.pipeline.config.ruby import is_blank, ruby_string
from homeport.pipeline.model.config import CrossNeed, Need
from homeport.pipeline.model.document import span_of_key, span_of_value

MAX_NAME: Final = 255
_EXCLUSIVE = (("script", "trigger"), ("run", "trigger"))
_EXCLUSIVE_OF_JOBS = (("script", "run"), ("before_script", "run"), ("after_script", "run"))
_WITHOUT_RULES = ("only", "except", "start_in")
# With these alone a job has nothing that its own entry must check.
_PLAIN: Final = frozenset((
    "stage", "variables", "environment", "interruptible", "before_script", "script",
    "after_script", "hooks", "cache", "image", "services", "timeout", "retry", "tags", "artifacts",
    "needs", "coverage", "parallel", "allow_failure", "rules", "inherit", "extends",
))  # fmt: skip


def is_plain(name: Any, job: Any) -> bool:
    """Whether nothing in a job needs the checks of its own entry, as in most jobs of a big file."""
    return (
        type(name) is str
        and 0 < len(name) <= MAX_NAME
        and not name.isspace()
        and job.keys() <= _PLAIN
        and type(job.get("extends", "")) is str
    )


def check_own(
    name: Any, job: Any, span: Span | None, where: str, reader: Reader, *, bridge: bool
) -> None:
    """What GitLab's entry of the job itself checks, in its order."""
    from homeport.pipeline.config.keyword.extends import check_extends
    from homeport.pipeline.config.keyword.manual_confirmation import check_manual_confirmation
    from homeport.pipeline.config.keyword.start_in import check_start_in

    entry = Entry({"": job}, "")
    _check_name(name, entry, span)
    for pair in _EXCLUSIVE:
        _exclude(job, pair, entry)
    if job.get("rules") is not None:
        clashing = [key for key in job if key in _WITHOUT_RULES and job[key] is not None]
        if clashing:
            text = f"key may not be used with `rules`: {', '.join(clashing)}"
            entry.config(text, "conflict", span_of_key(job, clashing[0]))
    check_extends(job, entry)
    entry.keys(job, BRIDGE_KEYS if bridge else JOB_KEYS)
    if not bridge:
        for pair in _EXCLUSIVE_OF_JOBS:
            _exclude(job, pair, entry)
    check_when(job, entry, bridge=bridge)
    if not bridge:
        check_manual_confirmation(job, entry)
        check_start_in(job, entry)
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


def _check_publish(name: Any, job: Any, entry: Entry) -> None:
    if is_blank(job.get("publish")):
        return
    from homeport.pipeline.config.keyword.pages import is_pages_job

    if not is_pages_job(ruby_string(name), job):
        entry.wrong(job, "publish", "can only be used within a `pages` job", "not-allowed")


def check_dependencies(
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
