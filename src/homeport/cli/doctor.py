"""`homeport doctor`: the known failures, each looked for; what is wrong, where, and what to do."""

import argparse

from homeport.cli.enroll import Mapped, add_engine_option, problem_of, request_of, this_host
from homeport.cli.options import Commands, add_file_option, add_json_option, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.enroll.doctor.model import Report
    from homeport.enroll.host import Host
    from homeport.enroll.model import Request
    from homeport.errors import Problem
    from homeport.pipeline.flow import Evaluation

EXAMPLES = """\
  homeport doctor                                 engines, the mirror, this pipeline's images
  homeport doctor --mirror https://mirror:5443    with this mirror
  homeport doctor --json | jq '.findings[].code'
"""


def add_command(commands: Commands) -> None:
    from homeport.cli.options import add_source_options

    parser = add_parser(
        commands,
        "doctor",
        main,
        summary="Find out why images do not come through the mirror, and say what to do.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--mirror", metavar="URL", help="the mirror (default: that of the last enrolment)"
    )
    parser.add_argument(
        "--docker-mirror", metavar="URL", help="its door for Docker, if that is another"
    )
    add_file_option(parser, "--ca", metavar="FILE", text="the CA of its certificate, PEM")
    add_engine_option(parser)
    parser.add_argument(
        "--no-pipeline", action="store_true", help="leave the pipeline of this folder out"
    )
    add_json_option(parser, "what was found")
    add_source_options(parser)


def main(args: argparse.Namespace) -> int:
    """Status 1: something is wrong; 3: there was nothing to look at."""
    from homeport.cli.doctor_images import images_of, own_engines
    from homeport.cli.output import print_json, print_problems
    from homeport.enroll.doctor.checks import examine
    from homeport.enroll.plain import to_plain

    host = this_host()
    evaluation, problems = (None, ()) if args.no_pipeline else _evaluation(args)
    images = () if evaluation is None else images_of(evaluation)
    with Mapped():
        report = examine(host, _request(args, host), images, engines=args.engine)
    if evaluation is not None:
        report = report.joined(own_engines(evaluation, report.hub_url))
    print_problems(problems)
    if args.json:
        print_json(
            {
                "ok": not report.wrong,
                "mirror": report.mirror,
                "engines": [engine.id for engine in report.engines],
                "images": to_plain(images),
                "findings": [
                    {"subject": one.subject, **to_plain(one.finding)} for one in report.diagnoses
                ],
            }
        )
    else:
        print_problems(_problems(report))
        _summarise(report, len(images))
    if not report.looked and not images:
        return 3
    return 1 if report.wrong else 0


def _request(args: argparse.Namespace, host: "Host") -> "Request | None":
    """The mirror that is named, else the last enrolment's; None where there is neither."""
    from homeport.enroll.doctor.checks import complete
    from homeport.enroll.enrolment import remembered

    last = remembered(host)
    if args.mirror is None and last is None:
        return None
    if last is not None and (args.mirror or "").rstrip("/") in (
        last.mirror.url,
        last.mirror.hub_url,
    ):
        args.mirror = None  # with the registries and the CA that it was enrolled with
    args.mode = args.mirror_kind = args.registries = args.canary = None
    args.path = []
    return complete(host, request_of(args, host))


def _evaluation(args: argparse.Namespace) -> "tuple[Evaluation | None, tuple[Problem, ...]]":
    """The pipeline here; what keeps it from being read is no fault of an engine."""
    from homeport.cli.source import evaluate_for, missing_problems
    from homeport.errors import HomeportError, Problem, Severity

    try:
        evaluation = evaluate_for(args)
    except HomeportError as error:
        known = ("no-repository", "no-file")
        if not args.file and error.problems and error.problems[0].code in known:
            return None, ()
        words = "the pipeline here is not looked at"
        problem = error.problems[0] if error.problems else Problem(message=str(error))
        return None, (
            Problem(
                code="pipeline",
                severity=Severity.NOTE,
                message=f"{words}: {problem.message}",
                span=problem.span,
                hint="homeport lint",
            ),
        )
    return evaluation, missing_problems(evaluation.pipeline, strict=args.strict)


def _problems(report: "Report") -> "list[Problem]":
    import msgspec

    return [
        msgspec.structs.replace(found, message=_about(one.subject, found.message))
        for one in report.diagnoses
        for found in (problem_of(one.finding),)
    ]


def _about(subject: str, message: str) -> str:
    return message if message.startswith(subject) else f"{subject}: {message}"


def _summarise(report: "Report", images: int) -> None:
    engines = f"{len(report.engines)} engine{'' if len(report.engines) == 1 else 's'}"
    mirror = f"the mirror {report.mirror}" if report.mirror else "no mirror is known"
    pictures = f", {images} image{'' if images == 1 else 's'} of the pipeline" if images else ""
    count = sum(one.wrong for one in report.diagnoses)
    found = "nothing is wrong" if not count else f"{count} wrong"
    print(f"{engines}, {mirror}{pictures}: {found}")
