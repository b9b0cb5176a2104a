"""`homeport last`: what became of the last run, or of another that is kept."""

import argparse
import sys

from homeport.cli.options import Commands, add_json_option, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.pipeline.execute.history import Past

EXAMPLES = """\
  homeport last                 the summary of the last run, with its exit status
  homeport last --json | jq -r '.jobs[] | select(.status == "failed").log'
  homeport last --run 0y3k9f2a --html run.html
"""


def add_command(commands: Commands) -> None:
    from homeport.cli.past import add_directory_option
    from homeport.cli.report_files import add_report_options

    parser = add_parser(
        commands,
        "last",
        main,
        summary="Print the summary of the last run; the exit status is the run's.",
        examples=EXAMPLES,
    )
    parser.add_argument("--run", metavar="ID", help="of this run instead")
    parser.add_argument(
        "--fail-on-blocked", action="store_true", help="exit 1 when it waits for a manual job"
    )
    parser.add_argument(
        "--fail-on-child",
        action="store_true",
        help="exit 1 when a child pipeline failed whose trigger job did not wait for it",
    )
    add_json_option(parser, "the run")
    add_report_options(parser)
    add_directory_option(parser)


def main(args: argparse.Namespace) -> int:
    from homeport.cli.output import print_json
    from homeport.cli.past import state_for, status_of
    from homeport.cli.report_files import check_report_files, report_on
    from homeport.pipeline.execute.history import find_past

    past = find_past(state_for(args).folder, args.run)
    check_report_files(args)
    status = status_of(past, fail_on_blocked=args.fail_on_blocked, fail_on_child=args.fail_on_child)
    if args.json:
        print_json(_as_json(past, int(status)))
    else:
        _print(past)
    report_on(past, args, quiet=args.json)
    return status


def _print(past: "Past") -> None:
    from homeport.cli.output import wants_colour
    from homeport.pipeline.report.summary import Summary

    print(f"Run {past.id}, {_when(past.summary.at)}, {past.summary.ref} {past.summary.sha[:8]}")
    summary = Summary()
    for event in past.whole():
        summary.add(event)
    for line in summary.lines(colour=wants_colour(sys.stdout)):
        print(line)
    if past.live:
        print("homeport: the run is still going on", file=sys.stderr)
    elif past.finished is None:
        print("homeport: the run was killed before its end", file=sys.stderr)


def _when(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _as_json(past: "Past", status: int) -> dict[str, object]:
    from msgspec import to_builtins

    finished = past.finished
    end = to_builtins(finished) if finished is not None else {}
    attempts = {event.job: event for event in past.starts()}
    jobs = []
    for event in past.whole():
        values = to_builtins(event)
        if values.pop("event") != "job_finished":
            continue
        values["finished_at"] = values.pop("time")
        started = attempts.get(values["job"])
        results = past.results.get(values["job"], ())
        values["attempts"] = started.attempt if started else 0
        values["started_at"] = started.time if started else None
        values["runs"] = started.runs if started else None
        values["image"] = started.image if started else None
        values["phases"] = dict(results[-1].phases) if results else {}
        jobs.append(values)
    return {
        "run": past.id,
        "at": past.summary.at,
        "ref": past.summary.ref,
        "sha": past.summary.sha,
        "folder": str(past.folder),
        "live": past.live,
        "status": end.get("status"),
        "exit_status": status,
        "duration": end.get("time"),
        "warnings": end.get("warnings", False),
        "blocked": end.get("blocked", []),
        "failed": end.get("failed", []),
        "stages": end.get("stages", {}),
        "jobs": jobs,
    }
