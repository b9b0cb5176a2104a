"""`homeport mirror serve`: the server, until SIGTERM; SIGHUP reads the configuration anew."""

import argparse
import gc
from importlib import import_module

from homeport.cli.mirror import GROUP, add_config_options, config_loader, missing, require
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport mirror serve                            Docker Hub's mirror on 127.0.0.1:5000
  homeport mirror serve --config homeport.toml     as a file says
  homeport mirror serve --check                    only check the configuration
  homeport mirror serve --listen 0.0.0.0:5000 --data /srv/mirror
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "serve",
        main,
        summary="Serve the mirror until SIGTERM; SIGHUP reads its configuration anew.",
        examples=EXAMPLES,
        group=GROUP,
    )
    add_config_options(parser)
    parser.add_argument(
        "--listen", metavar="ADDRESS", help="HOST:PORT or unix:/path, over the file's one listener"
    )
    parser.add_argument(
        "--check", action="store_true", help="check the configuration and all its files, and leave"
    )
    add_json_option(parser, "what --check finds")


def main(args: argparse.Namespace) -> int:
    from homeport.cli.output import print_problems
    from homeport.errors import UsageError

    if args.check:
        from homeport.cli.mirror_check import main as check

        return check(args)
    if args.json:
        raise UsageError.of("--json goes with --check", code="mirror-json")
    require("aiohttp")
    from homeport.mirror.config.advice import advice

    load = config_loader(args)
    config = load()
    print_problems(advice(config))
    try:
        run = import_module("homeport.mirror.app.serve").run
    except ModuleNotFoundError as error:
        raise missing(error) from None
    gc.enable()  # short commands do without (cli/main.py); this one stays
    return int(run(config, reload=load))
