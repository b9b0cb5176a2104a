import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from homeport.pipeline.execute.api import ExecutorError, Snapshot
from homeport.pipeline.execute.workspace import copy_entry, copy_tree, lay_out, overlay, remove


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def snapshot(root: Path, *files: str) -> Snapshot:
    return Snapshot(root=root, files=files, git=None, objects=None)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "src/deep").mkdir(parents=True)
    (root / "src/deep/file").write_text("content")
    (root / "tool").write_text("#!/bin/sh\n")
    (root / "tool").chmod(0o755)
    (root / "link").symlink_to("src/deep/file")
    (root / "dangling").symlink_to("/nowhere/at/all")
    return root


def test_files_links_and_modes_arrive(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "ws"
    lay_out(snapshot(tree, "src/deep/file", "tool", "link", "dangling"), str(target))
    assert (target / "src/deep/file").read_text() == "content"
    assert stat.S_IMODE((target / "tool").stat().st_mode) == 0o755
    assert (target / "link").readlink() == Path("src/deep/file")
    assert (target / "dangling").readlink() == Path("/nowhere/at/all")


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_modes_arrive_whatever_the_umask_is(tree: Path, tmp_path: Path, umask: int) -> None:
    (tmp_path / "ws").mkdir()
    before = os.umask(umask)
    try:
        for name in ("src/deep/file", "tool"):
            copy_entry(str(tree / name), str(tmp_path / "ws" / Path(name).name))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "ws").iterdir()}
    assert modes == {"file": 0o644, "tool": 0o755}


def test_copies_are_no_hard_links(tree: Path, tmp_path: Path) -> None:
    lay_out(snapshot(tree, "tool"), str(tmp_path / "ws"))
    (tmp_path / "ws/tool").write_text("changed")
    assert (tree / "tool").read_text() == "#!/bin/sh\n"
    assert (tree / "tool").stat().st_nlink == 1


def test_what_is_gone_is_left_out_and_a_submodule_is_empty(tree: Path, tmp_path: Path) -> None:
    (tree / "sub").mkdir()
    (tree / "sub/inside").write_text("not listed")
    lay_out(snapshot(tree, "tool", "gone", "no/folder", "sub", "nested/"), str(tmp_path / "ws"))
    assert names(tmp_path / "ws") == ["sub", "tool"]
    assert names(tmp_path / "ws/sub") == []


def test_nothing_is_read_through_a_linked_folder(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    (tree / "way").symlink_to(tmp_path / "outside")
    lay_out(snapshot(tree, "way/secret", "../outside/secret", "tool"), str(tmp_path / "ws"))
    assert names(tmp_path / "ws") == ["tool"]


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)


@pytest.mark.parametrize("make", [make_fifo, make_socket])
def test_what_has_no_content_is_left_out(
    tree: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tree / "odd")
    lay_out(snapshot(tree, "odd", "tool"), str(tmp_path / "ws"))
    assert names(tmp_path / "ws") == ["tool"]


def test_a_large_file_arrives_whole(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "a").write_bytes(content)
    assert copy_entry(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == content


def test_a_workspace_that_cannot_be_made_is_said(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExecutorError, match=r"cannot lay out the workspace: .*/file"):
        lay_out(snapshot(tree, "tool"), str(tmp_path / "file/ws"))


def test_artifacts_replace_and_keep_their_times(tmp_path: Path) -> None:
    one, two, target = (tmp_path / name for name in ("one", "two", "ws"))
    for folder in (one, two, target):
        (folder / "out").mkdir(parents=True)
    (target / "out/a").write_text("old")
    (target / "out/kept").write_text("kept")
    (one / "out/a").write_text("one")
    (one / "out/b").symlink_to("a")
    (one / "empty").mkdir()
    (two / "out/b").write_text("two")
    os.utime(one / "out/a", ns=(1, 10**18))
    overlay(str(one), str(target))
    overlay(str(two), str(target))
    assert (target / "out/a").read_text() == "one"
    assert (target / "out/a").stat().st_mtime_ns == 10**18
    assert (target / "out/b").read_text() == "two"
    assert not (target / "out/b").is_symlink()
    assert (target / "out/kept").read_text() == "kept"
    assert (target / "empty").is_dir()


@pytest.mark.parametrize("target_of_link", ["outside", "outside/file"])
def test_artifacts_never_write_through_a_link(tmp_path: Path, target_of_link: str) -> None:
    outside, tree, target = (tmp_path / name for name in ("outside", "tree", "ws"))
    outside.mkdir()
    (outside / "file").write_text("mine")
    target.mkdir()
    (target / "way").symlink_to(tmp_path / target_of_link)
    (tree / "way").mkdir(parents=True)
    (tree / "way/file").write_text("theirs")
    overlay(str(tree), str(target))
    assert (outside / "file").read_text() == "mine"
    assert (target / "way/file").read_text() == "theirs"


def test_an_artifact_in_place_of_a_folder_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a").write_text("file")
    (tmp_path / "ws/a").mkdir(parents=True)
    with pytest.raises(ExecutorError, match=r"cannot put the artifacts in place: .*ws/a"):
        overlay(str(tmp_path / "tree"), str(tmp_path / "ws"))


def test_a_tree_is_removed_whatever_its_modes_and_links(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    tree = tmp_path / "tree"
    (tree / "locked/deep").mkdir(parents=True)
    (tree / "locked/deep/file").write_text("")
    (tree / "link").symlink_to(tmp_path)
    (tree / "locked/deep").chmod(0o500)
    (tree / "locked").chmod(0o000)
    remove(str(tree))
    remove(str(tree))
    assert names(tmp_path) == ["kept"]


def test_a_very_deep_tree_is_removed(tmp_path: Path) -> None:
    here = Path.cwd()
    folder = Path("folder")
    try:
        (tmp_path / "deep").mkdir()
        os.chdir(tmp_path / "deep")
        for _ in range(1500):
            folder.mkdir()
            os.chdir(folder)
    finally:
        os.chdir(here)
    remove(str(tmp_path / "deep"))
    assert names(tmp_path) == []


def test_two_thousand_small_files_arrive(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for number in range(20):
        (source / f"d{number}").mkdir(parents=True)
        for index in range(100):
            (source / f"d{number}/f{index}").write_bytes(b"x" * 500)
    (tmp_path / "copy").mkdir()
    copy_tree(str(source), str(tmp_path / "copy"))
    assert sum(len(names) for _, _, names in os.walk(tmp_path / "copy")) == 2000
