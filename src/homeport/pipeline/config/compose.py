"""The door of this package: a merged mapping becomes a `Config`, with every finding in it.

Source: GitLab's CI/CD YAML reference; order and words of the findings follow GitLab's tree of
configuration entries (the file's own keywords first, then its jobs, then the checks across jobs).
"""

from collections.abc import Mapping
from typing import Any, Final

from homeport.errors import Problem, Severity
from homeport.pipeline.config.checks import Checks
from homeport.pipeline.config.entry import Reader
from homeport.pipeline.config.job import (
    Setting,
    field_defaults,
    is_bridge,
    is_hidden,
    is_job,
    read_bridge,
    read_job,
)
from homeport.pipeline.config.keyword.default import GLOBAL_KEYS, read_defaults
from homeport.pipeline.config.keyword.stage import DEFAULT_STAGE
from homeport.pipeline.config.keyword.stages import DEFAULT_STAGES
from homeport.pipeline.config.keywords import parser_of
from homeport.pipeline.config.ruby import is_blank, ruby_string
from homeport.pipeline.model.config import Config, Job, MissingInclude, Workflow
from homeport.pipeline.model.document import span_of_key, span_of_value

MAX_WARNINGS: Final = 25
"""GitLab shows no more warnings than these."""

_RESERVED: Final = frozenset((*GLOBAL_KEYS, "include", "variables", "stages"))
_RESERVED_UNLESS_JOB: Final = frozenset(("default", "workflow"))
_NO_KEYWORD = "config should implement the script:, run:, or trigger: keyword"
_MAKES_A_JOB: Final = ("script", "trigger")  # "run" is near to too much
_NO_JOBS = "jobs config should contain at least one visible job"
_EMPTY = "Please provide content of .gitlab-ci.yml"
_UNSEEN = (
    "some includes could not be read: defaults, variables, a workflow, stages, jobs or overrides "
    "of jobs that they define are not seen here"
)


def compose(
    content: Mapping[Any, Any],
    *,
    unresolved: Mapping[str, tuple[str, ...]] = {},
    missing: tuple[MissingInclude, ...] = (),
    written: Mapping[Any, Any] = {},
) -> Config:
    """The validated configuration; nothing is raised, see `Config.problems`.

    `content` has `extends` and `!reference` resolved. `unresolved` are keys left out of it because
    they name what no known file defines (with the reasons); `missing` the includes not read: what
    may be defined there makes a job unresolved instead of wrong. `written` is the content before
    `extends` and `!reference`: it has the unresolved keys in their places.
    """
    reader = Reader()
    defaults = read_defaults(content, reader)
    variables = _read(content, "variables", "global variables", reader, {})
    stages = _read(content, "stages", "stages", reader, DEFAULT_STAGES)
    workflow = _read(content, "workflow", "workflow", reader, Workflow())
    setting = Setting(
        reader=reader,
        defaults=field_defaults(defaults),
        has_workflow_rules=_has_rules(content.get("workflow")),
    )
    jobs, broken = _read_jobs(content, setting, partial=bool(missing or unresolved))
    if unresolved:
        from homeport.pipeline.config.unresolved import with_unresolved

        jobs = with_unresolved(jobs, _jobs_among(unresolved), written)
    checks = Checks(
        jobs, stages, partial=bool(missing or unresolved), own_stages="stages" in content
    )
    checks.run(broken)
    problems = [*reader.problems, *checks.problems]
    if missing:
        problems.append(
            Problem(
                message=_UNSEEN,
                code="unseen-configuration",
                severity=Severity.NOTE,
                span=missing[0].span,
            )
        )
    return Config(
        stages=stages,
        jobs=checks.resolve(),
        variables=variables,
        workflow=workflow,
        problems=_limit_warnings(problems),
        missing=missing,
    )


def _jobs_among(
    unresolved: Mapping[str, tuple[str, ...]],
) -> Mapping[str, tuple[str, ...]]:
    return {
        name: reasons
        for name, reasons in unresolved.items()
        if name not in _RESERVED and name not in _RESERVED_UNLESS_JOB and not is_hidden(name)
    }


