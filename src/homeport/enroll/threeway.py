"""What an undo makes of a file: from what it was, what we made of it, and what it is now. Pure.

Nothing that somebody else has written since is lost: other keys stay as they are now, and where our
own keys have been changed the undo is refused.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Optional

from homeport.enroll.errors import BrokenFileError, ConflictError
from homeport.enroll.formats.keyed import Keyed, find_format
from homeport.enroll.model import FileChange, FileState, KeyChange, Ownership


def undone(
    change: FileChange, current: Optional[FileState], *, cleared: bool = False
) -> Optional[FileState]:
    """The file without our change; None: it is removed. `cleared`: an undo was interrupted, which
    may have left our keys empty. Raises ConflictError, also for a file that no longer parses."""
    before, after = change.before, change.after
    if current is None:
        # Who removed the file has removed our change with it; unless that was our change.
        return before if after is None else None
    if after is None:
        if before is not None and current.content == before.content:
            return current
        raise _conflict(change, "there is a new file in the place of the one that we removed")
    if current.content == after.content:
        return _with_mode(before, after, current)
    if before is not None and current.content == before.content:
        return current
    if change.ownership is Ownership.WHOLE:
        raise _conflict(change, "somebody has changed this file, which homeport made")
    try:
        content = undo_keys(change, current.content, cleared=cleared)
    except BrokenFileError as error:
        raise ConflictError(
            error.message, hint="mend the file first; nothing is changed", place=error.place
        ) from None
    if before is None and _is_empty(change, content):
        return None
    return replace(_with_mode(before, after, current) or current, content=content)


def undo_keys(change: FileChange, content: str, *, cleared: bool = False) -> str:
    """The text with each of our keys as it was before."""
    form = find_format(change.format)
    source = change.before.content if change.before else ""
    for key in reversed(change.keys):
        has, value = form.get(content, change.path, key.path)
        if _same(has, value, key.had, key.before):
            continue
        ours = _same(has, value, key.has, key.after)
        if not ours and not (cleared and value in (None, [], {})):
            raise _changed_key(change, form, content, key)
        content = _put_back(form, change.path, content, key, source)
    return content


def merged(old: FileChange, new: FileChange) -> FileChange:
    """One change that leads from before `old` to after `new`, which came later.

    Others may have edited the file in between. What they have made of our own keys is what an undo
    goes back to.
    """
    current = new.before
    if current is None or old.after is None:
        return (
            new if current is not None or old.after is not None else replace(new, before=old.before)
        )
    if current.content == old.after.content:
        before = _with_mode(old.before, old.after, current)
        ours = {key.path: key for key in old.keys}
    elif Ownership.WHOLE in (old.ownership, new.ownership):
        return new
    else:
        form = find_format(old.format)
        ours = {
            key.path: key
            for key in old.keys
            if _same(*form.get(current.content, old.path, key.path), key.has, key.after)
        }
        before = undone(replace(old, keys=tuple(ours.values())), current)
    keys = dict(ours)
    for key in new.keys:
        earlier = ours.get(key.path)
        keys[key.path] = (
            key if earlier is None else replace(key, had=earlier.had, before=earlier.before)
        )
    ours_now = (key for key in keys.values() if not _same(key.had, key.before, key.has, key.after))
    return replace(new, before=before, keys=tuple(ours_now))


def turned_round(changes: Sequence[FileChange]) -> tuple[FileChange, ...]:
    """The way back."""
    return tuple(
        replace(
            change,
            before=change.after,
            after=change.before,
            keys=tuple(
                replace(key, had=key.has, before=key.after, has=key.had, after=key.before)
                for key in change.keys
            ),
        )
        for change in reversed(changes)
    )


def _put_back(form: Keyed, path: str, content: str, key: KeyChange, source: str) -> str:
    if not key.had:
        content = form.drop(content, path, key.path)
        # Objects around it that we have made, and that hold nothing else.
        for depth in range(len(key.path) - 1, 0, -1):
            around = key.path[:depth]
            kept = bool(source) and form.get(source, path, around)[0]
            if kept or form.get(content, path, around) != (True, {}):
                break
            content = form.drop(content, path, around)
        return content
    content = form.set(content, path, key.path, key.before)
    if source and form.get(source, path, key.path) == (True, key.before):
        return form.copy(content, path, key.path, source)
    return content


def _same(has: bool, value: Any, had: bool, before: Any) -> bool:
    """As JSON has it: true is not 1, nor within a list."""
    return has == had and (not has or _written(value) == _written(before))


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _is_empty(change: FileChange, content: str) -> bool:
    """Whether nothing is left but what we have written; an owner's comment is something."""
    if find_format(change.format).get(content, change.path, ())[1]:
        return False
    ours = change.after.content.splitlines() if change.after else []
    return change.format == "json" or not [
        line for line in content.splitlines() if line.strip() and line not in ours
    ]


def _with_mode(
    before: Optional[FileState], after: FileState, current: FileState
) -> Optional[FileState]:
    """The state before, but for a mode or owner that somebody has changed since."""
    if before is None:
        return None
    return replace(
        before,
        mode=before.mode if current.mode == after.mode else current.mode,
        uid=before.uid if current.uid == after.uid else current.uid,
        gid=before.gid if current.gid == after.gid else current.gid,
    )


def _conflict(change: FileChange, message: str) -> ConflictError:
    return ConflictError(message, hint=_remedy(change.path), place=f"{change.path}:1:1")


def _changed_key(change: FileChange, form: Keyed, content: str, key: KeyChange) -> ConflictError:
    line = form.line(content, change.path, key.path)
    name = ".".join(key.path)
    return ConflictError(
        f"{name} was changed since homeport set it",
        place=f"{change.path}:{line}:1",
        hint=_remedy(change.path),
    )


def _remedy(path: str) -> str:
    return (
        f"put it back as homeport had written it (homeport enroll status --json has it), "
        f"or leave the file as it is with --keep {path}"
    )
