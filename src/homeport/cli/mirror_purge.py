"""`homeport mirror purge IMAGE`: take one image out, or a whole repository."""

import argparse

from homeport.cli.mirror import GROUP, add_config_options, config_loader, data_folder, require
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport mirror purge docker.io/library/alpine:3.20    a tag, and what only it needs
  homeport mirror purge quay.io/o/i@sha256:…             one manifest, with its tags
  homeport mirror purge --all quay.io/o/i                everything in the repository
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "purge",
        main,
        summary="Take an image out; its bytes go with the next collections.",
        examples=EXAMPLES,
        arguments="IMAGE [OPTION...]",
        group=GROUP,
    )
    parser.add_argument("image", metavar="IMAGE", help="with a tag or a digest")
    parser.add_argument("--all", action="store_true", help="all of a repository, named without tag")
    add_config_options(parser)
    add_json_option(parser, "what is gone")


def main(args: argparse.Namespace) -> int:
    """Status 1 where there was no such image."""
    require("cryptography")
    from homeport.cli.control_socket import find
    from homeport.cli.output import print_json, printable
    from homeport.errors import ExitCode, UsageError
    from homeport.mirror.control.image_name import parse_image

    try:
        image = parse_image(args.image)
    except ValueError as error:
        raise UsageError.of(str(error), code="mirror-image") from None
    if (image.reference is None) is not args.all:
        raise UsageError.of(
            f"{args.image}: name a tag or a digest, or say --all for a whole repository",
            code="mirror-image",
        )
    control = find(data_folder(args))
    if control is not None:
        report = control.post("purge", {"image": args.image})
    else:
        from homeport.mirror.app.upkeep import purge_offline

        report = purge_offline(config_loader(args, files=False)(), image)
    found = bool(report["tags"] or report["manifests"])
    if args.json:
        print_json(report)
    else:
        print(
            printable(
                f"{report['repository']}: {len(report['tags'])} tags and "
                f"{len(report['manifests'])} manifests gone"
                if found
                else f"{report['repository']} has no such image"
            )
        )
    return int(ExitCode.OK if found else ExitCode.FAILED)
