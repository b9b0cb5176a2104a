"""A plan's changes for people: unified diffs, without the secrets that files may hold. Pure."""

import difflib
import re
from collections.abc import Iterator
from typing import Any, Optional

from homeport.enroll.model import FileChange, FileState, Ownership
from homeport.enroll.plain import to_plain

MASK = "[MASKED]"
_SECRET = re.compile(
    r"""((?:token|password|passwd|secret|auth(?:orization)?|credentials?|private_?key|access_?key)
    (?:[_-][\w-]*)?["']?\s*[:=]\s*)
    (\[[^\]]*\]|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,}\]]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_USERINFO = re.compile(r"://[^/@\s\"']+@")


def diff_of(change: FileChange) -> tuple[str, ...]:
    """Lines without their ends: a unified diff, then changes of the mode or owner."""
    before, after = _lines(change.before), _lines(change.after)
    old = change.path if change.before else "/dev/null"
    new = change.path if change.after else "/dev/null"
    lines = [
        _masked(line.rstrip("\r\n")) for line in difflib.unified_diff(before, after, old, new, n=3)
    ]
    return (*lines, *_dress(change))


def summary_of(change: FileChange) -> str:
    if change.before is None:
        verb = "create"
    elif change.after is None:
        verb = "remove"
    else:
        verb = "change"
    whose = "ours alone" if change.ownership is Ownership.WHOLE else "the rest of it stays"
    return f"{verb} {change.path} ({whose}): {change.why}"


def to_shown(value: Any) -> Any:
    """As `to_plain`, for whoever reads what a command prints: files are shown without secrets."""
    return _without_secrets(to_plain(value))


def _without_secrets(data: Any, name: str = "") -> Any:
    if isinstance(data, dict):
        return {key: _without_secrets(item, key) for key, item in data.items()}
    if isinstance(data, list):
        return [_without_secrets(item) for item in data]
    if not isinstance(data, str):
        return data
    if name == "content":
        data = _SECRET.sub(lambda found: found.group(1) + MASK, data)
    return _USERINFO.sub(f"://{MASK}@", data)


def _lines(state: Optional[FileState]) -> "list[str]":
    if state is None:
        return []
    text = state.content.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += "\n"
    return lines


def _dress(change: FileChange) -> Iterator[str]:
    before, after = change.before, change.after
    if before is None or after is None:
        return
    if before.mode != after.mode:
        yield f"mode {before.mode:o} -> {after.mode:o}"
    if (before.uid, before.gid) != (after.uid, after.gid):
        yield f"owner {before.uid}:{before.gid} -> {after.uid}:{after.gid}"


def _masked(line: str) -> str:
    line = _SECRET.sub(lambda found: found.group(1) + MASK, line)
    line = _USERINFO.sub(f"://{MASK}@", line)
    return "".join(char if char.isprintable() or char == "\t" else "?" for char in line)
