"""`homeport mirror check`: the configuration and the files that it names, all faults at once."""

import argparse

from homeport.cli.mirror import GROUP, add_config_options, config_loader, require
from homeport.cli.options import Commands, add_json_option, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from homeport.errors import Problem
    from homeport.mirror.model.config import MirrorConfig

EXAMPLES = """\
  homeport mirror check                            what would be served here
  homeport mirror check --config homeport.toml     another file
  homeport mirror check --json | jq '.problems'
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "check",
        main,
        summary="Check the configuration and the files that it names; print all faults at once.",
        examples=EXAMPLES,
        group=GROUP,
    )
    add_config_options(parser)
    add_json_option(parser, "the result")


def main(args: argparse.Namespace) -> int:
    """Status 0: valid, perhaps with warnings; 2: not."""
    import os
    from pathlib import Path

    from homeport.cli.output import print_json, print_problems
    from homeport.errors import ExitCode, UsageError

    require("cryptography")
    from homeport.mirror.config.advice import advice
    from homeport.mirror.config.load import find_config

    path = find_config(None if args.config is None else Path(args.config), os.environ)
    try:
        config = config_loader(args)()
    except UsageError as error:
        if not args.json:
            raise
        print_json(_json(path, None, error.problems))
        return int(ExitCode.USAGE)
    warnings = advice(config)
    if args.json:
        print_json(_json(path, config, warnings))
    else:
        print_problems(warnings)
        _print(path, config)
    return int(ExitCode.OK)


def _json(
    path: object, config: "MirrorConfig | None", problems: "Iterable[Problem]"
) -> dict[str, object]:
    import msgspec

    result: dict[str, object] = {
        "valid": config is not None,
        "file": None if path is None else str(path),
        "problems": [msgspec.to_builtins(problem) for problem in problems],
    }
    if config is not None:
        result["data"] = config.data
        result["default_upstream"] = config.default_upstream
        result["listeners"] = [
            {
                "name": listener.name,
                "address": listener.address,
                "role": listener.role,
                "tls": listener.tls is not None,
            }
            for listener in config.listeners
        ]
        result["upstreams"] = [
            {"name": upstream.name, "urls": upstream.urls, "aliases": upstream.aliases}
            for upstream in config.upstreams.values()
        ]
        result["namespaces"] = list(config.namespaces)
        result["rules"] = [
            {"name": rule.name, "allow": rule.allow, "actions": rule.actions}
            for rule in config.rules
        ]
    return result


def _print(path: object, config: "MirrorConfig") -> None:
    from homeport.cli.output import print_table

    print(f"configuration is valid: {path or 'no file, the defaults'}")
    print(f"data is in {config.data}\n")
    print_table(
        ("LISTENER", "ADDRESS", "ROLE", "TLS"),
        (
            (listener.name, listener.address, listener.role, "yes" if listener.tls else "no")
            for listener in config.listeners
        ),
    )
    print()
    print_table(
        ("UPSTREAM", "URLS", "ALIASES"),
        (
            (
                upstream.name + (" (default)" if upstream.name == config.default_upstream else ""),
                " ".join(upstream.urls),
                " ".join(upstream.aliases),
            )
            for upstream in config.upstreams.values()
        ),
    )
    if config.namespaces:
        print(f"\nnamespaces: {', '.join(config.namespaces)}")
    if config.rules:
        print()
        print_table(
            ("RULE", "DECIDES", "ACTIONS"),
            (
                (rule.name, "allow" if rule.allow else "deny", " ".join(rule.actions) or "all")
                for rule in config.rules
            ),
        )
