"""`homeport mirror ca init|issue|renew`: an own certificate authority, for networks without one."""

import argparse
from collections.abc import Callable
from pathlib import Path

from homeport.cli.mirror import GROUP, require
from homeport.cli.options import Commands, add_file_option, add_group, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import TypeVar

    from homeport.mirror.http import ca

    T = TypeVar("T")

EXAMPLES = """\
  homeport mirror ca init /etc/homeport/ca --name "Corp registry CA"
  homeport mirror ca issue registry.internal 10.0.0.5 --ca /etc/homeport/ca \\
    --certificate tls/mirror.crt --key tls/mirror.key
  homeport mirror ca renew --ca /etc/homeport/ca \\
    --certificate tls/mirror.crt --key tls/mirror.key
"""
MAX_DAYS = 36_500


def add_command(commands: Commands) -> None:
    group = f"{GROUP} ca"
    inner = add_group(
        commands,
        "ca",
        summary="Make certificates for the mirror and its clients.",
        examples=EXAMPLES,
        group=GROUP,
    )
    making = add_parser(
        inner,
        "init",
        init,
        summary="Make a certificate authority.",
        examples=EXAMPLES,
        arguments="DIR [OPTION...]",
        group=group,
    )
    making.add_argument("folder", metavar="DIR", help="gets ca.pem, for clients, and ca.key")
    making.add_argument("--name", default="homeport mirror CA", help="its name")
    issuing = add_parser(
        inner,
        "issue",
        issue,
        summary="Issue a certificate and its key.",
        examples=EXAMPLES,
        arguments="HOST... [OPTION...]",
        group=group,
    )
    issuing.add_argument(
        "hosts", metavar="HOST", nargs="+", help="DNS names and addresses; a client's own name"
    )
    issuing.add_argument("--client", action="store_true", help="for a client, not a server")
    renewing = add_parser(
        inner,
        "renew",
        renew,
        summary="Issue a certificate anew, with the same key and names.",
        examples=EXAMPLES,
        group=group,
    )
    for parser in (issuing, renewing):
        for name, text in (
            ("ca", "the folder of the authority"),
            ("certificate", "where the certificate goes"),
            ("key", "where the key goes, or is"),
        ):
            add_file_option(
                parser, f"--{name}", metavar="DIR" if name == "ca" else "FILE", text=text
            )
    for parser in (making, issuing, renewing):
        parser.add_argument("--days", metavar="N", type=int, help="how long it is valid")


def init(args: argparse.Namespace) -> int:
    require("cryptography")
    from homeport.mirror.http import ca

    days = _days(args, ca.CA_DAYS)
    pair = _done(lambda: ca.init(Path(args.folder), name=args.name, now=_now(), days=days))
    print(f"{pair.certificate} is for every client's trust; {pair.key} is the secret")
    return 0


def issue(args: argparse.Namespace) -> int:
    require("cryptography")
    from homeport.mirror.http import ca

    folder, pair = _paths(args)
    days = _days(args, ca.SERVER_DAYS)
    _done(
        lambda: ca.issue(folder, pair, hosts=args.hosts, now=_now(), days=days, client=args.client)
    )
    return _said(pair.certificate)


def renew(args: argparse.Namespace) -> int:
    require("cryptography")
    from homeport.mirror.http import ca

    folder, pair = _paths(args)
    days = _days(args, ca.SERVER_DAYS)
    _done(lambda: ca.renew(folder, pair, now=_now(), days=days))
    print("a running mirror takes it up by SIGHUP")
    return _said(pair.certificate)


def _said(certificate: Path) -> int:
    from homeport.mirror.http import ca

    print(f"{certificate} is valid until {ca.ends(certificate):%Y-%m-%d}")
    return 0


def _paths(args: argparse.Namespace) -> "tuple[Path, ca.Pair]":
    from homeport.errors import UsageError
    from homeport.mirror.http.ca import Pair

    missing = [name for name in ("ca", "certificate", "key") if getattr(args, name) is None]
    if missing:
        raise UsageError.of(f"--{missing[0]} is missing", code="mirror-ca")
    return Path(args.ca), Pair(Path(args.certificate), Path(args.key))


def _days(args: argparse.Namespace, default: int) -> int:
    from homeport.errors import UsageError

    days: int = default if args.days is None else args.days
    if not 1 <= days <= MAX_DAYS:
        raise UsageError.of(f"--days {days}: expected 1 to {MAX_DAYS}", code="mirror-ca")
    return days


def _now() -> "datetime":
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _done(work: "Callable[[], T]") -> "T":
    """Raises UsageError for what cannot be."""
    from homeport.errors import MissingError, UsageError

    try:
        return work()
    except FileExistsError as error:
        raise UsageError.of(
            f"{error.filename} is there already, and is not overwritten", code="mirror-ca"
        ) from None
    except OSError as error:
        raise MissingError.of(f"{error.filename}: {error.strerror}", code="mirror-ca") from None
    except (ValueError, TypeError) as error:
        raise UsageError.of(str(error), code="mirror-ca") from None
