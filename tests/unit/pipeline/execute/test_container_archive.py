import io
import os
import tarfile
from itertools import chain
from pathlib import Path

import pytest

from homeport.pipeline.execute.api import Snapshot
from homeport.pipeline.execute.container_archive import Item, pack, tree_items
from homeport.pipeline.execute.container_workspace import (
    container_project_dir,
    snapshot_items,
    workspace_items,
)


def members(*items: Item) -> list[tuple[str, str, int]]:
    """Name, content (or `->` target, or `/`) and mode of each entry, in order."""
    found = []
    with tarfile.open(fileobj=io.BytesIO(b"".join(pack(items, 1_000_000_000)))) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            text = content.read().decode() if content else f"-> {member.linkname}"
            assert (member.uid, member.gid) == (0, 0)
            found.append((member.name, "/" if member.isdir() else text, member.mode))
    return found


def test_folders_come_first_and_once() -> None:
    assert members(("a/b/x", b"1"), ("a/b/y", b"2"), ("a/c", None)) == [
        ("a", "/", 0o777),
        ("a/b", "/", 0o777),
        ("a/b/x", "1", 0o666),
        ("a/b/y", "2", 0o666),
        ("a/c", "/", 0o777),
    ]


@pytest.mark.parametrize(
    ("mode", "expected"), [(0o600, 0o666), (0o444, 0o666), (0o755, 0o777), (0o700, 0o777)]
)
def test_files_may_be_written_by_any_user(tmp_path: Path, mode: int, expected: int) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    file.chmod(mode)
    assert members(("file", str(file))) == [("file", "text", expected)]


def test_symlinks_stay_symlinks(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/etc/passwd")
    (tmp_path / "loop").symlink_to("loop")
    assert members(*tree_items("t", str(tmp_path))) == [
        ("t", "/", 0o777),
        ("t/loop", "-> loop", 0o777),
        ("t/out", "-> /etc/passwd", 0o777),
    ]


def test_what_is_no_file_or_is_gone_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    assert (
        members(
            ("pipe", str(tmp_path / "pipe")),
            ("gone", str(tmp_path / "gone")),
            ("file/below", str(tmp_path / "file/below")),
        )
        == []
    )


def test_a_later_file_takes_the_place_of_a_folder_and_back() -> None:
    assert members(("a/b", b"1"), ("a", b"2"), ("a/c", b"3")) == [
        ("a", "/", 0o777),
        ("a/b", "1", 0o666),
        ("a", "2", 0o666),
        ("a", "/", 0o777),
        ("a/c", "3", 0o666),
    ]


def test_a_folder_takes_the_place_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to("/etc")
    assert members(("way", str(tmp_path / "way")), ("way/x", b"1")) == [
        ("way", "-> /etc", 0o777),
        ("way", "/", 0o777),
        ("way/x", "1", 0o666),
    ]


def test_odd_and_long_names_survive() -> None:
    names = ["sp ace", "\u00e9", "new\nline", "x" * 200, "/".join(["y" * 90] * 4)]
    raw = os.fsdecode(b"not-utf8-\xff")
    items = tuple((name, b"") for name in [*names, raw])
    data = b"".join(pack(items, 0))
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        assert [member.name for member in archive if member.isfile()] == [*names, raw]


def test_big_files_stream_in_pieces(tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(os.urandom(3_000_000))
    chunks = list(pack([("big", str(file))], 0))
    assert max(map(len, chunks)) < 1_000_000
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        content = archive.extractfile("big")
        assert content is not None
        assert content.read() == file.read_bytes()


@pytest.mark.parametrize("size", [0, 10, 2_000_000])
def test_a_file_that_changes_while_it_is_read_breaks_nothing(tmp_path: Path, size: int) -> None:
    file = tmp_path / "changing"
    file.write_bytes(b"x" * 1_000_000)
    chunks = pack([("changing", str(file)), ("after", b"fine")], 0)
    first = next(chunks)
    with file.open("r+b") as writer:
        writer.truncate(size)
    with tarfile.open(fileobj=io.BytesIO(first + b"".join(chunks))) as archive:
        assert [(member.name, member.size) for member in archive] == [
            ("changing", 1_000_000),
            ("after", 4),
        ]


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).write_text(name)
    first, second = (
        b"".join(pack(tree_items("t", str(tmp_path)), 1_000_000_000)) for _ in range(2)
    )
    assert first == second
    names = [name for name, _, _ in members(*tree_items("t", str(tmp_path)))]
    assert names == ["t", "t/a", "t/b", "t/c"]


def test_a_workspace_in_its_order(tmp_path: Path) -> None:
    root, artifacts = tmp_path / "root", tmp_path / "artifacts"
    (root / "dir").mkdir(parents=True)
    (root / "dir/z").write_text("z")
    (root / "a").write_text("a")
    (root / "module").mkdir()
    artifacts.mkdir()
    (artifacts / "a").write_text("newer")
    (tmp_path / "secret").write_text("secret")
    (root / "way").symlink_to(tmp_path)
    files = ("dir/z", "a", "module", "gone", "way/secret", "../secret")
    snapshot = Snapshot(root=root, files=files, git=None, objects=None)
    sources = chain(snapshot_items("builds/g/p", snapshot), [("builds/g/p/.git/HEAD", b"sha")])
    items = workspace_items("builds/g/p", sources, [artifacts], {"F": "v"})
    assert members(*items) == [
        ("builds", "/", 0o777),
        ("builds/g", "/", 0o777),
        ("builds/g/p", "/", 0o777),
        ("builds/g/p.tmp", "/", 0o777),
        ("builds/g/p/a", "a", 0o666),
        ("builds/g/p/dir", "/", 0o777),
        ("builds/g/p/dir/z", "z", 0o666),
        ("builds/g/p/module", "/", 0o777),
        ("builds/g/p/.git", "/", 0o777),
        ("builds/g/p/.git/HEAD", "sha", 0o666),
        ("builds/g/p/a", "newer", 0o666),
        ("builds/g/p.tmp/F", "v", 0o666),
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("g/p", "/builds/g/p"),
        ("a/b/c", "/builds/a/b/c"),
        ("../../etc", "/builds/etc"),
        ("", "/builds/project"),
        ("/x/", "/builds/x"),
    ],
)
def test_project_folders(path: str, expected: str) -> None:
    assert container_project_dir(path) == expected
