"""`homeport update`: read all includes from elsewhere anew, and lock what they are."""

import argparse
from pathlib import Path

from homeport.cli.options import Commands, add_parser, add_source_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeport.pipeline.flow import Evaluation
    from homeport.pipeline.include.api import Key, Locked

EXAMPLES = """\
  homeport update                   write homeport.lock: what each include from elsewhere is now
  homeport update --check           only say what has changed; status 1 if anything has
  homeport update --branch main     also lock what a push of main includes
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "update",
        main,
        summary="Read all includes from elsewhere anew, and write what they are to homeport.lock.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; status 1 if the lock file is outdated"
    )
    parser.add_argument(
        "--prune", action="store_true", help="drop what this pipeline does not include"
    )
    add_source_options(parser)


def main(args: argparse.Namespace) -> int:
    from homeport.cli.source import evaluate_for, finish
    from homeport.errors import ExitCode, UsageError
    from homeport.pipeline.include.lock import LOCK_FILE, describe_changes

    if args.offline:
        raise UsageError.of(
            "update asks servers, and --offline forbids that", code="update-offline"
        )
    evaluation = evaluate_for(args, refresh=True)
    if evaluation.pipeline.missing:
        return int(finish(evaluation, args))
    old = read_lock_of(evaluation.request.root)
    new = merge_lock(old, evaluation.used, prune=args.prune)
    changes = describe_changes(old, new)
    for line in changes:
        print(line)
    if not changes:
        print(f"{LOCK_FILE} is up to date" if old else "nothing is included from elsewhere")
    elif args.check:
        return int(ExitCode.FAILED)
    else:
        save_lock(evaluation.request.root, new)
    return int(finish(evaluation, args))


def lock_used(evaluation: "Evaluation") -> None:
    """`--lock`: add to the lock file what was included and is not in it."""
    root = evaluation.request.root
    old = read_lock_of(root)
    new = merge_lock(old, evaluation.used, prune=False)
    if new != old:
        save_lock(root, new)


def merge_lock(
    old: "Mapping[Key, Locked]", used: "Mapping[Key, Locked]", *, prune: bool
) -> "dict[Key, Locked]":
    """What was used, and what an other pipeline of the repository may use: the entries of other
    projects and refs."""
    if prune:
        return dict(used)
    refs = {key[:3] for key in used}
    return {**{key: entry for key, entry in old.items() if key[:3] not in refs}, **used}


def read_lock_of(root: Path) -> "dict[Key, Locked]":
    from homeport.pipeline.include.local import WorktreeSource
    from homeport.pipeline.include.lock import LOCK_FILE, read_lock

    content = WorktreeSource(root).read(LOCK_FILE)
    return {} if content is None else read_lock(content)


def save_lock(root: Path, entries: "Mapping[Key, Locked]") -> None:
    from homeport.errors import MissingError
    from homeport.lib.atomic import write_atomic
    from homeport.pipeline.include.lock import LOCK_FILE, write_lock

    try:
        write_atomic(root / LOCK_FILE, write_lock(entries.values()), mode=0o644)
    except OSError as error:
        raise MissingError.of(
            f"{LOCK_FILE} cannot be written: {error.strerror}", code="lock-write"
        ) from None
