"""The caches of a job: what is looked for, what is kept, and what is said."""

import errno
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from homeport.pipeline.execute.api import (
    ExecutorError,
    Exit,
    Selection,
    Sink,
    Snapshot,
    Stop,
)
from homeport.pipeline.execute.artifacts import missing_words
from homeport.pipeline.execute.cache import JobCaches
from homeport.pipeline.execute.cache_key import KeySources, folder_name
from homeport.pipeline.execute.cache_store import CacheStore
from homeport.pipeline.execute.environment import expand_as_runner
from homeport.pipeline.execute.stored_tree import StoredTree
from homeport.pipeline.model.config import Cache, CacheKey
from testbed.trees import write_into


class Workspace:
    """A session that has files and nothing else."""

    project_dir = "/builds/g/n"

    def __init__(self, files: Mapping[str, str], error: Exception | None = None) -> None:
        self._files = files
        self._error = error

    def put(self, snapshot: Snapshot, artifacts: Sequence[Path]) -> None:
        raise AssertionError(snapshot, artifacts)

    def run(self, script: str, sink: Sink, stop: Stop) -> Exit:
        raise AssertionError(script, sink, stop)

    def collect(self, selection: Selection, into: StoredTree) -> tuple[str, ...]:
        if self._error is not None:
            raise self._error
        found = [path for path in selection.paths if path in self._files]
        for path in found:
            write_into(into, path, self._files[path])
        return tuple(path for path in selection.paths if path not in found)

    def close(self) -> None:
        raise AssertionError


class Bench:
    def __init__(self, folder: Path) -> None:
        self.store = CacheStore(folder, 1000)
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def caches(self, *caches: Cache, **env: str) -> JobCaches:
        self.notes.clear()
        self.warnings.clear()
        nowhere = Path("/nonexistent")
        return JobCaches(
            caches,
            self.store,
            KeySources(root=nowhere, files=(), repository=nowhere, sha="0" * 40, committed=True),
            expand=lambda text: expand_as_runner(text, env),
            env=env,
            secrets=frozenset(("s3cret",)),
            note=self.notes.append,
            warn=self.warnings.append,
        )

    def save(
        self, cache: Cache, files: Mapping[str, str], *, success: bool = True, **env: str
    ) -> None:
        self.caches(cache, **env).save(Workspace(files), success=success)

    def restored(self, *caches: Cache, **env: str) -> list[dict[str, str]]:
        with self.caches(*caches, **env).restored() as trees:
            return [{path.name: path.read_text() for path in tree.iterdir()} for tree in trees]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "cache")


def cache(key: str = "default", *paths: str, **fields: object) -> Cache:
    return Cache(key=CacheKey(key=key), paths=paths or ("x",), **fields)  # type: ignore[arg-type]


FILES = {"x": "1", "y": "2"}


def test_what_is_kept_is_restored_and_said(bench: Bench) -> None:
    assert bench.restored(cache("$K"), K="k") == []
    assert bench.notes == ["Checking cache for k-non_protected...", "No cache is there yet"]
    bench.save(cache("$K", "$Y", "z"), FILES, K="k", Y="y")
    assert bench.notes == ["Creating cache k-non_protected...", "Created cache (1 entry, 1 B)"]
    assert bench.warnings == [f"WARNING: {missing_words('z', '/builds/g/n')}"]
    assert bench.restored(cache("k")) == [{"y": "2"}]
    assert bench.notes == [
        "Checking cache for k-non_protected...", "Extracting cache (1 entry, 1 B)",
    ]  # fmt: skip


def test_several_come_in_order(bench: Bench) -> None:
    bench.save(cache("a", "x"), FILES)
    bench.save(cache("b", "y"), FILES)
    assert bench.restored(cache("b"), cache("none"), cache("a")) == [{"y": "2"}, {"x": "1"}]


@pytest.mark.parametrize(
    ("policy", "reads", "writes"),
    [
        ("pull-push", True, True),
        ("", True, True),
        ("pull", True, False),
        ("push", False, True),
        ("$P", True, False),
    ],
)
def test_policies(bench: Bench, policy: str, reads: bool, writes: bool) -> None:
    bench.save(cache(), {"x": "old"})
    assert bool(bench.restored(cache(policy=policy), P="pull")) is reads
    bench.save(cache(policy=policy), {"x": "new"}, P="pull")
    assert bench.restored(cache()) == [{"x": "new" if writes else "old"}]


def test_an_unknown_policy_fails_as_on_the_runner(bench: Bench) -> None:
    with pytest.raises(ExecutorError, match="unknown cache policy both for default-non_protected"):
        bench.restored(cache(policy="both"))


@pytest.mark.parametrize(
    ("when", "success", "kept"),
    [
        ("on_success", True, True),
        ("on_success", False, False),
        ("on_failure", True, False),
        ("on_failure", False, True),
        ("always", True, True),
        ("always", False, True),
    ],
)
def test_when(bench: Bench, when: str, success: bool, kept: bool) -> None:
    bench.save(cache(when=when), FILES, success=success)
    assert bool(bench.restored(cache())) is kept


