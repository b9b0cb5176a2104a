"""Path patterns in two dialects, each compiled once into a regular expression that is linear.

Ruby's `File.fnmatch` (rules:changes, rules:exists) and GitLab Runner's doublestar (artifacts,
cache). What stands between two stars has a fixed length, so the leftmost place for it is always
good enough: it is an atomic group, and nothing is ever tried twice.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from homeport.errors import UsageError

Matcher = Callable[[str], bool]

MAX_ALTERNATIVES = 1000
_MAX_WORK = 1_000_000

_DIRS = "**/"
_META = frozenset("*?[{\\")
_REST = r"(?:/.*)?\Z"
_INSIDE = r"/.*\Z"
_END = r"\Z"


def ruby_fnmatch(pattern: str, path: str) -> bool:
    """Ruby's `File.fnmatch(pattern, path, FNM_PATHNAME | FNM_DOTMATCH | FNM_EXTGLOB)`.

    `*` stays inside a folder, `**/` is any number of folders, `{a,b}` are alternatives. Raises
    `UsageError` for a pattern of more than 1000 alternatives.
    """
    return compile_fnmatch(pattern)(path)


def doublestar(pattern: str, path: str, *, folder: bool = False) -> bool:
    """Whether GitLab Runner takes `path` for an entry of `artifacts:paths` or `cache:paths`.

    A pattern that matches a folder takes all that is in it; `a/**` takes the folder `a` itself too,
    but not a file `a`. `path` and `pattern` are relative to the project; a pattern that leaves it
    matches nothing. Raises as `ruby_fnmatch`.
    """
    if compile_doublestar(pattern, descend=True)(path):
        return True
    return folder and compile_doublestar(pattern, descend=False)(path)


def doublestar_exclude(pattern: str, path: str) -> bool:
    """Whether GitLab Runner leaves `path` out for an entry of `artifacts:exclude`.

    The pattern must match the file's own path: a folder's name excludes nothing in it.
    """
    return compile_doublestar(pattern, descend=False)(path)


@lru_cache(maxsize=4096)
def compile_fnmatch(pattern: str) -> Matcher:
    """The matcher of `ruby_fnmatch` for one pattern."""
    if _META.isdisjoint(pattern):
        return pattern.__eq__
    sources = (
        _assemble(segments, _END)
        for alternative in _expand_braces(pattern, skip_classes=False)
        # Ruby lets a last backslash escape the end of the pattern, which changes nothing.
        if (segments := _segments(_without_escaped_end(alternative), _ruby_class)) is not None
    )
    return _matcher(sources)


@lru_cache(maxsize=4096)
def compile_doublestar(pattern: str, *, descend: bool) -> Matcher:
    """The matcher of `doublestar` (descend) or `doublestar_exclude` for one pattern."""
    clean = _clean(pattern)
    if clean == "" and descend:
        # The project folder itself: everything in it.
        return _always
    if not clean:
        return _never
    sources = []
    for alternative in _expand_braces(clean, skip_classes=True):
        if _without_escaped_end(alternative) != alternative:
            continue
        segments = _segments(alternative, _go_class if descend else _go_class_with_slash)
        if segments is None:
            continue
        tail = _REST if descend else _END
        if segments[-1] == "**":
            while segments and segments[-1] in ("**", _DIRS):
                segments.pop()
            # Only a folder can be walked through, while a name alone can be left out.
            tail = _INSIDE if descend else _REST
        sources.append(_assemble(segments, tail) if segments else ".*")
    return _matcher(iter(sources))


def _matcher(sources: Iterator[str]) -> Matcher:
    source = "|".join(sources)
    if not source:
        return _never
    match = re.compile(source, re.DOTALL).match
    return lambda path: match(path) is not None


def _never(path: str) -> bool:  # noqa: ARG001 - a matcher of nothing
    return False


def _always(path: str) -> bool:  # noqa: ARG001 - a matcher of everything
    return True


def _assemble(segments: list[str], tail: str) -> str:
    """The expression of a whole path; middle parts between two `**/` are atomic."""
    groups: list[list[str]] = [[]]
    for segment in segments:
        if segment == _DIRS:
            groups.append([])
        else:
            groups[-1].append("[^/]*" if segment == "**" else segment)
    *heads, last = groups
    out = []
    for index, group in enumerate(heads):
        folders = "".join(f"{segment}/" for segment in group)
        out.append(f"(?>(?:[^/]*/)*?{folders})" if index else folders)
    out.append("(?:[^/]*/)*?" if heads else "")
    return "".join(out) + "/".join(last) + tail


def _without_escaped_end(pattern: str) -> str:
    """The pattern without a last backslash that nothing follows, and that none escapes."""
    backslashes = len(pattern) - len(pattern.rstrip("\\"))
    return pattern[:-1] if backslashes % 2 else pattern


_Class = Callable[[str, int], tuple[str, int] | None]
"""Reads a character class after its `[`: its expression and the place after `]`, or None."""


def _segments(pattern: str, read_class: _Class) -> list[str] | None:
    """One expression for each part between slashes, `**/` and a final `**` as they are.

    None for a pattern that can match nothing (an open class).
    """
    segments: list[str] = []
    pieces: list[str] = [""]
    at = start = 0
    while at < len(pattern):
        char = pattern[at]
        if at == start and pattern.startswith(_DIRS, at):
            segments.append(_DIRS)
            at = start = at + 3
            continue
        if at == start and pattern[at:] == "**":
            return [*segments, "**"]
        at += 1
        if char == "*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append("")
        elif char == "/":
            segments.append(_star(pieces))
            pieces = [""]
            start = at
        elif char == "?":
            pieces[-1] += "[^/]"
        elif char == "[":
            found = read_class(pattern, at)
            if found is None:
                return None
            expression, at = found
            pieces[-1] += expression
        else:
            if char == "\\":
                if pattern[at] == "/":
                    continue
                char = pattern[at]
                at += 1
            pieces[-1] += re.escape(char)
    return [*segments, _star(pieces)]


def _star(pieces: list[str]) -> str:
    """The expression of one segment whose pieces are separated by stars."""
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle) + "[^/]*" + last


def _ruby_class(pattern: str, at: int) -> tuple[str, int] | None:
    """As Ruby's `bracket`: `]` always closes, an open class matches nothing."""
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    items: list[str] = []
    while at < len(pattern):
        if pattern[at] == "]":
            return _class(items, negated), at + 1
        low, at = _unescape(pattern, at)
        if at >= len(pattern):
            return None
        if pattern[at] == "-" and pattern[at + 1 : at + 2] not in ("]", ""):
            high, at = _unescape(pattern, at + 1)
            # A range written backwards still matches its two ends.
            items += [_range(low, high)] if low <= high else [re.escape(low), re.escape(high)]
        else:
            items.append(re.escape(low))
    return None


