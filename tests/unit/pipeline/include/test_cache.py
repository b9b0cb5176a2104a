"""The cache of includes: what is kept is found, what is damaged is not."""

from hashlib import sha256
from pathlib import Path

import pytest

from homeport.pipeline.include.cache import IncludeCache, cache_folder, in_words


def test_content_is_found_by_its_hash(tmp_path: Path) -> None:
    cache = IncludeCache(tmp_path / "includes")
    digest = cache.keep(b"a: 1")
    assert digest == sha256(b"a: 1").hexdigest()
    assert IncludeCache(tmp_path / "includes").content(digest) == b"a: 1"
    assert cache.content("0" * 64) is None
    assert cache.content("../../x") is None


def test_a_damaged_file_counts_as_absent(tmp_path: Path) -> None:
    cache = IncludeCache(tmp_path / "includes")
    digest = cache.keep(b"a: 1")
    cache.note("remote", "https://h/a.yml", digest=digest)
    for path in (tmp_path / "includes").rglob("*"):
        if path.is_file():
            path.write_bytes(b"evil")
    assert cache.content(digest) is None
    assert cache.entry("remote", "https://h/a.yml") is None


def test_an_index_tells_what_a_ref_was(tmp_path: Path) -> None:
    cache = IncludeCache(tmp_path / "includes")
    cache.note("ref", "h/g/p", "1", commit="a" * 40, tag="1.2.0")
    entry = cache.entry("ref", "h/g/p", "1")
    assert entry is not None
    assert (entry.commit, entry.tag, entry.sha256) == ("a" * 40, "1.2.0", None)
    assert 0 <= entry.age < 60
    assert cache.entry("ref", "h/g/p\x001") is None


def test_no_address_is_written_in_clear(tmp_path: Path) -> None:
    cache = IncludeCache(tmp_path / "includes")
    cache.note("remote", "https://u:s3cr3t@h/a.yml", digest=cache.keep(b"a"))
    for path in (tmp_path / "includes").rglob("*"):
        assert "s3cr3t" not in str(path)
        assert path.is_dir() or b"s3cr3t" not in path.read_bytes()


def test_the_folders_are_the_users_alone(tmp_path: Path) -> None:
    IncludeCache(tmp_path / "homeport" / "includes").keep(b"a")
    for path in (tmp_path / "homeport").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert (tmp_path / "homeport").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_may_write_is_not_used(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "includes"
    folder.mkdir()
    folder.chmod(mode)
    cache = IncludeCache(folder)
    cache.keep(b"a")
    assert cache.folder is None
    assert list(folder.iterdir()) == []


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for cache in (IncludeCache(None), IncludeCache(tmp_path / "file" / "includes")):
        digest = cache.keep(b"a")
        cache.note("a", digest=digest)
        assert (cache.content(digest), cache.entry("a")) == (None, None)


@pytest.mark.parametrize(
    ("home", "base", "folder"),
    [
        ("/home/me", None, "/home/me/.cache/homeport/includes"),
        ("/home/me", "/c", "/c/homeport/includes"),
        ("/home/me", "relative", "/home/me/.cache/homeport/includes"),
        (None, None, None),
    ],
)
def test_where_it_is(home: str | None, base: str | None, folder: str | None) -> None:
    found = cache_folder(home, base)
    assert found == (None if folder is None else Path(folder))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "a moment"), (60, "1 minute"), (7300, "2 hours"), (86400, "1 day"), (1e6, "11 days")],
)
def test_ages_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
