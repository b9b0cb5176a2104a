"""Artifacts over the user's working tree: what must not get there. The rest is tried for real."""

from pathlib import Path

from homeport.pipeline.execute.objects import Objects
from homeport.pipeline.execute.stored_tree import StoredTree
from homeport.pipeline.execute.to_source import copy_to_source
from testbed.trees import write_into


def test_a_file_that_was_changed_in_the_store_is_not_copied(tmp_path: Path) -> None:
    tree = StoredTree(tmp_path / "tree", Objects(tmp_path / "objects"))
    write_into(tree, "fine", "another text")
    write_into(tree, "spoiled", "text")
    tree.finish()
    (tmp_path / "tree/spoiled").chmod(0o644)
    (tmp_path / "tree/spoiled").write_text("evil")
    root = tmp_path / "root"
    root.mkdir()
    copied = copy_to_source("job", tmp_path / "tree", root, frozenset())
    assert [path.name for path in root.iterdir()] == ["fine"]
    assert copied.count == 1
    (warning,) = copied.warnings
    assert "the artifacts of job were not all copied" in warning
    assert f"{tmp_path}/tree/spoiled: it is not as it was written" in warning
