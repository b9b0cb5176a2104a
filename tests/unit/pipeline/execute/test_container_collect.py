"""Artifacts from tar streams, hostile ones among them. The contract of executors has the rest."""

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from homeport.engine.api import ContainerSpec, ImageInfo, PathInfo
from homeport.engine.fake import FakeEngine
from homeport.pipeline.execute.api import ExecutorError, Selection
from homeport.pipeline.execute.container_collect import collect
from homeport.pipeline.execute.objects import Objects
from homeport.pipeline.execute.stored_tree import StoredTree, read_attributes

PROJECT = "/builds/g/p"
Entry = tuple[str, bytes, str]
"""Name in the archive, type, and content or link target."""


def tar(*entries: Entry) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, text in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.mtime = kind, 0o4755, 1_000_000_000
            if kind == tarfile.REGTYPE:
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
            else:
                entry.linkname = text
                archive.addfile(entry)
    return out.getvalue()


FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


class Hostile(FakeEngine):
    """Answers each archive with prepared bytes, whatever is in the container."""

    def __init__(self, archives: dict[str, bytes], links: Mapping[str, str] = {}) -> None:
        super().__init__()
        self._archives = archives
        self._links = links

    def path_info(self, container: str, path: str) -> PathInfo | None:  # noqa: ARG002
        target = self._links.get(path)
        return PathInfo(directory=target is None, symlink=target is not None, target=target or "")

    def get_archive(self, container: str, path: str) -> Iterator[bytes] | None:  # noqa: ARG002
        data = self._archives.get(path)
        return None if data is None else iter([data[:700], data[700:]])


def taken(
    engine: FakeEngine,
    into: Path,
    *paths: str,
    untracked: bool = False,
    tracked: frozenset[str] = frozenset(),
) -> tuple[dict[str, str], tuple[str, ...]]:
    container = next(iter(engine.held), "c")
    tree = StoredTree(into, Objects(f"{into}-objects"))
    unmatched = collect(
        engine,
        container,
        project_dir=PROJECT,
        selection=Selection(paths=paths, untracked=untracked),
        tracked=tracked,
        into=tree,
    )
    tree.finish()
    found = {
        path.relative_to(into).as_posix(): (
            f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        )
        for path in into.rglob("*")
        if path.is_symlink() or path.is_file()
    }
    return found, unmatched


def taken_from(into: Path, *entries: Entry, links: Mapping[str, str] = {}) -> dict[str, str]:
    """What is taken by `out/` of an archive of that folder."""
    engine = Hostile({f"{PROJECT}/out": tar(*entries)}, links)
    return taken(engine, into, "out/")[0]


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("out/../../escape", FILE, "x"),
        ("/out/absolute", FILE, "x"),
        ("out/./dot", FILE, "x"),
        ("out/device", tarfile.CHRTYPE, ""),
        ("out/block", tarfile.BLKTYPE, ""),
        ("out/pipe", tarfile.FIFOTYPE, ""),
        ("out/hard", HARD, "/etc/passwd"),
        ("out/hard", HARD, "out/../../../etc/passwd"),
        ("out/hard", HARD, "out/none"),
    ],
)
def test_what_is_not_taken(tmp_path: Path, name: str, kind: bytes, text: str) -> None:
    entries = [("out", FOLDER, ""), (name, kind, text), ("out/fine", FILE, "fine")]
    assert taken_from(tmp_path / "into", *entries) == {"out/fine": "fine"}
    own = {"into", "into+attributes", "into-objects"}
    assert {path.name for path in tmp_path.iterdir()} == own


def test_nothing_is_written_through_a_symlink(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    found = taken_from(
        tmp_path / "into",
        ("out", FOLDER, ""),
        ("out/way", LINK, str(outside)),
        ("out/way/file", FILE, "escaped"),
        ("out/target", LINK, str(outside / "new")),
        ("out/target", FILE, "also"),
    )
    assert list(outside.iterdir()) == []
    assert found["out/target"] == f"-> {outside / 'new'}"


def test_a_symlink_that_stands_in_the_folder_already_makes_way(tmp_path: Path) -> None:
    outside, into = tmp_path / "outside", tmp_path / "into"
    outside.mkdir()
    into.mkdir()
    (into / "out").symlink_to(outside)
    assert taken_from(into, ("out", FOLDER, ""), ("out/file", FILE, "x")) == {"out/file": "x"}
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    "header",
    [{"mtime": "nan"}, {"mtime": "inf"}, {"path": "out/a\0b"}, {"path": "out/a", "linkpath": "\0"}],
)
def test_an_archive_that_cannot_be_is_said(tmp_path: Path, header: dict[str, str]) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("out"))
        entry = tarfile.TarInfo("out/file")
        entry.pax_headers = header
        entry.type = LINK if "linkpath" in header else FILE
        archive.addfile(entry)
    with pytest.raises(ExecutorError, match="the engine sent a broken archive"):
        taken(Hostile({f"{PROJECT}/out": out.getvalue()}), tmp_path / "into", "out/")


