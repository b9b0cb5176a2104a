"""Arguments that choose what is simulated: the pipeline's source, its ref, its merge request."""

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.pipeline.facts.wanted import Wanted

KINDS = ("branch", "tag", "merge-request", "schedule", "web", "api", "trigger", "pipeline")


def add_simulation_options(parser: argparse.ArgumentParser) -> None:
    """`--as` and all that goes with it."""
    group = parser.add_argument_group("what is simulated")
    group.add_argument(
        "--as",
        dest="kind",
        choices=KINDS,
        help="what sets the pipeline off (default: a push of what is checked out)",
    )
    group.add_argument("--branch", metavar="NAME", help="the branch (default: as checked out)")
    group.add_argument("--tag", metavar="NAME", help="the tag (default: the one at the commit)")
    group.add_argument(
        "--committed",
        action="store_true",
        help="what a push would see: the commit's files, without changes in the working tree",
    )
    group.add_argument(
        "--ref", metavar="REF", help="the files of this branch, tag or commit instead"
    )
    group.add_argument(
        "--changes-since",
        metavar="REF",
        help="the commit that a push starts from, for rules:changes "
        "(default: the remote-tracking branch)",
    )
    group.add_argument(
        "--target-branch",
        metavar="NAME",
        help="where the merge request goes (default: the default branch)",
    )
    group.add_argument(
        "--merge-request-iid",
        metavar="N",
        type=_number,
        help="its number (default: 1); with a branch: the branch has this merge request open",
    )
    group.add_argument(
        "--merge-request-title", metavar="TEXT", help="its title (default: the commit's)"
    )
    group.add_argument(
        "--merge-request-description", metavar="TEXT", help="its description (likewise)"
    )
    for word in ("labels", "assignees"):
        group.add_argument(
            f"--merge-request-{word}",
            metavar="A,B",
            type=_names,
            default=(),
            help=f"its {word} (default: none)",
        )
    group.add_argument("--merge-request-milestone", metavar="TEXT", help="its milestone")
    group.add_argument("--merge-request-draft", action="store_true", help="it is a draft")
    group.add_argument("--schedule-description", metavar="TEXT", help="the schedule's description")


def wanted_of(args: argparse.Namespace) -> "Wanted":
    """The flags as a value."""
    from homeport.pipeline.facts.wanted import Wanted

    return Wanted(
        kind=args.kind,
        branch=args.branch,
        tag=args.tag,
        ref=args.ref,
        committed=args.committed,
        changes_since=args.changes_since,
        target_branch=args.target_branch,
        iid=args.merge_request_iid,
        title=args.merge_request_title,
        description=args.merge_request_description,
        labels=args.merge_request_labels,
        assignees=args.merge_request_assignees,
        milestone=args.merge_request_milestone,
        draft=args.merge_request_draft,
        schedule_description=args.schedule_description,
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
