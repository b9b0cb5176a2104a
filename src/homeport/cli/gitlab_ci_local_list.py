"""`--list`, `--list-all`, `--list-json`, `--list-csv`, `--list-csv-all`: as scripts expect them."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from homeport.cli.gitlab_ci_local_comments import Comments, read_comments
from homeport.errors import Problem, UsageError
from homeport.lib.columns import pad, width
from homeport.pipeline.model.pipeline import PipelineJob, Verdict

if TYPE_CHECKING:
    from homeport.cli.gitlab_ci_local_request import Translation
    from homeport.pipeline.flow import Evaluation

_QUIETLY = argparse.Namespace(strict=False)


def print_list(translation: "Translation") -> int:
    """The exit status is that of `homeport list`."""
    from homeport.cli.source import finish

    options = translation.options
    evaluation = translation.evaluate()
    comments = comments_of(translation, evaluation)
    if options.switch("list") or options.switch("list-all"):
        _print_table(evaluation, comments, whole=options.switch("list-all"))
    elif options.switch("list-json"):
        from homeport.cli.output import print_json

        print_json([_as_json(job, comments) for job in in_written_order(evaluation)])
    else:
        _print_csv(evaluation, whole=options.switch("list-csv-all"))
    return finish(evaluation, _QUIETLY)


def comments_of(translation: "Translation", evaluation: "Evaluation") -> Comments:
    from homeport.cli.gitlab_ci_local_options import read_text

    request = evaluation.request
    names = (request.file, request.overlay or "")
    texts = (read_text(str(translation.root / name), inside=True) for name in names if name)
    return read_comments(text for text in texts if text is not None)


def in_written_order(evaluation: "Evaluation") -> list[PipelineJob]:
    """All jobs, also those left out, as they stand in the file."""
    pipeline = evaluation.pipeline
    places = {name: place for place, name in enumerate(evaluation.config.jobs)}
    jobs = [*pipeline.jobs, *pipeline.excluded]
    return sorted(jobs, key=lambda job: places.get(job.group, len(places)))


def validate_dependencies(translation: "Translation") -> int:
    """Say whether all that is needed, or depended on, is in the pipeline."""
    from homeport.cli.output import has_errors
    from homeport.cli.source import finish

    evaluation = translation.evaluate()
    pipeline = evaluation.pipeline
    present = {name for job in pipeline.jobs for name in (job.name, job.group)}
    problems = [
        Problem(
            code="dependency-left-out",
            message=f"{name} is not in the pipeline, but {job.name} depends on it",
            span=job.job.span,
        )
        for job in pipeline.jobs
        for name in job.job.dependencies or ()
        if name not in present
    ]
    if problems and not has_errors(pipeline.problems):
        raise UsageError(problems)
    status = finish(evaluation, _QUIETLY)
    if not status:
        # As the real tool does, where the mark can be printed.
        data = "✓ All job dependencies are valid\n".encode(sys.stdout.encoding, "replace")
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    return status


def _in_stage_order(evaluation: "Evaluation") -> list[PipelineJob]:
    order = {stage: place for place, stage in enumerate(evaluation.config.stages)}
    jobs = in_written_order(evaluation)
    return sorted(jobs, key=lambda job: order.get(job.stage, len(order)))


def _print_table(evaluation: "Evaluation", comments: Comments, *, whole: bool) -> None:
    """Widths are those of all jobs, listed or not, so that both lists have the same columns."""
    from homeport.cli.output import printable

    jobs = _in_stage_order(evaluation)
    rows = [
        (
            printable(job.name),
            printable(comments.descriptions.get(job.group, "")),
            printable(job.stage),
            _when(job),
            _allow_failure(job),
            printable(job.environment or ""),
        )
        for job in jobs
    ]
    head = ("name", "description", "stage", "when", "allow_failure", "environment")
    stages = ("",) * 2 + (max(evaluation.config.stages, key=width, default=""),) + ("",) * 3
    columns = zip(("", *head[1:]), stages, *rows, strict=True)
    widths = [max(map(width, column)) for column in columns]
    lines = ["  ".join(map(pad, head, widths)) + "  needs"]
    for job, row in zip(jobs, rows, strict=True):
        if whole or job.decision.verdict is not Verdict.OUT:
            needs = _needs(job)
            end = "" if needs is None else f"  {printable(needs)}"
            lines.append("  ".join(map(pad, row, widths)) + end)
    sys.stdout.write("\n".join(lines) + "\n")


def _print_csv(evaluation: "Evaluation", *, whole: bool) -> None:
    from homeport.cli.output import printable

    lines = ["name;stage;when;allowFailure;environment;needs"]
    for job in _in_stage_order(evaluation):
        if whole or job.decision.verdict is not Verdict.OUT:
            cells = (job.name, job.stage, _when(job), _allow_failure(job))
            lines.append(printable(";".join((*cells, job.environment or "", _needs(job) or ""))))
    sys.stdout.write("\n".join(lines) + "\n")


def _as_json(job: PipelineJob, comments: Comments) -> dict[str, Any]:
    codes = job.allow_failure.exit_codes
    entry: dict[str, Any] = {
        "name": job.name,
        "description": comments.descriptions.get(job.group, ""),
        "stage": job.stage,
        "when": _when(job),
        "allow_failure": {"exit_codes": list(codes)} if codes else job.allow_failure.allowed,
    }
    if job.needs is not None:
        entry["needs"] = [
            {"job": need.job, "artifacts": need.artifacts, "optional": need.optional}
            for need in job.needs
        ]
    if "rules" in job.job.raw:
        entry["rules"] = job.job.raw["rules"]
    return entry


def _when(job: PipelineJob) -> str:
    return "never" if job.decision.verdict is Verdict.OUT else job.when.value


def _allow_failure(job: PipelineJob) -> str:
    codes = job.allow_failure.exit_codes
    if codes:
        return f"[{','.join(map(str, codes))}]"
    return "true" if job.allow_failure.allowed else "false"


def _needs(job: PipelineJob) -> str | None:
    """`[a,b]`, `[]` for none, None where stages decide."""
    return None if job.needs is None else f"[{','.join(need.job for need in job.needs)}]"