def test_rights_beyond_the_ordinary_are_dropped(tmp_path: Path) -> None:
    taken_from(tmp_path, ("out", FOLDER, ""), ("out/file", FILE, "x"))
    noted = read_attributes(str(tmp_path))
    assert noted == {b"out/file": (0o755, 1_000_000_000 * 10**9, 1)}


def test_hard_links_become_files_also_when_the_first_name_is_not_taken(tmp_path: Path) -> None:
    whole = tar(
        ("p", FOLDER, ""),
        ("p/a", FILE, "both"),
        ("p/out", FOLDER, ""),
        ("p/out/b", HARD, "p/a"),
        ("p/out/c", HARD, "p/out/b"),
    )
    alone = tar(("b", FILE, "both"))
    engine = Hostile({PROJECT: whole, f"{PROJECT}/out/b": alone})
    assert taken(engine, tmp_path / "one", "**/b")[0] == {"out/b": "both"}
    assert taken(engine, tmp_path / "all", "*")[0] == {
        "a": "both",
        "out/b": "both",
        "out/c": "both",
    }


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ({f"{PROJECT}/out": "/etc"}, {"out": "-> /etc"}),
        ({f"{PROJECT}/out": f"{PROJECT}/real/here"}, {"out": "-> real/here"}),
        ({PROJECT: "/etc"}, {}),
    ],
)
def test_a_path_that_is_a_symlink(
    tmp_path: Path, links: dict[str, str], expected: dict[str, str]
) -> None:
    entries = [("out", FOLDER, ""), ("out/passwd", FILE, "root")]
    assert taken_from(tmp_path, *entries, links=links) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/etc", {}), (f"{PROJECT}-other", {}), (f"{PROJECT}/real", {"way/deep/file": "x"})],
)
def test_a_path_that_leads_through_a_symlink(
    tmp_path: Path, target: str, expected: dict[str, str]
) -> None:
    archive = tar(("deep", FOLDER, ""), ("deep/file", FILE, "x"))
    engine = Hostile({f"{PROJECT}/way/deep": archive}, {f"{PROJECT}/way": target})
    found, unmatched = taken(engine, tmp_path, "way/deep/")
    assert found == expected
    assert unmatched == (() if expected else ("way/deep/",))


@pytest.mark.parametrize("cut", [100, 1100, 1300])
def test_an_archive_that_ends_early_is_an_error(tmp_path: Path, cut: int) -> None:
    data = tar(("out", FOLDER, ""), ("out/file", FILE, "x" * 1000))[:cut]
    engine = Hostile({f"{PROJECT}/out": data})
    with pytest.raises(ExecutorError, match="broken archive"):
        taken(engine, tmp_path, "out/")


def test_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("homeport.pipeline.execute.objects.os.write", full)
    with pytest.raises(ExecutorError, match=r"cannot take the artifacts: .*No space left"):
        taken_from(tmp_path, ("out", FOLDER, ""), ("out/file", FILE, "x"))


@pytest.fixture
def engine() -> FakeEngine:
    """A real container in memory, with files of several kinds."""
    info = ImageInfo(id="1", entrypoint=(), command=(), user="", env={})
    made = FakeEngine(images={"x:latest": info})
    container = made.create(ContainerSpec(image="x", name="c"))
    made.put_archive(
        container,
        "/",
        [
            tar(
                ("builds", FOLDER, ""),
                ("builds/g", FOLDER, ""),
                ("builds/g/p", FOLDER, ""),
                ("builds/g/p/.git", FOLDER, ""),
                ("builds/g/p/.git/HEAD", FILE, "sha"),
                ("builds/g/p/tracked", FILE, "t"),
                ("builds/g/p/new", FILE, "n"),
                ("builds/g/p/dir", FOLDER, ""),
                ("builds/g/p/dir/new", FILE, "d"),
                ("builds/g/p/empty", FOLDER, ""),
            )
        ],
    )
    return made


def test_untracked_is_all_that_git_does_not_know(engine: FakeEngine, tmp_path: Path) -> None:
    found, unmatched = taken(
        engine, tmp_path, "none", untracked=True, tracked=frozenset(["tracked"])
    )
    assert found == {"new": "n", "dir/new": "d"}
    assert unmatched == ("none",)


def test_only_what_can_match_is_asked_for(engine: FakeEngine, tmp_path: Path) -> None:
    found, unmatched = taken(engine, tmp_path, "dir/*", "new", "absent/*.txt")
    assert found == {"new": "n", "dir/new": "d"}
    assert unmatched == ("absent/*.txt",)
    assert engine.calls["get_archive"] == 2


def test_an_empty_folder_is_an_entry(engine: FakeEngine, tmp_path: Path) -> None:
    assert taken(engine, tmp_path, "empty/") == ({}, ())
    assert (tmp_path / "empty").is_dir()
