"""`homeport enroll …`: container engines use the mirror. Each command has a module of its own."""

import argparse
from importlib import import_module

from homeport.cli.options import Commands, add_file_option, add_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from homeport.enroll.errors import EnrollError
    from homeport.enroll.host import Host
    from homeport.enroll.model import Finding, Request
    from homeport.errors import HomeportError, Problem

ENROLL_COMMANDS = (
    "detect",
    "plan",
    "apply",
    "verify",
    "status",
    "watch",
    "undo",
    "render",
    "fleet",
)
"""`NAME` is the module `homeport.cli.enroll_NAME`, with an `add_command(commands)`."""

GROUP = "enroll"
EXAMPLES = """\
  homeport enroll plan --mirror https://mirror:5443     what would be changed here
  homeport enroll apply --mirror https://mirror:5443    change it, or nothing
  homeport enroll verify                                prove that engines use the mirror
  homeport enroll undo                                  put everything back
"""


def add_command(commands: Commands) -> None:
    inner = add_group(
        commands,
        GROUP,
        summary="Point the container engines of a machine at a mirror, provably, and back.",
        examples=EXAMPLES,
    )
    for name in ENROLL_COMMANDS:
        import_module(f"homeport.cli.enroll_{name}").add_command(inner)


def add_engine_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        metavar="KIND",
        action="append",
        default=[],
        help="only engines of this kind (docker, podman, …), or one by its id; may be repeated",
    )


def add_request_options(parser: argparse.ArgumentParser) -> None:
    """Which mirror, for what, and how."""
    parser.add_argument(
        "--mirror",
        metavar="URL",
        help="the mirror: http(s)://HOST[:PORT] (default: that of the last enrolment)",
    )
    parser.add_argument(
        "--docker-mirror",
        metavar="URL",
        help="its door for Docker, if that is another (default: the mirror says so, or URL)",
    )
    add_file_option(
        parser, "--ca", metavar="FILE", text="the CA of its certificate, PEM; engines get it, too"
    )
    parser.add_argument(
        "--mode",
        choices=("prefer", "only"),
        help="the mirror first, then the registry; or the mirror alone, where an engine can be "
        "told so (default: prefer)",
    )
    parser.add_argument(
        "--registries",
        metavar="NAME,…",
        help="registries that are pulled through it (default: docker.io)",
    )
    parser.add_argument(
        "--mirror-kind",
        choices=("auto", "homeport", "harbor", "nexus", "distribution"),
        help="what the mirror is (default: auto)",
    )
    parser.add_argument(
        "--path",
        metavar="REGISTRY=PATH",
        action="append",
        default=[],
        help="where another mirror than homeport has a registry: docker.io=dockerhub-proxy; "
        "may be repeated",
    )
    parser.add_argument(
        "--canary", metavar="REF", help="an image that only this mirror holds, to prove its use"
    )
    add_engine_option(parser)


def add_restart_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-restart",
        action="store_true",
        help="restart engines that need it, with the containers that this stops",
    )


def this_host() -> "Host":
    from homeport.enroll.host import Host

    return Host()


def request_of(args: argparse.Namespace, host: "Host") -> "Request":
    """What the options ask for, over the last enrolment here. Raises UsageError."""
    from homeport.enroll.enrolment import remembered
    from homeport.enroll.model import Mirror, MirrorKind, Mode, Request
    from homeport.errors import UsageError

    last = remembered(host)
    if args.mirror is None and last is None:
        raise UsageError.of("which mirror?", code="mirror", hint="give --mirror URL")
    if args.mirror is not None or last is None:
        mirror = Mirror(url=args.mirror or "", hub_url=args.docker_mirror or "")
        last = Request(mirror=mirror)
    mirror = Mirror(
        url=last.mirror.url,
        hub_url=args.docker_mirror or last.mirror.hub_url,
        kind=MirrorKind(args.mirror_kind) if args.mirror_kind else last.mirror.kind,
        canary=args.canary or last.mirror.canary,
        ca=_read_ca(args.ca) if args.ca else last.mirror.ca,
        paths=dict(map(_path, args.path)) or last.mirror.paths,
    )
    named = tuple(filter(None, (args.registries or "").lower().replace(" ", "").split(",")))
    return Request(
        mirror=mirror,
        mode=Mode(args.mode) if args.mode else last.mode,
        registries=named or last.registries,
        engines=tuple(args.engine),
        allow_restart=getattr(args, "allow_restart", False),
    )


def _path(text: str) -> tuple[str, str]:
    from homeport.errors import UsageError

    registry, equals, path = text.partition("=")
    if not equals or not registry or not path.strip("/"):
        raise UsageError.of(
            f"--path {text} names no registry and path", code="path", hint="--path docker.io=hub"
        )
    return registry.lower(), path.strip("/")


def _read_ca(name: str) -> str:
    from pathlib import Path

    from homeport.errors import UsageError

    try:
        text = Path(name).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not PEM"
        raise UsageError.of(f"cannot read the CA {name}: {reason}", code="ca") from None
    if "-----BEGIN CERTIFICATE-----" not in text or "PRIVATE KEY" in text:
        raise UsageError.of(
            f"{name} is not a CA's certificate in PEM",
            code="ca",
            hint="a file of certificates alone; never give engines a private key",
        )
    return text


class Mapped:
    """`with Mapped():` turns `EnrollError` into homeport's errors."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from homeport.enroll.errors import EnrollError

        if isinstance(error, EnrollError):
            raise mapped(error) from None


def mapped(error: "EnrollError") -> "HomeportError":
    from homeport.enroll.__main__ import status_of
    from homeport.enroll.plan import fault
    from homeport.errors import MissingError, UsageError

    kind = MissingError if status_of(error) == 3 else UsageError
    return kind([problem_of(fault(error))])


def problem_of(finding: "Finding") -> "Problem":
    from homeport.errors import Problem, Severity, Span

    span = None
    path, _, column = finding.place.rpartition(":")
    path, _, line = path.rpartition(":")
    if path and line.isdigit() and column.isdigit():
        span = Span(path, int(line), int(column))
    message = finding.message
    if finding.place and span is None:
        message = f"{finding.place}: {message}"
    severity = {entry.value: entry for entry in Severity}.get(finding.severity, Severity.NOTE)
    return Problem(
        message=message, code=finding.code, severity=severity, span=span, hint=finding.hint or None
    )


def print_findings(findings: "Iterable[Finding]") -> None:
    from homeport.cli.output import print_problems

    print_problems([problem_of(finding) for finding in findings])