FALLBACKS: list[tuple[tuple[str, ...], dict[str, str], str | None]] = [
    (("a",), {}, "a"),
    (("none", "$K", "b"), {"K": "a"}, "a"),
    (("", "b"), {"CACHE_FALLBACK_KEY": "a-non_protected"}, "b"),
    ((), {"CACHE_FALLBACK_KEY": "a-non_protected"}, "a"),
    ((), {"CACHE_FALLBACK_KEY": "a"}, None),
    ((), {"CACHE_FALLBACK_KEY": "c-protected"}, None),
    ((), {"CACHE_FALLBACK_KEY": "c%2dprotected/../c-protected "}, None),
    (("c",), {"CI_COMMIT_REF_PROTECTED": "true"}, "c"),
    (("a",), {"CI_COMMIT_REF_PROTECTED": "true"}, None),
]


@pytest.mark.parametrize(("keys", "env", "expected"), FALLBACKS)
def test_fallback_keys(
    bench: Bench, keys: tuple[str, ...], env: dict[str, str], expected: str | None
) -> None:
    for name in ("a", "b"):
        bench.save(cache(name), {"x": name})
    bench.save(cache("c"), {"x": "c"}, CI_COMMIT_REF_PROTECTED="true")
    found = bench.restored(cache("new", fallback_keys=keys), **env)
    assert found == ([] if expected is None else [{"x": expected}])


def test_a_forbidden_fallback_key_is_said(bench: Bench) -> None:
    bench.restored(cache(), CACHE_FALLBACK_KEY="a-protected")
    assert bench.warnings == [
        'WARNING: CACHE_FALLBACK_KEY "a-protected" not allowed to end in "-protected"'
    ]


def test_a_key_that_had_to_be_cleaned_is_said(bench: Bench) -> None:
    bench.save(cache("../$K"), FILES, K="a/../b")
    assert bench.warnings == [
        'WARNING: cache key "../a/../b-non_protected" sanitized to "b-non_protected"'
    ]
    assert bench.restored(cache("b")) == [{"x": "1"}]


def test_a_cache_of_nothing_does_nothing(bench: Bench) -> None:
    empty = Cache(key=CacheKey(key="a"))
    bench.save(empty, FILES)
    assert bench.restored(empty) == []
    assert bench.notes == bench.warnings == []


def test_no_file_keeps_what_is_there(bench: Bench) -> None:
    bench.save(cache(), FILES)
    bench.save(cache(), {})
    assert bench.notes[-1] == "No files to cache"
    assert bench.restored(cache()) == [{"x": "1"}]


def test_a_secret_in_a_key_is_in_no_folder(bench: Bench, tmp_path: Path) -> None:
    bench.save(cache("k-$T"), FILES, T="s3cret")
    assert bench.restored(cache("k-$T"), T="s3cret") == [{"x": "1"}]
    assert [path for path in tmp_path.rglob("*") if "s3cret" in str(path)] == []


def test_a_key_that_cannot_be_made_leaves_the_cache_out(bench: Bench) -> None:
    broken = Cache(key=CacheKey(files_commits=("a",)), paths=("x",))
    bench.save(cache(), FILES)
    assert bench.restored(broken, cache()) == [{"x": "1"}]
    [warning] = bench.warnings
    assert warning.startswith("WARNING: Skipping a cache whose key cannot be made: ")


FAILURES: list[tuple[Exception, str]] = [
    (ExecutorError("the engine is gone"), "the engine is gone"),
    (OSError(errno.ENOSPC, "No space left on device", "/c/x"), "/c/x: No space left on device"),
    (OSError(errno.ENOSPC, "No space left on device"), "the cache: No space left on device"),
]


@pytest.mark.parametrize(("error", "words"), FAILURES)
def test_what_cannot_be_kept_is_a_warning(bench: Bench, error: Exception, words: str) -> None:
    bench.save(cache(), {"x": "old"})
    bench.caches(cache()).save(Workspace({}, error), success=True)
    assert bench.warnings == [f"WARNING: Failed to create cache: {words}"]
    assert bench.restored(cache()) == [{"x": "old"}]


def test_what_is_too_large_is_a_warning(bench: Bench) -> None:
    bench.save(cache(), {"x": "x" * 2048})
    assert bench.warnings == [
        "WARNING: Failed to create cache: 2.0 KiB are more than keep_cache_size"
    ]


def take_a_file(folder: Path) -> None:
    next(folder.glob("*/tree/x")).unlink()


def close_the_folder(folder: Path) -> None:
    for version in folder.iterdir():
        (version / "lock").unlink()
        (version / "lock").mkdir()


@pytest.mark.parametrize("damage", [take_a_file, close_the_folder])
def test_a_broken_cache_gives_way_to_the_next(
    bench: Bench, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    bench.save(cache("a"), FILES)
    bench.save(cache("b"), {"x": "b"})
    damage(tmp_path / "cache" / folder_name("a-non_protected", ()))
    assert bench.restored(cache("a", fallback_keys=("b",))) == [{"x": "b"}]
    [warning] = bench.warnings
    assert warning.startswith("WARNING: Failed to extract cache: ")
    bench.save(cache("a"), {"x": "new"})
    assert bench.warnings == []
    assert bench.restored(cache("a")) == [{"x": "new"}]
