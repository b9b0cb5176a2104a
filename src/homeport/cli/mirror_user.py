"""`homeport mirror user add|remove|list|verify`: the users of an htpasswd file, hashed by bcrypt.

A password comes from a prompt or from stdin, never from the command line, which every user of the
machine can read.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from homeport.cli.mirror import (
    add_account_commands,
    add_config_options,
    config_loader,
    require,
)
from homeport.cli.options import Commands, add_file_option

EXAMPLES = """\
  homeport mirror user add ann                      asks for the password twice
  pass show ci | homeport mirror user add ci-bot    takes the first line of stdin
  homeport mirror user list
  homeport mirror user verify ann                   status 1: not the password
"""
COST = 12
MAX_PASSWORD = 72
"""Bytes; bcrypt itself takes no more, and cutting silently would make two passwords one."""


def add_command(commands: Commands) -> None:
    parsers = add_account_commands(
        commands,
        "user",
        {
            "add": (add, "Add a user, or give one a new password."),
            "remove": (remove, "Remove a user."),
            "list": (list_, "List the users."),
            "verify": (verify, "Check a user's password; status 1 if it is another."),
        },
        summary="Manage the users of the mirror's htpasswd file.",
        examples=EXAMPLES,
        account="the user",
    )
    for parser in parsers.values():
        add_file_option(
            parser, "--file", metavar="FILE", text="the file (default: the configured one)"
        )
        add_config_options(parser)


def add(args: argparse.Namespace) -> int:
    require("bcrypt")
    import bcrypt

    name = _valid(args.name)
    path = _path(args)
    password = _password(name, twice=True)
    line = f"{name}:{bcrypt.hashpw(password, bcrypt.gensalt(COST)).decode()}"
    with _locked(path):
        lines = _read(path)
        known = _is(name)
        before = sum(map(known, lines))
        kept = [item for item in lines if not known(item)]
        _write(path, [*kept, line])
    print(f"{name} {'has a new password' if before else 'is added'} in {path}")
    return 0


def remove(args: argparse.Namespace) -> int:
    from homeport.errors import UsageError

    path = _path(args)
    with _locked(path):
        lines = _read(path)
        known = _is(args.name)
        kept = [item for item in lines if not known(item)]
        if len(kept) == len(lines):
            raise UsageError.of(f"{path} has no user {args.name}", code="mirror-user")
        _write(path, kept)
    print(f"{args.name} is removed from {path}")
    return 0


def list_(args: argparse.Namespace) -> int:
    from homeport.cli.output import printable

    for line in _read(_path(args)):
        if line.strip() and not line.startswith("#"):
            print(printable(line.partition(":")[0]))
    return 0


def verify(args: argparse.Namespace) -> int:
    require("bcrypt")
    import bcrypt

    from homeport.errors import ExitCode, UsageError

    path = _path(args)
    known = _is(args.name)
    hashes = [line.partition(":")[2].strip() for line in _read(path) if known(line)]
    if not hashes:
        raise UsageError.of(f"{path} has no user {args.name}", code="mirror-user")
    try:
        # The first line of a name is the one that counts, for us as for other readers.
        matches = bcrypt.checkpw(_password(args.name, twice=False), hashes[0].encode())
    except ValueError:
        raise UsageError.of(
            f"the password of {args.name} is not hashed by bcrypt",
            code="mirror-user",
            hint=f"homeport mirror user add {args.name} gives a new one",
        ) from None
    print("this is the password" if matches else "this is not the password")
    return int(ExitCode.OK if matches else ExitCode.FAILED)


def _path(args: argparse.Namespace) -> Path:
    """The file, with links resolved, so that a link stays one."""
    from homeport.errors import UsageError

    if args.file is not None:
        return Path(args.file).resolve()
    htpasswd = config_loader(args, files=False)().auth.htpasswd
    if htpasswd is None:
        raise UsageError.of(
            "the configuration names no htpasswd file",
            code="mirror-user",
            hint="set mirror.auth.htpasswd, or use --file",
        )
    return Path(htpasswd).resolve()


def _valid(name: str) -> str:
    from homeport.errors import UsageError
    from homeport.mirror.auth.identity import name_fault

    fault = name_fault(name)
    if fault is None and (":" in name or name.startswith("#") or name != name.strip()):
        fault = "a user's name has no colon, no space around it, and no # in front"
    if fault is not None:
        raise UsageError.of(fault, code="mirror-user")
    return name


def _password(name: str, *, twice: bool) -> bytes:
    """From the terminal without an echo, else the first line of stdin."""
    from homeport.errors import UsageError

    if sys.stdin.isatty():
        from getpass import getpass

        text = getpass(f"Password of {name}: ")
        if twice and getpass("Once more: ") != text:
            raise UsageError.of("the two passwords differ", code="mirror-password")
        password = text.encode()
    else:
        password = sys.stdin.buffer.readline(4096).rstrip(b"\r\n")
    if not 0 < len(password) <= MAX_PASSWORD or b"\0" in password:
        raise UsageError.of(
            f"a password has 1 to {MAX_PASSWORD} bytes, and no zero byte", code="mirror-password"
        )
    return password


def _is(name: str) -> Callable[[str], bool]:
    return lambda line: line.partition(":")[0] == name


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among these commands: the lock is on the folder, since the file is replaced."""
    from fcntl import LOCK_EX, flock

    from homeport.errors import MissingError

    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise MissingError.of(
            f"cannot open {path.parent}: {error.strerror}", code="mirror-user"
        ) from None
    try:
        flock(folder, LOCK_EX)
        yield
    finally:
        os.close(folder)


def _read(path: Path) -> list[str]:
    from homeport.errors import MissingError

    try:
        return path.read_text("utf-8", "surrogateescape").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise MissingError.of(f"cannot read {path}: {error.strerror}", code="mirror-user") from None


def _write(path: Path, lines: list[str]) -> None:
    """Keeps the mode and the owner: the server, a user of its own, must go on reading it."""
    from homeport.errors import MissingError
    from homeport.lib.atomic import write_atomic

    content = "".join(f"{line}\n" for line in lines)
    try:
        old = path.stat() if path.exists() else None
        mode = 0o600 if old is None else old.st_mode & 0o7777
        write_atomic(path, content, mode=mode, durable=True)
        if old is not None and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(path, old.st_uid, old.st_gid)
    except OSError as error:
        raise MissingError.of(
            f"cannot write {path}: {error.strerror}", code="mirror-user"
        ) from None
