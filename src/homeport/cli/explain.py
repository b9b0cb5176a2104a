"""`homeport explain JOB`: why a job is in or out, with which values, and what it waits for."""

import argparse

from homeport.cli.options import (
    Commands,
    add_job_argument,
    add_json_option,
    add_parser,
    add_source_options,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.pipeline.flow import Evaluation
    from homeport.pipeline.model.pipeline import Check, Decision, PipelineJob

EXAMPLES = """\
  homeport explain deploy                  on the branch that is checked out
  homeport explain deploy --branch main    as if main had been pushed
  homeport explain deploy --as schedule    in a scheduled pipeline
  homeport explain 'rspec: [linux, amd64]'
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "explain",
        main,
        summary="Say why a job is in the pipeline or out of it, and what it waits for.",
        examples=EXAMPLES,
        arguments="[OPTION...] JOB",
    )
    add_job_argument(parser, nargs=None, text="a job, or a parallel group")
    add_json_option(parser, "the explanation")
    add_source_options(parser)


def main(args: argparse.Namespace) -> int:
    from homeport.cli.output import print_json
    from homeport.cli.source import evaluate_for, finish
    from homeport.pipeline.model.pipeline import Verdict
    from homeport.pipeline.plan.selection import find_jobs

    evaluation = evaluate_for(args)
    pipeline = evaluation.pipeline
    filtered = pipeline.workflow.verdict is Verdict.OUT
    jobs = _without_pipeline(evaluation) if filtered else (*pipeline.jobs, *pipeline.excluded)
    found = find_jobs(args.job, jobs)
    if args.json:
        print_json(
            {
                "workflow": _decision_json(pipeline.workflow, evaluation),
                "jobs": [_job_json(job, evaluation) for job in found],
            }
        )
    else:
        for job in found:
            _print(job, evaluation)
    return finish(evaluation, args)


def _without_pipeline(evaluation: "Evaluation") -> "list[PipelineJob]":
    """The jobs of the file, each out for the reason that there is no pipeline."""
    from homeport.pipeline.model.pipeline import Decision, PipelineJob, Verdict

    return [
        PipelineJob(
            name=name,
            group=name,
            job=job,
            stage=job.stage,
            decision=Decision(
                verdict=Verdict.OUT,
                reason="the pipeline is filtered out by workflow:rules",
                span=evaluation.pipeline.workflow.span,
            ),
        )
        for name, job in evaluation.config.jobs.items()
    ]


def _job_json(job: "PipelineJob", evaluation: "Evaluation") -> dict[str, object]:
    return {
        "name": job.name,
        "stage": job.stage,
        "when": job.when.value,
        "start_in": job.start_in,
        "allow_failure": job.allow_failure.allowed,
        "allow_failure_exit_codes": list(job.allow_failure.exit_codes),
        "needs": None if job.needs is None else [need.job for need in job.needs],
        "waits_for": _waits(job, evaluation),
        "defined_at": str(job.job.span) if job.job.span else None,
    } | _decision_json(job.decision, evaluation)


def _decision_json(decision: "Decision", evaluation: "Evaluation") -> dict[str, object]:
    return {
        "verdict": decision.verdict.value,
        "reason": decision.reason,
        "rule": decision.rule,
        "span": str(decision.span) if decision.span else None,
        "checks": [
            {
                "clause": check.clause,
                "text": check.text,
                "result": check.result,
                "values": {
                    key: _shown(key, value, evaluation) for key, value in check.values.items()
                },
                "note": check.note,
                "span": str(check.span) if check.span else None,
            }
            for check in decision.checks
        ],
    }


def _print(job: "PipelineJob", evaluation: "Evaluation") -> None:
    from homeport.cli.output import printable

    decision = job.decision
    lines = [f"{job.name} (stage {job.stage}) is {decision.verdict.value}: {decision.reason}"]
    if job.job.span:
        lines.append(f"  defined at {job.job.span}")
    if decision.span:
        lines.append(f"  decided at {decision.span}")
    for check in decision.checks:
        lines.extend(_check_lines(check, evaluation))
    workflow = evaluation.pipeline.workflow
    if workflow.rule is not None or workflow.verdict.value != "in":
        place = f"  ({workflow.span})" if workflow.span else ""
        lines.append(f"  workflow: {workflow.reason}{place}")
        for check in workflow.checks:
            lines.extend(_check_lines(check, evaluation))
    if decision.verdict.value == "in":
        lines.append(f"  when: {job.when.value}{_delay_words(job)}{_failure_words(job)}")
        lines.append(f"  waits for: {_waits(job, evaluation)}")
    print("\n".join(printable(line) for line in lines))


def _check_lines(check: "Check", evaluation: "Evaluation") -> list[str]:
    word = {True: "true", False: "false", None: "unresolved"}[check.result]
    place = f"  ({check.span})" if check.span else ""
    lines = [f"  {word:<10} {check.clause}: {check.text}{place}"]
    lines += [
        f"             ${key} is {_quoted(_shown(key, value, evaluation))}"
        for key, value in check.values.items()
    ]
    if check.note:
        lines.append(f"             {check.note}")
    return lines


def _quoted(value: str | None) -> str:
    return "not set" if value is None else f'"{value}"'


def _shown(key: str, value: str | None, evaluation: "Evaluation") -> str | None:
    return value if value is None or key not in evaluation.trigger.masked else "[MASKED]"


def _delay_words(job: "PipelineJob") -> str:
    if job.start_in is None:
        return ""
    from homeport.lib.units import format_seconds

    return f", after {format_seconds(job.start_in)}"


def _failure_words(job: "PipelineJob") -> str:
    if job.allow_failure.exit_codes:
        codes = ", ".join(map(str, job.allow_failure.exit_codes))
        return f", may fail with exit code {codes}"
    return ", may fail" if job.allow_failure.allowed else ""


def _waits(job: "PipelineJob", evaluation: "Evaluation") -> str:
    if job.needs is not None:
        return ", ".join(need.job for need in job.needs) or "nothing (needs: [])"
    stages = evaluation.pipeline.stages
    earlier = stages[: stages.index(job.stage)] if job.stage in stages else ()
    if not earlier:
        return "nothing (it is in the first stage)"
    return f"every job of the earlier stages ({', '.join(earlier)})"
