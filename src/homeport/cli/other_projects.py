"""Options about other projects: where they are checked out, and what their jobs leave."""

import argparse
import os

from homeport.errors import UsageError


def add_project_options(group: "argparse._ActionsContainer") -> None:
    group.add_argument(
        "--project",
        dest="checkouts",
        metavar="GROUP/NAME=PATH",
        action="append",
        default=[],
        help="the checkout to run where a job triggers that project; may be repeated",
    )
    group.add_argument(
        "--needs-artifacts",
        metavar="GROUP/NAME:JOB[@REF]=PATH",
        action="append",
        default=[],
        help="a folder or zip archive with what needs:project of that job gets; may be repeated",
    )


def project_flags(args: argparse.Namespace) -> dict[str, object]:
    """The settings that these options are."""
    return {
        "projects": _parse_checkouts(args.checkouts),
        "needs_artifacts": _parse_artifacts(args.needs_artifacts),
    }


def _parse_checkouts(pairs: list[str]) -> dict[str, str]:
    """`--project GROUP/NAME=PATH`: each to the root of the repository that holds the path."""
    from homeport.cli.source import find_repository

    projects = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not (equals and name.strip("/") and path):
            raise UsageError.of(
                f"--project {pair}: not of the form GROUP/NAME=PATH", code="bad-project"
            )
        projects[name] = str(find_repository(path).resolve())
    return projects


def _parse_artifacts(pairs: list[str]) -> dict[str, str]:
    """`--needs-artifacts GROUP/NAME:JOB[@REF]=PATH`: each to a folder or an archive."""
    mapped = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        project, _, job = name.partition(":")
        if not (equals and project.strip("/") and job and path):
            raise UsageError.of(
                f"--needs-artifacts {pair}: not of the form GROUP/NAME:JOB[@REF]=PATH",
                code="bad-needs-artifacts",
            )
        mapped[name] = os.path.abspath(path)  # noqa: PTH100
    return mapped
