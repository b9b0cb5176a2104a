"""`homeport list`: the jobs of the pipeline, in order, and on request those left out and why."""

import argparse
import sys

from homeport.cli.options import Commands, add_json_option, add_parser, add_source_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.pipeline.flow import Evaluation
    from homeport.pipeline.model.config import MissingInclude
    from homeport.pipeline.model.pipeline import Pipeline, PipelineJob
    from homeport.pipeline.plan.registry_prefix import RegistryPrefixes

EXAMPLES = """\
  homeport list                     the jobs that a push of the current branch would create
  homeport list --all               also the jobs left out, with the reason
  homeport list --children          also the jobs of child pipelines
  homeport list --branch main       as if main had been pushed
  homeport list --as merge-request  as its merge request would have them
  homeport list --json | jq -r '.jobs[].name'
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "list",
        main,
        summary="List the jobs of the pipeline, in the order of their stages.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "-a", "--all", action="store_true", help="also the jobs left out, and the reason"
    )
    parser.add_argument(
        "--children",
        action="store_true",
        help="also the jobs of child pipelines, as far as they are known before a run",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--names", action="store_true", help="print job names alone, one a line")
    add_json_option(form, "the jobs")
    add_source_options(parser)


def main(args: argparse.Namespace) -> int:
    from homeport.cli.output import print_json
    from homeport.cli.source import evaluate_for, finish

    evaluation = evaluate_for(args)
    pipeline = evaluation.pipeline
    jobs = [*pipeline.jobs, *(pipeline.excluded if args.all else ())]
    order = {stage: index for index, stage in enumerate(evaluation.config.stages)}
    jobs.sort(key=lambda job: order.get(job.stage, len(order)))
    if args.children:
        jobs = _with_children(evaluation, jobs)
    if args.names:
        sys.stdout.write("".join(f"{job.name}\n" for job in jobs if job.name.isprintable()))
    elif args.json:
        from homeport.pipeline.plan.registry_prefix import prefixes_of

        print_json(_as_json(pipeline, jobs, prefixes_of(evaluation.request.settings)))
    elif jobs:
        _print(jobs, reasons=args.all)
    return finish(evaluation, args)


def _with_children(evaluation: "Evaluation", jobs: "list[PipelineJob]") -> "list[PipelineJob]":
    """Each trigger job with those of its pipeline after it."""
    from homeport.cli.output import print_problems
    from homeport.pipeline.foreseen import foresee

    foreseen = foresee(evaluation)
    print_problems(foreseen.problems)
    found = []
    todo = jobs[::-1]
    while todo:
        job = todo.pop()
        found.append(job)
        todo += foreseen.jobs.get(job.name, ())[::-1]
    return found


def _print(jobs: "list[PipelineJob]", *, reasons: bool) -> None:
    from homeport.cli.output import print_table

    head = ["STAGE", "JOB", "WHEN", "NEEDS"]
    rows = [[job.stage, job.name, _when(job), _needs(job)] for job in jobs]
    # What is unresolved is so for a reason that has to be known, asked for or not.
    told = [reasons or job.decision.verdict.value == "unresolved" for job in jobs]
    if any(told):
        head.append("WHY")
        for row, job, tell in zip(rows, jobs, told, strict=True):
            row.append(job.decision.reason if tell else "")
    print_table(head, rows)


def _when(job: "PipelineJob") -> str:
    if job.decision.verdict.value != "in":
        return job.decision.verdict.value
    words = [job.when.value]
    if job.allow_failure.allowed or job.allow_failure.exit_codes:
        words.append("(may fail)")
    return " ".join(words)


def _needs(job: "PipelineJob") -> str:
    if job.needs is None:
        return ""
    return ", ".join(need.job for need in job.needs) or "[]"


def _as_json(
    pipeline: "Pipeline", jobs: "list[PipelineJob]", prefixes: "RegistryPrefixes"
) -> dict[str, object]:
    return {
        "workflow": {
            "verdict": pipeline.workflow.verdict.value,
            "reason": pipeline.workflow.reason,
        },
        "name": pipeline.name,
        "stages": list(pipeline.stages),
        "jobs": [_job_json(job, prefixes) for job in jobs],
        "missing_includes": [_missing_json(missing) for missing in pipeline.missing],
    }


def _job_json(job: "PipelineJob", prefixes: "RegistryPrefixes") -> dict[str, object]:
    image = job.job.image.name if job.job.image else None
    return {
        "name": job.name,
        "group": job.group,
        "stage": job.stage,
        "verdict": job.decision.verdict.value,
        "reason": job.decision.reason,
        "when": job.when.value,
        "allow_failure": job.allow_failure.allowed,
        "allow_failure_exit_codes": list(job.allow_failure.exit_codes),
        "needs": None if job.needs is None else [need.job for need in job.needs],
        "dependencies": list(job.dependencies),
        "image": image,
        "pulled_as": None if image is None else prefixes.pulled_as(image),
        "services_pulled_as": [prefixes.pulled_as(entry.name) for entry in job.job.services],
        "tags": list(job.job.tags),
        "unresolved": list(job.unresolved),
        "span": str(job.job.span) if job.job.span else None,
    }


def _missing_json(missing: "MissingInclude") -> dict[str, object]:
    return {
        "kind": missing.kind,
        "location": missing.location,
        "project": missing.project,
        "ref": missing.ref,
        "span": str(missing.span) if missing.span else None,
        "reason": missing.reason,
    }
