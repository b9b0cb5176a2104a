"""`homeport mirror gc`: collect now what nothing needs any more."""

import argparse

from homeport.cli.mirror import GROUP, add_config_options, config_loader, data_folder, require
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport mirror gc                                the mirror may run meanwhile
  homeport mirror gc --dry-run                      what would go
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "gc",
        main,
        summary="Collect what nothing needs any more; a running mirror does so by itself, too.",
        examples=EXAMPLES,
        group=GROUP,
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="tell what would go, and change nothing"
    )
    add_config_options(parser)
    add_json_option(parser, "what went, or would go")


def main(args: argparse.Namespace) -> int:
    from homeport.cli.control_socket import find
    from homeport.cli.output import print_json
    from homeport.lib.units import format_bytes

    control = find(data_folder(args))
    if control is not None:
        report = control.post("collect", {"dry_run": "yes"} if args.dry_run else {})
    else:
        require("cryptography")
        from homeport.mirror.app.upkeep import collect_offline

        report = collect_offline(config_loader(args, files=False)(), dry_run=args.dry_run)
    if args.json:
        print_json(report)
    else:
        print(
            f"{'would go: ' if args.dry_run else ''}"
            f"{report['digests']} blobs and manifests ({format_bytes(report['freed'])}), "
            f"{report['staged']} unfinished downloads and uploads "
            f"({format_bytes(report['staged_bytes'])}), {report['links']} links"
        )
    return 0
