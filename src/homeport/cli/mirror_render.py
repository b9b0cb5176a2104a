"""`homeport mirror render systemd|container|compose|config`: recipes, by what is configured."""

import argparse
import os
import sys
from pathlib import Path

from homeport.cli.mirror import GROUP, add_config_options, config_loader
from homeport.cli.options import Commands, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.mirror.model.config import MirrorConfig

EXAMPLES = """\
  homeport mirror render config > /etc/homeport/homeport.toml
  homeport mirror render systemd > /etc/systemd/system/homeport-mirror.service
  homeport mirror render container > Containerfile
  homeport mirror render compose > compose.yaml
"""
RECIPES = {
    "config": "homeport.toml",
    "systemd": "homeport-mirror.service",
    "container": "Containerfile",
    "compose": "compose.yaml",
}
FOLDER = Path(__file__).with_name("mirror_recipes")
USER = "homeport"
AFTER_DRAIN = 30
"""Seconds to close everything, once transfers have ended or were cut."""

_STATE = Path("/var/lib")
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_PRIVILEGED = 1024


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "render",
        main,
        summary="Print a configuration, a systemd unit or a container recipe.",
        examples=EXAMPLES,
        arguments="|".join(RECIPES) + " [OPTION...]",
        group=GROUP,
    )
    parser.add_argument("what", choices=tuple(RECIPES), help="what to print")
    parser.add_argument(
        "--user", metavar="NAME", default=USER, help=f"whom systemd runs it as (default: {USER})"
    )
    add_config_options(parser)


def main(args: argparse.Namespace) -> int:
    from string import Template

    recipe = (FOLDER / RECIPES[args.what]).read_text()
    if args.what == "config":
        sys.stdout.write(recipe)
        return 0
    from homeport.mirror.config.load import find_config

    config = config_loader(args, files=False)()
    path = find_config(None if args.config is None else Path(args.config), os.environ)
    absolute = None if path is None else path.absolute()
    sys.stdout.write(Template(recipe).substitute(_words(args, config, absolute)))
    return 0


def _words(
    args: argparse.Namespace, config: "MirrorConfig", path: Path | None
) -> dict[str, object]:
    import shlex

    from homeport import __version__

    drain = config.limits.drain_timeout
    ports = _ports(config)
    data = Path(config.data)
    named = [data, *([] if path is None else [path])]
    options = "" if path is None else f" --config {_word(path)}"
    return {
        "user": _user(args.user),
        "program": _word(_program()),
        "options": options + ("" if args.data is None else f" --data {_word(data)}"),
        "data": shlex.quote(str(data)),
        "drain": f"{drain:g}",
        "stop": int(drain) + 1 + AFTER_DRAIN,
        "state": _state(config, data),
        "capabilities": "CAP_NET_BIND_SERVICE" if min(ports, default=80) < _PRIVILEGED else "",
        "home": "read-only" if any(_in_home(each) for each in named) else "yes",
        "version": __version__,
        "ports": " ".join(map(str, ports)),
        "published": "\n".join(f'      - "{port}:{port}"' for port in ports),
        "folder": "/etc/homeport" if path is None else str(path.parent),
    }


def _state(config: "MirrorConfig", data: Path) -> str:
    """What may be written: the data folder, and those of the audit's files."""
    lines = []
    if data.parent == _STATE:
        lines += [f"StateDirectory={data.name}", "StateDirectoryMode=0700"]
    else:
        lines.append(f"ReadWritePaths={_quoted(data)}")
    for sink in config.audit.sinks:
        kind, _, rest = sink.partition(":")
        if kind == "file":
            lines.append(f"ReadWritePaths={_quoted(Path(rest).parent)}")
    return "\n".join(dict.fromkeys(lines))


def _ports(config: "MirrorConfig") -> list[int]:
    found = (
        entry.address.rpartition(":")[2]
        for entry in config.listeners
        if not entry.address.startswith("unix:")
    )
    return sorted({int(port) for port in found if port.isdecimal()})


def _program() -> Path:
    import shutil

    found = shutil.which("homeport")
    beside = Path(sys.executable).with_name("homeport")
    return Path(found).absolute() if found else beside


def _in_home(path: Path) -> bool:
    return any(path.is_relative_to(home) for home in _HOMES)


def _user(name: str) -> str:
    import re

    from homeport.errors import UsageError

    if re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", name) is None:
        raise UsageError.of(f"--user {name}: no user's name", code="mirror-render")
    return name


def _word(path: Path) -> str:
    """The same in a command line, where `$` begins a variable (systemd.service, Command lines)."""
    return _quoted(path).replace("$", "$$")


def _quoted(path: Path) -> str:
    """As systemd reads a word (systemd.syntax, Quoting); `%` begins a specifier."""
    text = str(path).replace("%", "%%")
    if all(char.isalnum() or char in "/._-+%$" for char in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
