"""Trees of artifacts and caches, made by hand."""

import io
from pathlib import Path

from homeport.pipeline.execute.objects import Objects
from homeport.pipeline.execute.stored_tree import StoredTree


def a_tree(folder: Path) -> StoredTree:
    return StoredTree(folder / "into", Objects(folder / "objects"))


def write_into(tree: StoredTree, path: str, text: str, mode: int = 0o644) -> None:
    data = text.encode()
    read = io.BytesIO(data).read
    tree.write(path, read, size=len(data), mode=mode, time=1_700_000_000_000_000_000)
