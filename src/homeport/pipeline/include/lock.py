"""`homeport.lock`: what each include from elsewhere was when it was locked (docs/reference)."""

import json
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from homeport.errors import UsageError
from homeport.pipeline.include.api import Key, Locked

LOCK_FILE = "homeport.lock"
_VERSION = 1
_HEAD = """\
# What the includes from elsewhere are. Written by `homeport update`; commit it, do not edit it.
version = 1
"""
_HINT = "write it anew with: homeport update"


class _Lock(Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    include: tuple[Locked, ...] = ()


def read_lock(content: bytes) -> dict[Key, Locked]:
    """The entries of a lock file. Raises `UsageError` for one that homeport has not written."""
    import tomllib

    try:
        lock = msgspec.convert(tomllib.loads(content.decode()), _Lock)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _broken(f"it is no TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise _broken(str(error)) from None
    if lock.version != _VERSION:
        raise _broken(f"its version is {lock.version}, and this homeport reads version {_VERSION}")
    return {entry.key: entry for entry in lock.include}


def write_lock(entries: Iterable[Locked]) -> str:
    """The text of a lock file: sorted, one value a line, so that a change is a small diff."""
    parts = [_HEAD]
    for entry in sorted({entry.key: entry for entry in entries}.values(), key=lambda it: it.key):
        lines = ["[[include]]"]
        for name in ("kind", "source", "ref", "file", "commit", "tag", "sha256"):
            value = getattr(entry, name)
            if value:
                # A JSON string is a TOML string, but for DEL.
                text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
                lines.append(f"{name} = {text}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def describe_changes(old: Mapping[Key, Locked], new: Mapping[Key, Locked]) -> list[str]:
    """One line for each entry that came, went or changed, in order."""
    lines = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before is None and after is not None:
            lines.append(f"+ {after.title} {_short(after)}")
        elif after is None and before is not None:
            lines.append(f"- {before.title} {_short(before)}")
        elif before is not None and after is not None and before != after:
            lines.append(f"~ {after.title} {_short(before)} -> {_short(after)}")
    return lines


def _short(entry: Locked) -> str:
    return entry.commit[:12] or f"sha256:{entry.sha256[:12]}"


def _broken(reason: str) -> UsageError:
    return UsageError.of(f"{LOCK_FILE} cannot be used: {reason}", code="lock-broken", hint=_HINT)
