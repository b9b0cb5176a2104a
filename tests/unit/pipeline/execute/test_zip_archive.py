"""Archives from elsewhere, hostile ones among them."""

import io
import stat
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from homeport.pipeline.execute import zip_archive
from homeport.pipeline.execute.stored_tree import lay_over, read_attributes
from homeport.pipeline.execute.zip_archive import BadArchiveError, unpack
from testbed.trees import a_tree

_TIME = b"UT\x05\x00\x01" + (1_600_000_000).to_bytes(4, "little")


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
    made.create_system, made.external_attr, made.extra = 3, mode << 16, _TIME
    return made


def archive(*entries: tuple[zipfile.ZipInfo, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as opened:
        for info, data in entries:
            opened.writestr(info, data, zipfile.ZIP_DEFLATED)
    return out


def laid(tmp_path: Path, made: io.BytesIO) -> Path:
    tree = a_tree(tmp_path)
    unpack(made, tree)
    tree.finish()
    target = tmp_path / "laid"
    target.mkdir()
    lay_over(tree.root, str(target))
    return target


def test_files_folders_and_links_come_out(tmp_path: Path) -> None:
    made = archive(
        (entry("deep/"), b""),
        (entry("deep/run", stat.S_IFREG | 0o755), b"#!"),
        (entry("large"), b"x" * 3_000_000),
        (entry("./dot"), b""),
        (entry("link", stat.S_IFLNK | 0o777), b"deep/run"),
    )
    target = laid(tmp_path, made)
    assert {path.name for path in target.iterdir()} == {"deep", "large", "dot", "link"}
    assert (target / "large").stat().st_size == 3_000_000
    assert str((target / "link").readlink()) == "deep/run"
    facts = (target / "deep/run").stat()
    assert (facts.st_mode & 0o7777, int(facts.st_mtime)) == (0o755, 1_600_000_000)


def test_rights_beyond_the_ordinary_are_dropped(tmp_path: Path) -> None:
    tree = a_tree(tmp_path)
    unpack(archive((entry("a", stat.S_IFREG | 0o6755), b"")), tree)
    tree.finish()
    assert [mode for mode, _, _ in read_attributes(tree.root).values()] == [0o755]


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/out", "a/.."])
def test_an_entry_that_leads_outside_refuses_the_archive(tmp_path: Path, name: str) -> None:
    tree = a_tree(tmp_path / "in")
    with pytest.raises(BadArchiveError, match="leads outside"):
        unpack(archive((entry(name), b"x")), tree)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_and_the_like_refuse_it(tmp_path: Path, kind: int) -> None:
    with pytest.raises(BadArchiveError, match="neither file, folder nor link"):
        unpack(archive((entry("a", kind | 0o666), b"")), a_tree(tmp_path))


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    made = archive(
        (entry("way", stat.S_IFLNK | 0o777), str(outside).encode()),
        (entry("way/in"), b"x"),
        (entry("file", stat.S_IFLNK | 0o777), f"{outside}/new".encode()),
        (entry("./file"), b"x"),
    )
    laid(tmp_path, made)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(("limit", "value"), [("MAX_SIZE", 999), ("MAX_ENTRIES", 0)])
def test_what_unpacks_to_too_much_is_refused_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(zip_archive, limit, value)
    tree = a_tree(tmp_path)
    with pytest.raises(BadArchiveError, match="more than"):
        unpack(archive((entry("a"), bytes(1000))), tree)
    assert tree.count == 0


def test_a_size_that_is_not_told_right_is_an_error(tmp_path: Path) -> None:
    data = archive((entry("a"), bytes(100_000))).getvalue()
    told = data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert told != data
    with pytest.raises(BadArchiveError):
        unpack(io.BytesIO(told), a_tree(tmp_path))


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_a_broken_archive_is_no_other_error(tmp_path: Path, cut: int) -> None:
    data = archive((entry("a"), bytes(range(200)))).getvalue()
    spoiled = data[:cut] + bytes([data[cut] ^ 0x5A]) + data[cut + 1 :]
    for broken in (data[:cut], spoiled):
        with suppress(BadArchiveError):  # or it comes out, where nothing that counts was hit
            unpack(io.BytesIO(broken), a_tree(tmp_path))
