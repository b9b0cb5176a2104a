"""`homeport mirror audit query|verify|export|key`: who pulled and pushed what, and is it true?"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from homeport.cli.mirror import GROUP, add_config_options, config_loader, require
from homeport.cli.options import Commands, add_file_option, add_group, add_json_option, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.mirror.audit.query import Filter
    from homeport.mirror.model.config import MirrorConfig
    from homeport.mirror.model.record import Record

EXAMPLES = """\
  homeport mirror audit query --digest sha256:…      who pulled this image?
  homeport mirror audit query --denied --since 1d    what was refused since yesterday
  homeport mirror audit query --principal ann        what one user did
  homeport mirror audit verify --heads /var/log/homeport-audit.jsonl
  homeport mirror audit export --since 2026-11-01 > audit.jsonl
  homeport mirror audit key /etc/homeport/audit.pem  a key to sign with
"""
_TEXTS = ("principal", "address", "upstream", "repository", "reference", "digest", "action")
_CACHES = ("hit", "miss", "joined", "stale", "through", "negative")


def add_command(commands: Commands) -> None:
    inner = add_group(
        commands,
        "audit",
        summary="Ask the audit of pulls and pushes, and verify it.",
        examples=EXAMPLES,
        group=GROUP,
    )
    group = f"{GROUP} audit"
    asking = add_parser(
        inner, "query", query, summary="Show matching records.", examples=EXAMPLES, group=group
    )
    _add_filter(asking)
    asking.add_argument(
        "-n", "--limit", metavar="N", type=int, default=100, help="at most N, newest (default: 100)"
    )
    add_json_option(asking, "one record a line")
    exporting = add_parser(
        inner,
        "export",
        export,
        summary="Print every matching record as a line of JSON, oldest first.",
        examples=EXAMPLES,
        group=group,
    )
    _add_filter(exporting)
    verifying = add_parser(
        inner,
        "verify",
        verify,
        summary="Check the hash chains; status 1 if anything was changed.",
        examples=EXAMPLES,
        group=group,
    )
    add_file_option(
        verifying, "--key", metavar="FILE", text="the public key (default: the configured key's)"
    )
    add_file_option(
        verifying,
        "--heads",
        metavar="FILE",
        text="a sink's lines: heads kept elsewhere show a tail that was cut",
    )
    add_json_option(verifying, "the verdict")
    for parser in (asking, exporting, verifying):
        add_config_options(parser)
    making = add_parser(
        inner,
        "key",
        key,
        summary="Make a key that signs the audit's heads.",
        examples=EXAMPLES,
        arguments="FILE [OPTION...]",
        group=group,
    )
    making.add_argument("file", metavar="FILE", help="where the private key goes")


def query(args: argparse.Namespace) -> int:
    from homeport.cli.output import printable

    config = _config(args)
    from homeport.mirror.audit.query import query as ask

    records = ask(_folder(config), _filter(args), limit=max(0, args.limit))
    if args.json:
        return _print_json(records)
    for record in records:
        print(printable(_line(record)))
    return 0


def export(args: argparse.Namespace) -> int:
    config = _config(args)
    from homeport.mirror.audit.query import query as ask

    return _print_json(ask(_folder(config), _filter(args), newest_first=False))


def verify(args: argparse.Namespace) -> int:
    config = _config(args)
    import msgspec

    from homeport.errors import ExitCode, UsageError
    from homeport.mirror.audit.signing import load_verifier
    from homeport.mirror.audit.verify import read_heads
    from homeport.mirror.audit.verify import verify as check

    key_file = args.key or config.audit.key
    try:
        heads = [] if args.heads is None else list(read_heads(Path(args.heads)))
    except OSError as error:
        raise UsageError.of(f"cannot read {args.heads}: {error.strerror}") from None
    verdict = check(
        _folder(config),
        verifier=None if key_file is None else load_verifier(Path(key_file)),
        heads=heads,
    )
    if args.json:
        print(msgspec.json.encode(verdict).decode())
    else:
        for fault in verdict.faults:
            at = "" if fault.number is None else f" record {fault.number}:"
            print(f"{fault.segment}:{at} {fault.message}")
        signed = "no key given" if key_file is None else f"{verdict.signed} signed"
        print(
            f"{verdict.records} records in {verdict.segments} segments ({signed}, "
            f"{len(heads)} kept heads): {'CHANGED' if verdict.faults else 'as written'}"
        )
    return int(ExitCode.FAILED if verdict.faults else ExitCode.OK)


def key(args: argparse.Namespace) -> int:
    require("cryptography")
    from homeport.errors import UsageError
    from homeport.mirror.audit.signing import create_key

    try:
        create_key(Path(args.file).absolute())
    except OSError as error:
        raise UsageError.of(f"cannot write {args.file}: {error.strerror}") from None
    print(f"{args.file} signs, {args.file}.pub verifies; keep a copy of that one elsewhere")
    return 0


def _add_filter(parser: argparse.ArgumentParser) -> None:
    for name in ("since", "until"):
        parser.add_argument(
            f"--{name}", metavar="TIME", help="2026-11-24, 2026-11-24T13:00 (UTC), or 2h, 30m, 7d"
        )
    for name in _TEXTS:
        parser.add_argument(f"--{name}", metavar="GLOB", help=f"the {name}")
    parser.add_argument("--cache", choices=_CACHES, help="how a pull was answered")
    parser.add_argument("--status", metavar="N", type=int, help="the HTTP status")
    parser.add_argument("--denied", action="store_true", help="only what was denied")


def _filter(args: argparse.Namespace) -> "Filter":
    from homeport.errors import UsageError
    from homeport.lib.glob import glob_fault
    from homeport.mirror.audit.query import Filter

    for name in _TEXTS:
        pattern = getattr(args, name)
        if pattern and (fault := glob_fault(pattern)) is not None:
            raise UsageError.of(f"--{name}: {fault}")
    texts = {name: getattr(args, name) for name in (*_TEXTS, "cache", "status", "denied")}
    return Filter(since=_moment(args.since), until=_moment(args.until), **texts)


def _moment(text: str | None) -> float | None:
    """Seconds since 1970 of a moment, or of so long ago."""
    import time
    from datetime import UTC, datetime

    from homeport.errors import UsageError

    if text is None:
        return None
    amount, unit = text[:-1], text[-1:]
    if amount.isascii() and amount.isdigit() and unit in "smhdw":
        seconds = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[unit]
        return time.time() - int(amount) * seconds
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError.of(f"{text} is no time", hint="2026-11-24T13:00, 2h, 7d") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _config(args: argparse.Namespace) -> "MirrorConfig":
    require("cryptography")
    return config_loader(args, files=False)()


def _folder(config: "MirrorConfig") -> Path:
    from homeport.errors import MissingError

    folder = Path(config.data, "audit")
    if not folder.is_dir():
        raise MissingError.of(f"there is no audit in {folder}")
    return folder


def _print_json(records: "Iterable[Record]") -> int:
    import msgspec

    encoder = msgspec.json.Encoder()
    for record in records:
        sys.stdout.buffer.write(encoder.encode(record) + b"\n")
    return 0


def _line(record: "Record") -> str:
    import time

    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record.time))
    who = record.principal or "anonymous"
    what = f"{record.upstream}/{record.repository}" if record.upstream else record.asked
    separator = "@" if ":" in record.reference else ":"
    reference = f"{separator}{record.reference[:19]}" if record.reference else ""
    verdict = record.cache or ("" if record.allowed else f"DENIED by {record.rule}")
    return " ".join(
        filter(
            None,
            (
                moment,
                record.action,
                str(record.status or ""),
                f"{what}{reference}",
                verdict,
                f"{record.sent} B" if record.sent else "",
                f"{who}@{record.address}",
                record.reason,
            ),
        )
    )