def _read(content: Mapping[Any, Any], key: str, keyword: str, reader: Reader, default: Any) -> Any:
    if content.get(key) is None or (key in _RESERVED_UNLESS_JOB and _is_any_job(content[key])):
        return default
    found = reader.read(parser_of(keyword), content, key, "", key)
    return default if found is None else found


def _has_rules(workflow: Any) -> bool:
    return isinstance(workflow, dict) and not _is_any_job(workflow) and "rules" in workflow


def _is_any_job(value: Any) -> bool:
    return is_job(value) or is_bridge(value)


def _is_reserved(name: Any, value: Any) -> bool:
    return name in _RESERVED or (name in _RESERVED_UNLESS_JOB and not _is_any_job(value))


def _read_jobs(
    content: Mapping[Any, Any], setting: Setting, *, partial: bool
) -> tuple[dict[str, Job], set[str]]:
    """The visible jobs, and the names of those that are wrong by themselves."""
    reader = setting.reader
    entries = [(name, value) for name, value in content.items() if not _is_reserved(name, value)]
    odd = {name for name, value in entries if not is_hidden(name) and not _is_any_job(value)}
    jobs: dict[str, Job] = {}
    broken: set[str] = set()
    for name, value in entries:
        if name in odd and not (partial and isinstance(value, dict)):
            _complain_of(name, content, reader)
    if len(odd) == sum(not is_hidden(name) for name, _ in entries) and not partial:
        reader.error(_NO_JOBS if content else _EMPTY, "no-jobs")
    for name, value in entries:
        if is_hidden(name):
            if is_blank(value):
                span = span_of_value(content, name)
                reader.error(f"jobs:{name} config can't be blank".lower(), "blank", span)
            continue
        before = len(reader.problems)
        job = _read_entry(name, value, content, setting, partial=partial)
        if job is None:
            continue
        jobs[job.name] = job
        if any(problem.severity is Severity.ERROR for problem in reader.problems[before:]):
            broken.add(job.name)
    return jobs, broken


def _read_entry(
    name: Any, value: Any, content: Mapping[Any, Any], setting: Setting, *, partial: bool
) -> Job | None:
    span = span_of_key(content, name)
    if is_job(value):
        return read_job(name, value, span, setting)
    if is_bridge(value) and not (partial and value.get("trigger") is None):
        return read_bridge(name, value, span, setting)
    if not partial or not isinstance(value, dict):
        return None
    stage = value.get("stage")
    return Job(
        name=ruby_string(name),
        stage=stage if isinstance(stage, str) else DEFAULT_STAGE,
        span=span,
        raw=value,
        unresolved=("it has no script, run or trigger, unless an unread file gives it one",),
    )


def _complain_of(name: Any, content: Mapping[Any, Any], reader: Reader) -> None:
    from homeport.pipeline.config.hints import did_you_mean

    text = ruby_string(name).lower()
    if text.replace(" ", "").isalpha() and text.isascii():
        # GitLab's messages show such a name, and only such a one, with underscores.
        text = text.replace(" ", "_")
    message = f"jobs {text} {_NO_KEYWORD}"
    hint = did_you_mean(ruby_string(name), (*_RESERVED, *_RESERVED_UNLESS_JOB))
    value = content[name]
    if hint is None and isinstance(value, Mapping):
        near = (did_you_mean(str(key), _MAKES_A_JOB) for key in list(value)[:20])
        hint = next((each for each in near if each), None)
    reader.error(message, "no-script", span_of_key(content, name), hint)


def _limit_warnings(problems: list[Problem]) -> tuple[Problem, ...]:
    warnings = 0
    kept: list[Problem] = []
    for problem in problems:
        if problem.severity is Severity.WARNING:
            warnings += 1
            if warnings > MAX_WARNINGS:
                continue
        kept.append(problem)
    return tuple(kept)
