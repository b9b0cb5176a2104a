"""`homeport enroll render`: what other tooling applies, instead of `enroll apply`."""

import argparse
import sys

from homeport.cli.enroll import GROUP, Mapped, add_request_options, request_of, this_host
from homeport.cli.options import Commands, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from homeport.enroll.model import Request
    from homeport.enroll.render.files import Made

EXAMPLES = """\
  homeport enroll render --target buildkitd --mirror https://mirror:5443
  homeport enroll render --target ansible --mirror https://mirror:5443 --output playbook
  homeport enroll render --target shell --mirror https://mirror:5443 --ca ca.pem > enroll.sh
"""
TARGETS = (
    "ansible",
    "cloud-init",
    "gitlab-runner",
    "dind",
    "buildkitd",
    "k3s",
    "kind",
    "colima",
    "kaniko",
    "systemd",
    "shell",
)


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "render",
        main,
        summary="Write what Ansible, cloud-init, GitLab Runner and others apply.",
        examples=EXAMPLES,
        group=GROUP,
    )
    parser.add_argument("--target", choices=TARGETS, required=True, help="what to write for")
    add_request_options(parser)
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="a folder to write to; needed for targets of several files (default: print)",
    )


def main(args: argparse.Namespace) -> int:
    """No mirror is asked, and nothing of this machine is looked at but its last enrolment."""
    from pathlib import Path

    with Mapped():
        from homeport.enroll.render.targets import render

        made = render(args.target, _request(args))
    if args.output is not None:
        _write(Path(args.output), made)
        return 0
    _print(args.target, made)
    return 0


def _request(args: argparse.Namespace) -> "Request":
    from homeport.enroll.model import Mirror, Request

    if args.target == "systemd" and args.mirror is None:
        return Request(Mirror("https://unused.invalid", ""))  # its units name no mirror
    return request_of(args, this_host())


def _print(target: str, made: "tuple[Made, ...]") -> None:
    """One text as it is; several with their names, if they are texts that can have comments."""
    from homeport.errors import UsageError

    texts = [one.content for one in made if isinstance(one.content, str)]
    if len(texts) != len(made) or (len(made) > 1 and target == "kind"):
        raise UsageError.of(
            f"{target} is several files", code="output", hint="give --output DIR for them"
        )
    for one, text in zip(made, texts, strict=True):
        if len(made) > 1:
            sys.stdout.write(f"# {one.name}: {one.note}\n")
        sys.stdout.write(text)
    if len(made) == 1 and made[0].note and sys.stdout.isatty():
        sys.stderr.write(f"{made[0].name}: {made[0].note}\n")


def _write(folder: "Path", made: "tuple[Made, ...]") -> None:
    """Raises UsageError where a file is there already that is another's."""
    from homeport.errors import UsageError

    for one in made:
        content = one.content.encode() if isinstance(one.content, str) else one.content
        place = folder / one.name
        try:
            if place.exists() and place.read_bytes() != content:
                raise UsageError.of(
                    f"{place} exists, and is something else",
                    code="output",
                    hint="name another folder, or remove it first",
                )
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(0o755 if one.executable else 0o644)
        except OSError as error:
            raise UsageError.of(f"cannot write {place}: {error.strerror}", code="output") from None
    for one in made:  # at last: a reader that has gone does not leave half of it
        print(f"{folder / one.name}{': ' if one.note else ''}{one.note}")
