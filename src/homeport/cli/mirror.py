"""`homeport mirror …`: the registry that is also a mirror. Each command has a module of its own."""

import argparse
from importlib import import_module

from homeport.cli.options import Commands, add_file_option, add_group, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from homeport.mirror.model.config import MirrorConfig

MIRROR_COMMANDS = (
    "serve",
    "check",
    "user",
    "robot",
    "audit",
    "status",
    "usage",
    "explain",
    "gc",
    "verify",
    "purge",
    "backup",
    "restore",
    "ca",
    "render",
)
"""`NAME` is the module `homeport.cli.mirror_NAME`, with an `add_command(commands)`."""

GROUP = "mirror"
EXTRA = "pip install 'homeport[mirror]'"
EXAMPLES = """\
  homeport mirror check                     is the configuration valid?
  homeport mirror serve                     serve it
  homeport mirror user add ann              a user with a password
  homeport mirror status                    how is it?
  homeport mirror explain quay.io/o/i:1     why did this pull fail?
"""


def add_command(commands: Commands) -> None:
    inner = add_group(
        commands,
        GROUP,
        summary="Serve a registry that is also a mirror of public registries.",
        examples=EXAMPLES,
    )
    for name in MIRROR_COMMANDS:
        import_module(f"homeport.cli.mirror_{name}").add_command(inner)


def add_account_commands(
    commands: Commands,
    name: str,
    mains: "Mapping[str, tuple[Callable[[argparse.Namespace], int], str]]",
    *,
    summary: str,
    examples: str,
    account: str,
) -> dict[str, argparse.ArgumentParser]:
    """The group `mirror NAME` and its parsers. `mains` has the entry point of each command and what
    it does; each but `list` takes the name of an `account`."""
    inner = add_group(commands, name, summary=summary, examples=examples, group=GROUP)
    parsers = {}
    for command, (main, words) in mains.items():
        named = command != "list"
        parsers[command] = add_parser(
            inner,
            command,
            main,
            summary=words,
            examples=examples,
            arguments="NAME [OPTION...]" if named else "[OPTION...]",
            group=f"{GROUP} {name}",
        )
        if named:
            parsers[command].add_argument("name", metavar="NAME", help=account)
    return parsers


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """What every command takes that reads the mirror's configuration."""
    add_file_option(
        parser,
        "--config",
        metavar="FILE",
        text="the configuration (default: $HOMEPORT_MIRROR_CONFIG, /etc/homeport/homeport.toml)",
    )
    add_file_option(
        parser, "--data", metavar="DIR", text="where the mirror keeps everything, over the file"
    )


def config_loader(args: argparse.Namespace, *, files: bool = True) -> "Callable[[], MirrorConfig]":
    """Reads the configuration that the options name, each time anew; raises `UsageError`. `files`
    False leaves the files that it names for later."""
    import os
    from pathlib import Path

    from homeport.mirror.config.load import load_config

    path = None if args.config is None else Path(args.config).absolute()
    data = None if args.data is None else str(Path(args.data).absolute())
    overrides = {"listen": getattr(args, "listen", None), "data": data}
    return lambda: load_config(path, os.environ, overrides, files=files)


def data_folder(args: argparse.Namespace) -> str:
    """Where the mirror is: an invalid configuration, which the running one refused, must not keep
    its operator from asking it. Raises `UsageError` where the folder cannot be told."""
    import os
    from pathlib import Path

    from homeport.errors import UsageError
    from homeport.mirror.config.load import find_config, read_data

    try:
        return config_loader(args, files=False)().data
    except UsageError:
        if args.data is not None:
            return str(Path(args.data).absolute())
        path = find_config(None if args.config is None else Path(args.config), os.environ)
        data = None if path is None else read_data(path)
        if data is None:
            raise
        return data


def require(*modules: str) -> None:
    """Raises `MissingError` if the mirror's own libraries are not installed."""
    for module in modules:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            raise missing(error) from None


def missing(error: ModuleNotFoundError) -> Exception:
    """What to raise where a module is not there; our own are never missing but by a defect."""
    from homeport.errors import MissingError

    if (error.name or "homeport").partition(".")[0] == "homeport":
        return error
    return MissingError.of(
        f"the mirror needs the Python package {error.name}, which is not installed",
        code="mirror-extra",
        hint=EXTRA,
    )
