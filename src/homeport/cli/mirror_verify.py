"""`homeport mirror verify`: read everything that is kept; is it still what it says?"""

import argparse

from homeport.cli.mirror import GROUP, add_config_options, config_loader, data_folder, require
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport mirror verify                            re-hash everything
  homeport mirror verify --repair                   and set aside what is wrong
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "verify",
        main,
        summary="Re-hash all that is kept; status 1 if anything is wrong and was not repaired.",
        examples=EXAMPLES,
        group=GROUP,
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="set wrong bytes aside, so that they are fetched (or must be pushed) again",
    )
    add_config_options(parser)
    add_json_option(parser, "the report")


def main(args: argparse.Namespace) -> int:
    from homeport.cli.control_socket import find, progress_line, watching
    from homeport.cli.output import print_json, printable
    from homeport.errors import ExitCode
    from homeport.lib.units import format_bytes

    control = find(data_folder(args))
    if control is not None:
        with progress_line("verifying blobs") as show:
            report = control.work("verify", {"repair": "1"} if args.repair else {}, show)
    else:
        require("cryptography")
        import msgspec

        from homeport.mirror.app.upkeep import verify_offline
        from homeport.mirror.control.jobs import Progress

        config = config_loader(args, files=False)()
        progress = Progress()
        with watching(lambda: msgspec.to_builtins(progress), "verifying blobs"):
            report = verify_offline(config, repair=args.repair, progress=progress)
    left = report["fault_count"] - report["repaired"]
    if args.json:
        print_json(report)
        return int(ExitCode.FAILED if left else ExitCode.OK)
    for fault in report["faults"]:
        done = ", set aside" if fault["repaired"] else ""
        print(printable(f"{fault['what']} {fault['digest']}: {fault['problem']}{done}"))
        for name in fault["to_be_pushed_again"]:
            print(printable(f"  must be pushed again: {name}"))
    if report["fault_count"] > len(report["faults"]):
        print(f"and {report['fault_count'] - len(report['faults'])} more")
    print(
        f"{report['blobs']} blobs ({format_bytes(report['size'])}) and {report['manifests']} "
        f"manifests: {f'{left} WRONG' if left else 'as they should be'}"
        + (f", {report['repaired']} repaired" if report["repaired"] else "")
    )
    return int(ExitCode.FAILED if left else ExitCode.OK)
