"""Our evaluation beside the server's answer, and where they differ. Asks nobody."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from homeport.errors import Problem, Severity, UsageError
from homeport.gitlab.api import Lint, ServerJob
from homeport.pipeline.document.dump import dump
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.document.load import load
from homeport.pipeline.evaluate.evaluate import FILTERED
from homeport.pipeline.model.document import Map
from homeport.pipeline.model.pipeline import Pipeline, PipelineJob, Verdict

SERVER_YAML = "the server's merged YAML"
_LIMITS = Limits()


class Difference(Struct, frozen=True, kw_only=True):
    """One thing that differs. `kind` is `error`, `job`, `field` (of the job `name`) or `yaml` (the
    key `name`); `ours` and `theirs` are None where one side has nothing."""

    kind: str
    name: str
    field: str | None = None
    ours: str | None = None
    theirs: str | None = None


class Comparison(Struct, frozen=True, kw_only=True):
    """`jobs` is how many are the same on both sides; `compared` names what could be looked at."""

    differences: tuple[Difference, ...]
    compared: tuple[str, ...]
    jobs: int = 0


def compare_errors(problems: Iterable[Problem], lint: Lint) -> Comparison:
    """Two sides of which at least one refuses the file: the words count, their order does not."""
    ours = dict.fromkeys(
        problem.message for problem in problems if problem.severity is Severity.ERROR
    )
    theirs = dict.fromkeys(lint.errors)
    if not lint.valid and not theirs:
        theirs = {"(invalid, without a reason)": None}
    found = [
        *(Difference(kind="error", name=text, ours=text) for text in ours if text not in theirs),
        *(Difference(kind="error", name=text, theirs=text) for text in theirs if text not in ours),
    ]
    return Comparison(differences=tuple(found), compared=("errors",))


def compare(pipeline: Pipeline, merged: Map, lint: Lint, *, static: bool) -> Comparison:
    """An evaluation without errors beside the server's answer.

    `static` means that the server evaluated no rules, so that its jobs are all that the file has.
    """
    problems = list(pipeline.problems)
    if pipeline.workflow.verdict is Verdict.OUT and not static:
        problems.append(Problem(message=FILTERED))
    if not lint.valid or any(problem.severity is Severity.ERROR for problem in problems):
        return compare_errors(problems, lint)
    compared = []
    found: list[Difference] = []
    same = 0
    if lint.jobs is not None:
        compared.append("jobs")
        jobs = (*pipeline.jobs, *pipeline.excluded) if static else pipeline.jobs
        ours = {job.name: job for job in jobs}
        theirs = {job.name: job for job in lint.jobs}
        found += _jobs(ours, theirs, static=static)
        differing = {difference.name for difference in found}
        same = sum(name in theirs and name not in differing for name in ours)
    if lint.merged_yaml:
        compared.append("merged YAML")
        found += _yaml(merged, lint.merged_yaml)
    return Comparison(differences=tuple(found), compared=tuple(compared), jobs=same)


def _jobs(
    ours: Mapping[str, PipelineJob], theirs: Mapping[str, ServerJob], *, static: bool
) -> Iterator[Difference]:
    for name, job in ours.items():
        if name not in theirs:
            yield Difference(kind="job", name=name, ours=_decision(job))
            continue
        server = theirs[name]
        for field, (own, their) in _fields(job, server, static=static).items():
            if own != their:
                yield Difference(kind="field", name=name, field=field, ours=own, theirs=their)
    for name, server in theirs.items():
        if name not in ours:
            yield Difference(kind="job", name=name, theirs=f"stage {server.stage}")


def _decision(job: PipelineJob) -> str:
    return f"stage {job.stage}, {job.decision.reason}"


def _fields(job: PipelineJob, server: ServerJob, *, static: bool) -> dict[str, tuple[str, str]]:
    fields = {"stage": (job.stage, server.stage)}
    if not static:
        # A job whose exit codes decide is not allowed to fail until it has failed.
        allowed = job.allow_failure.allowed and not job.allow_failure.exit_codes
        fields["when"] = (job.when.value, server.when)
        fields["allow_failure"] = (_word(allowed), _word(server.allow_failure))
    if server.needs is not None and job.needs is not None:
        own = [need.job for need in job.needs]
        fields["needs"] = (_names(own), _names(server.needs))
    return fields


def _word(value: bool) -> str:
    return "true" if value else "false"


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names))) or "none"


def _yaml(merged: Map, text: str) -> Iterator[Difference]:
    """The top-level keys whose values differ. Both sides go through the same YAML."""
    try:
        theirs = _plain(load(text.encode(), SERVER_YAML, _LIMITS).content)
    except UsageError as error:
        yield Difference(kind="yaml", name="", theirs=f"cannot be read: {error}")
        return
    ours = _plain(load(dump(merged).encode(), "our merged YAML", _LIMITS).content)
    for key in (*ours, *(key for key in theirs if key not in ours)):
        own = {key: ours[key]} if key in ours else None
        their = {key: theirs[key]} if key in theirs else None
        if own != their:
            yield Difference(kind="yaml", name=key, ours=_text(own), theirs=_text(their))


def _text(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else dump(Map(dict(value))).removeprefix("---\n")


def _plain(value: Any) -> Any:
    """Keys as text: older servers write Ruby's symbols (`:script:`). Order counts in lists only."""
    if isinstance(value, dict):
        named = {_key(key): _plain(item) for key, item in value.items()}
        return dict(sorted(named.items()))
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _key(key: object) -> str:
    return str(key).removeprefix(":")
