"""What commands about earlier runs share: the state of a repository, and how a run ended."""

import argparse

from homeport.cli.options import add_file_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.errors import ExitCode
    from homeport.pipeline.execute.history import Past
    from homeport.pipeline.execute.state import State


def add_directory_option(parser: argparse.ArgumentParser) -> None:
    add_file_option(
        parser,
        ("-C", "--directory"),
        metavar="DIR",
        default=".",
        text="the repository, or a folder in it (default: the current folder)",
    )


def state_for(args: argparse.Namespace) -> "State":
    """The state of the repository that the arguments name; the CI file need not be whole."""
    import os

    from homeport.cli.source import find_repository
    from homeport.pipeline.execute.state import State
    from homeport.settings.load import load_settings

    root = find_repository(args.directory)
    settings = load_settings(root, os.environ)
    return State.open(root, os.environ, kept_runs=settings.keep_runs, kept_bytes=settings.keep_size)


def status_of(
    past: "Past", *, fail_on_blocked: bool = False, fail_on_child: bool = False
) -> "ExitCode":
    """The status that `homeport run` ended with; 1 for one that has not come to its end."""
    from homeport.errors import ExitCode
    from homeport.pipeline.model.event import Status

    finished = past.finished
    if finished is None or finished.failed or (fail_on_child and finished.failed_children):
        return ExitCode.FAILED
    match finished.status:
        case Status.SUCCESS | Status.SKIPPED:
            return ExitCode.OK
        case Status.MANUAL | Status.RUNNING:  # the latter: in a child pipeline
            return ExitCode.FAILED if fail_on_blocked else ExitCode.OK
        case Status.CANCELED if any(
            job.reason in ("interrupted", "terminated")
            for job in past.ends()
            if job.status is Status.CANCELED
        ):
            return ExitCode.INTERRUPTED
        case _:
            return ExitCode.FAILED
