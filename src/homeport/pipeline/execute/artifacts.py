"""Which files of a workspace are artifacts, in GitLab Runner's dialect, and taking them out.

A pattern is doublestar's; what matches brings all that is below it; `exclude` takes single entries
out again (commands/helpers/file_archiver.go). Symbolic links are taken as links. Nothing outside
the workspace is taken: not by `..`, not by an absolute path, not through a link.
"""

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from homeport.pipeline.conditions.globs import doublestar, doublestar_exclude
from homeport.pipeline.execute.api import ExecutorError, Selection

if TYPE_CHECKING:
    from homeport.pipeline.execute.stored_tree import StoredTree

_META = r"[*?\[{\\]"
_UNBOUNDED = frozenset("{\\")  # may hold slashes that do not count


class Matcher:
    """Decides entry by entry; `unmatched` then names the patterns that took nothing.

    Pure: paths are relative to the project folder, with slashes. A container's files can be
    sieved from a tar stream with it, those of a local folder are walked by `find`.
    """

    def __init__(self, selection: Selection, project_dir: str) -> None:
        self._patterns = tuple(
            (pattern, relative_to(project_dir, pattern)) for pattern in selection.paths
        )
        self._exclude = tuple(
            relative
            for pattern in selection.exclude
            if (relative := relative_to(project_dir, pattern)) is not None
        )
        self._found = [0] * len(self._patterns)

    @property
    def bases(self) -> tuple[str, ...]:
        """Paths that between them hold everything that can match; `""` is the whole project."""
        bases = {literal_base(path) for _, path in self._patterns if path is not None}
        return tuple(
            sorted(base for base in bases if not any(_is_below(base, other) for other in bases))
        )

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The patterns, as written, that took no entry."""
        return tuple(
            pattern
            for (pattern, _), found in zip(self._patterns, self._found, strict=True)
            if not found
        )

    def take(self, path: str, *, folder: bool) -> bool:
        """Whether the entry at `path` is an artifact (a folder's entries are asked for apart)."""
        matching = [
            index
            for index, (_, pattern) in enumerate(self._patterns)
            if pattern is not None and doublestar(pattern, path, folder=folder)
        ]
        if not matching or self.is_excluded(path):
            return False
        for index in matching:
            self._found[index] += 1
        return True

    def is_excluded(self, path: str) -> bool:
        """Whether an `exclude` pattern matches this very entry."""
        return any(doublestar_exclude(pattern, path) for pattern in self._exclude)

    def may_hold(self, folder: str) -> bool:
        """Whether anything below `folder` can match, so that a walk must go into it."""
        depth = folder.count("/") + 1
        return any(
            path is not None
            and (
                path.count("/") >= depth
                or not _UNBOUNDED.isdisjoint(path)
                or "**" in path
                or doublestar(path, folder, folder=True)
            )
            for _, path in self._patterns
        )


def take_out(
    root: str, selection: Selection, into: "StoredTree", *, untracked: Sequence[str] = ()
) -> tuple[str, ...]:
    """Take the artifacts of the folder `root` into a tree.

    `untracked` are the paths that git does not track, for a selection that wants them. Gives the
    patterns without any entry. Raises `ExecutorError`.
    """
    matcher = Matcher(selection, root)
    try:
        chosen = sorted({*_find(root, matcher), *_untracked(root, matcher, selection, untracked)})
        for path in chosen:
            into.take(path, f"{root}/{path}")
    except OSError as error:
        raise ExecutorError(
            f"cannot take the artifacts: {error.filename or root}: {error.strerror or error}"
        ) from error
    return matcher.unmatched


def relative_to(project_dir: str, pattern: str) -> str | None:
    """A pattern relative to the project folder, cleaned; None if it leads outside of it.

    `""` is the project folder itself. An absolute pattern inside it is fine.
    """
    path = posixpath.normpath(posixpath.join(project_dir, pattern))
    if path == project_dir:
        return ""
    prefix = project_dir.rstrip("/") + "/"
    return path.removeprefix(prefix) if path.startswith(prefix) else None


def literal_base(pattern: str) -> str:
    """The part of a pattern before its first component with a special character."""
    match = re.search(_META, pattern)
    return pattern if match is None else pattern[: match.start()].rpartition("/")[0]


def missing_words(pattern: str, project_dir: str) -> str:
    """The Runner's warning about a pattern that matches nothing, or nothing allowed."""
    relative = relative_to(project_dir, pattern)
    if relative is None:
        return f"artifact path is not a subpath of project directory: {pattern}"
    return (
        f"{relative or '.'}: no matching files. Ensure that the artifact path is relative to the "
        f"working directory ({project_dir})"
    )


def _find(root: str, matcher: Matcher) -> Iterator[str]:
    for base in matcher.bases:
        top = f"{root}/{base}" if base else root
        if not os.path.lexists(top) or not _is_inside(root, top):
            continue
        folder = os.path.isdir(top) and not os.path.islink(top)
        if base and matcher.take(base, folder=folder):
            yield base
        if folder:
            yield from _walk(top, base, matcher)


def _walk(top: str, base: str, matcher: Matcher) -> Iterator[str]:
    pending = [(top, base)]
    while pending:
        folder, relative = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                path = f"{relative}/{entry.name}" if relative else entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if matcher.take(path, folder=is_folder):
                    yield path
                if is_folder and matcher.may_hold(path):
                    pending.append((entry.path, path))


def _untracked(
    root: str, matcher: Matcher, selection: Selection, untracked: Iterable[str]
) -> Iterator[str]:
    if not selection.untracked:
        return
    for listed in untracked:
        path = listed.rstrip("/")
        if (
            path
            and not matcher.is_excluded(path)
            and relative_to("/project", path) == path
            and os.path.lexists(f"{root}/{path}")
            and _is_inside(root, f"{root}/{path}")
        ):
            yield path


def _is_inside(root: str, path: str) -> bool:
    """Whether the folder that holds `path` is inside `root` when every link is followed."""
    if path == root:
        return True
    real_root = os.path.realpath(root)
    real = os.path.realpath(os.path.dirname(path))
    return real == real_root or real.startswith(real_root.rstrip("/") + "/")


def _is_below(path: str, folder: str) -> bool:
    return path != folder and (folder == "" or path.startswith(folder + "/"))
