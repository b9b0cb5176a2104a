"""Keys of caches: GitLab's composition, the Runner's cleaning, the names of folders."""

import hashlib
from pathlib import Path

import pytest

from homeport.pipeline.execute.cache_key import (
    KeySources,
    compose_key,
    folder_name,
    sanitize,
)
from homeport.pipeline.model.config import Cache, CacheKey

SANITIZED = [
    ("", ""),
    ("default", "default"),
    ("a/b", "a/b"),
    ("a//b/", "a/b"),
    ("../../etc/x", "etc/x"),
    ("a/../b", "b"),
    ("..", ""),
    (".", ""),
    ("/", ""),
    ("%2e%2E", ""),
    ("..%2f..%2Fx", "x"),
    ("a\\b", "a/b"),
    ("a%20b", "a%20b"),
    ("key \t", "key"),
    ("a/ ", "a"),
    ("a / ", "a"),
    (" ", ""),
    (" a", " a"),
]


@pytest.mark.parametrize(("key", "clean"), SANITIZED)
def test_sanitize(key: str, clean: str) -> None:
    assert sanitize(key) == clean


def blob(text: str, algorithm: str = "sha1") -> str:
    data = text.encode()
    return hashlib.new(algorithm, b"blob %d\0" % len(data) + data).hexdigest()


def digest(*ids: str) -> str:
    return hashlib.sha1("-".join(sorted(set(ids))).encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
def sources(tmp_path: Path) -> KeySources:
    root = tmp_path / "tree"
    (root / "a").mkdir(parents=True)
    for path, text in {"lock": "1", "a/lock": "2", "same": "1", "ignored": "3"}.items():
        (root / path).write_text(text)
    (root / "link").symlink_to("lock")
    return KeySources(
        root=root,
        files=("lock", "a/lock", "same", "link", "gone", "a"),
        repository=root,
        sha="0" * 40,
        committed=True,
    )


ONE, TWO = blob("1"), blob("2")
COMPOSED = [
    (CacheKey(key="default"), "default"),
    (CacheKey(key="$CI_JOB_NAME"), "$CI_JOB_NAME"),
    (CacheKey(key=""), ""),
    (CacheKey(files=("lock",)), f"1-{digest(ONE)}"),
    (CacheKey(files=("lock",), prefix="$P"), f"$P-{digest(ONE)}"),
    (CacheKey(files=("lock",), prefix=""), digest(ONE)),
    (CacheKey(files=("a/lock", "lock")), f"1-{digest(ONE, TWO)}"),
    (CacheKey(files=("lock", "a/lock")), f"1-{digest(ONE, TWO)}"),
    (CacheKey(files=("lock", "same", "lock")), f"1-{digest(ONE)}"),
    (CacheKey(files=("**lock",)), f"1-{digest(ONE, TWO)}"),
    (CacheKey(files=("*lock",)), f"1-{digest(ONE)}"),
    (CacheKey(files=("link",)), f"1-{digest(blob('lock'))}"),
    (CacheKey(files=("absent",)), "1-default"),
    (CacheKey(files=("gone", "a")), "1-default"),
    (CacheKey(files=("ignored", "../outside")), "1-default"),
    (CacheKey(), "1-default"),
]


@pytest.mark.parametrize(("key", "composed"), COMPOSED)
def test_compose(sources: KeySources, key: CacheKey, composed: str) -> None:
    found = compose_key(Cache(key=key), 1, sources, protected=False)
    assert found == f"{composed}-non_protected"


@pytest.mark.parametrize(
    ("protected", "unprotect", "suffix"),
    [
        (False, False, "non_protected"),
        (True, False, "protected"),
        (True, True, "non_protected"),
        (False, True, "non_protected"),
    ],
)
def test_what_is_protected_is_apart(
    sources: KeySources, protected: bool, unprotect: bool, suffix: str
) -> None:
    cache = Cache(unprotect=unprotect)
    assert compose_key(cache, 0, sources, protected=protected) == f"default-{suffix}"


def test_contents_have_the_names_of_the_repositorys_own_hash(sources: KeySources) -> None:
    large = KeySources(
        root=sources.root, files=("lock",), repository=sources.root, sha="0" * 64, committed=True
    )
    key = compose_key(Cache(key=CacheKey(files=("lock",))), 0, large, protected=False)
    assert key == f"0-{digest(blob('1', 'sha256'))}-non_protected"


def test_names_of_folders_are_apart_and_plain() -> None:
    keys = ["a", "A", "a/b", "a-b", "a b", "..", "k" * 300, "k" * 301, "\udcff", "ä", "ö"]
    names = [folder_name(key, ()) for key in keys]
    assert names[0] == "a"
    assert len(set(names)) == len(keys)
    assert all(name.isascii() and "/" not in name and len(name) < 100 for name in names)
    assert not any(name.startswith(".") for name in names)


def test_a_secret_is_in_no_name() -> None:
    first, second = (folder_name(key, {"s3cret", ""}) for key in ("k-s3cret", "k-s3cret-2"))
    assert "s3cret" not in first
    assert first != second
    assert folder_name("k", {"s3cret", ""}) == "k"
