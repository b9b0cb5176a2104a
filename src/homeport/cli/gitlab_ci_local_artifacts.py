"""`--artifacts-to-source`: what jobs leave is copied into the working tree, as it always was there.

A job decides the names, so nothing is written through a symbolic link or into `.git`, where a file
could become a program that git runs.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from homeport.pipeline.execute.stored_tree import read_attributes
from homeport.pipeline.execute.workspace import copy_entry


def copy_to_source(tree: Path, root: Path) -> list[str]:
    """Copy all files of a tree of artifacts over the working tree; the paths that were refused, as
    they are in the tree. Raises OSError."""
    refused: list[str] = []
    attributes = read_attributes(str(tree))
    for folder, name in _entries(tree, root, refused):
        path = os.path.join(folder, name) if folder else name  # noqa: PTH118
        target = root / path
        if target.is_dir() and not target.is_symlink():
            refused.append(path)
            continue
        given = attributes.get(os.fsencode(path))
        copy_entry(str(tree / path), str(target), times=True, given=given)
    return refused


def _entries(tree: Path, root: Path, refused: list[str]) -> Iterator[tuple[str, str]]:
    """The files of the tree, each with its folder, which is then there below the root."""
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(tree / folder) as found:
            for entry in sorted(found, key=lambda each: each.name):
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.name.lower() == ".git":
                    refused.append(path)
                elif not entry.is_dir(follow_symlinks=False):
                    yield folder, entry.name
                elif _make_folder(root / path):
                    pending.append(path)
                else:
                    refused.append(path)


def _make_folder(path: Path) -> bool:
    """Whether there is a real folder at `path`, made where nothing was."""
    try:
        path.mkdir()
    except FileExistsError:
        return stat.S_ISDIR(path.lstat().st_mode)
    return True
