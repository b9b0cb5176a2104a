"""What lies in a container job's workspace: snapshot, repository, artifacts, file variables."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from homeport.pipeline.execute.api import Snapshot
from homeport.pipeline.execute.container_archive import Item, tree_items

BUILDS_DIR = "/builds"


def container_project_dir(project_path: str) -> str:
    """`CI_PROJECT_DIR` of a container job, as the Runner's docker executor has it."""
    parts = [part for part in project_path.split("/") if part not in ("", ".", "..")]
    return "/".join((BUILDS_DIR, *parts)) if parts else f"{BUILDS_DIR}/project"


def workspace_items(
    project: str,
    sources: Iterator[Item],
    artifacts: Sequence[Path],
    files: Mapping[str, str],
) -> Iterator[Item]:
    """Everything to put into a container, later entries over earlier ones; `project` is the
    project's folder, relative to where they are put."""
    yield project, None
    yield f"{project}.tmp", None
    yield from sources
    for tree in artifacts:
        yield from tree_items(project, os.fspath(tree))
    for name, content in sorted(files.items()):
        yield f"{project}.tmp/{name}", content.encode("utf-8", "surrogateescape")


def snapshot_items(project: str, snapshot: Snapshot) -> Iterator[Item]:
    """The listed files; one that is reached through a symlink is not in the tree any more."""
    root, real = os.fspath(snapshot.root), {"": True}
    for file in sorted(snapshot.files):
        path = file.rstrip("/")
        if all(part not in ("", ".", "..") for part in path.split("/")) and _is_real(
            root, path.rpartition("/")[0], real
        ):
            yield f"{project}/{path}", f"{root}/{path}"


def _is_real(root: str, folder: str, known: dict[str, bool]) -> bool:
    found = known.get(folder)
    if found is None:
        found = _is_real(root, folder.rpartition("/")[0], known) and _is_folder(f"{root}/{folder}")
        known[folder] = found
    return found


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False