def _go_class(pattern: str, at: int) -> tuple[str, int] | None:
    """As doublestar's `Glob`, which looks at one folder at a time."""
    found = _go_class_with_slash(pattern, at)
    return None if found is None else (f"(?!/){found[0]}", found[1])


def _go_class_with_slash(pattern: str, at: int) -> tuple[str, int] | None:
    """As doublestar's `Match`: an empty class is bad, a class may stand for a slash, and a range
    written backwards matches its first end."""
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    if pattern[at : at + 1] == "]":
        return None
    items: list[str] = []
    while at < len(pattern):
        if pattern[at] == "]":
            return f"[{'^' * negated}{''.join(items)}]", at + 1
        low, at = _unescape(pattern, at)
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("]", ""):
            high, at = _unescape(pattern, at + 1)
            items.append(_range(low, high) if low <= high else re.escape(low))
        else:
            items.append(re.escape(low))
    return None


def _unescape(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] == "\\" and at + 1 < len(pattern):
        at += 1
    return pattern[at], at + 1


def _range(low: str, high: str) -> str:
    return f"{re.escape(low)}-{re.escape(high)}"


def _class(items: list[str], negated: bool) -> str:
    inside = "".join(items)
    if negated:
        return f"[^/{inside}]"
    return f"(?!/)[{inside}]" if inside else "(?!)"


def _expand_braces(pattern: str, *, skip_classes: bool) -> list[str]:
    """Every alternative of `{a,b}` groups, nested ones too; none where a brace stays open."""
    done: list[str] = []
    todo = [pattern]
    work = 0
    while todo:
        text = todo.pop()
        work += len(text) + 1
        if work > _MAX_WORK or len(done) + len(todo) >= MAX_ALTERNATIVES:
            raise UsageError.of(
                f"the pattern {pattern[:60]!r} has more than {MAX_ALTERNATIVES} alternatives",
                code="pattern-too-large",
            )
        group = _find_group(text, skip_classes)
        if group is None:
            done.append(text)
            continue
        opening, commas, closing = group
        if closing < 0:
            continue
        cuts = [opening, *commas, closing]
        for left, right in zip(reversed(cuts[:-1]), reversed(cuts[1:]), strict=True):
            todo.append(text[:opening] + text[left + 1 : right] + text[closing + 1 :])
    return done


def _find_group(text: str, skip_classes: bool) -> tuple[int, list[int], int] | None:
    """The first group's `{`, its own commas and its `}` (-1 if it stays open)."""
    depth, opening, at = 0, -1, 0
    commas: list[int] = []
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "[" and skip_classes:
            end = _skip_class(text, at)
            # Where one class stays open no later one closes either: none is looked for again.
            skip_classes = end != at
            at = end
        elif char == "{":
            depth += 1
            opening = at if depth == 1 else opening
        elif char == "}" and depth:
            depth -= 1
            if depth == 0:
                return opening, commas, at
        elif char == "," and depth == 1:
            commas.append(at)
        at += 1
    return None if opening < 0 else (opening, [], -1)


def _skip_class(text: str, at: int) -> int:
    """The place of the `]` that closes the class at `at`, or `at` itself for an open one."""
    end = at + 1
    while end < len(text):
        if text[end] == "\\":
            end += 1
        elif text[end] == "]":
            return end
        end += 1
    return at


def _clean(pattern: str) -> str | None:
    """The pattern as Go's `filepath.Join` leaves it; None if it is outside the project."""
    if pattern.startswith("/"):
        return None
    parts: list[str] = []
    for part in pattern.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
