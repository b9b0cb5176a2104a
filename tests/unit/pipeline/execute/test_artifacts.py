from pathlib import Path

import pytest

from homeport.pipeline.execute.api import ExecutorError, Selection
from homeport.pipeline.execute.artifacts import (
    Matcher,
    literal_base,
    missing_words,
    relative_to,
    take_out,
)
from homeport.pipeline.execute.objects import Objects
from homeport.pipeline.execute.stored_tree import StoredTree, lay_over

FILES = (
    "a.txt",
    "b.log",
    ".hidden",
    "build/app",
    "build/app.map",
    "build/lib/x.so",
    "build/lib/deep/y.so",
    "docs/index.html",
    "src/main.c",
)
EMPTY = ("build/empty",)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    for name in EMPTY:
        (root / name).mkdir()
    return root


def taken(
    root: Path, into: Path, selection: Selection, *untracked: str
) -> tuple[set[str], tuple[str, ...]]:
    tree = StoredTree(into, Objects(into.parent / "objects"))
    unmatched = take_out(str(root), selection, tree, untracked=untracked)
    tree.finish()
    found = {path.relative_to(into).as_posix() for path in into.rglob("*")}
    assert tree.count <= len(found)
    return {path for path in found if not (into / path).is_dir() or path in EMPTY}, unmatched


@pytest.mark.parametrize(
    ("paths", "exclude", "expected"),
    [
        (["a.txt"], [], {"a.txt"}),
        (["./a.txt"], [], {"a.txt"}),
        (["build/lib"], [], {"build/lib/x.so", "build/lib/deep/y.so"}),
        (["build/lib/"], [], {"build/lib/x.so", "build/lib/deep/y.so"}),
        (
            ["build/*"],
            [],
            {"build/app", "build/app.map", "build/lib/x.so", "build/lib/deep/y.so", "build/empty"},
        ),
        (["build/*.map", "*.txt"], [], {"build/app.map", "a.txt"}),
        (["**/*.so"], [], {"build/lib/x.so", "build/lib/deep/y.so"}),
        (["build/**/y.so"], [], {"build/lib/deep/y.so"}),
        (["**/lib"], [], {"build/lib/x.so", "build/lib/deep/y.so"}),
        (["{docs,src}/*"], [], {"docs/index.html", "src/main.c"}),
        (["{docs/index.html,build/lib/x.so}"], [], {"docs/index.html", "build/lib/x.so"}),
        (["[ab].*"], [], {"a.txt", "b.log"}),
        (["."], ["**"], set()),
        (["./"], ["build/**", "docs/**", "src/**"], {"a.txt", "b.log", ".hidden"}),
        (
            ["build"],
            ["build/lib"],
            {"build/app", "build/app.map", "build/lib/x.so", "build/lib/deep/y.so", "build/empty"},
        ),
        (["build"], ["build/lib/**", "build/*.map"], {"build/app", "build/empty"}),
        (["build"], ["**/*.so"], {"build/app", "build/app.map", "build/empty"}),
        (["docs/../a.txt"], [], {"a.txt"}),
    ],
)
def test_patterns_choose_files(
    root: Path, tmp_path: Path, paths: list[str], exclude: list[str], expected: set[str]
) -> None:
    selection = Selection(paths=tuple(paths), exclude=tuple(exclude))
    found, unmatched = taken(root, tmp_path / "out", selection)
    assert found == expected
    assert unmatched == (() if expected else tuple(paths))


def test_an_absolute_pattern_inside_the_project(root: Path, tmp_path: Path) -> None:
    found, unmatched = taken(root, tmp_path / "out", Selection(paths=(f"{root}/docs/*.html",)))
    assert (found, unmatched) == ({"docs/index.html"}, ())


@pytest.mark.parametrize(
    "pattern", ["../secret", "/etc/passwd", "docs/../../secret", "nothing", "*.zip", "../**"]
)
def test_what_is_not_there_or_outside_is_unmatched(
    root: Path, tmp_path: Path, pattern: str
) -> None:
    (tmp_path / "secret").write_text("secret")
    found, unmatched = taken(root, tmp_path / "out", Selection(paths=("a.txt", pattern)))
    assert (found, unmatched) == ({"a.txt"}, (pattern,))


def test_links_are_taken_as_links_and_never_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    (root / "build/way").symlink_to(tmp_path / "outside")
    (root / "build/near").symlink_to("lib")
    selection = Selection(
        paths=("build/*", "build/way/secret", "build/way/**/*", "build/near/x.so")
    )
    _, unmatched = taken(root, tmp_path / "out", selection)
    out = tmp_path / "out/build"
    assert (out / "way").readlink() == tmp_path / "outside"
    assert (out / "near").readlink() == Path("lib")
    assert "build/way/secret" in unmatched
    assert "build/way/**/*" in unmatched


def test_a_file_is_reached_through_a_link_inside_the_project(root: Path, tmp_path: Path) -> None:
    (root / "near").symlink_to("build/lib")
    found, unmatched = taken(root, tmp_path / "out", Selection(paths=("near/x.so",)))
    assert (found, unmatched) == ({"near/x.so"}, ())
    assert not (tmp_path / "out/near").is_symlink()


def test_untracked_files(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (root / "way").symlink_to(tmp_path)
    selection = Selection(untracked=True, exclude=("*.log",))
    names = ("a.txt", "b.log", "../secret", "/etc/passwd", "way/secret", "gone", "docs/")
    found, unmatched = taken(root, tmp_path / "out", selection, *names)
    assert (found, unmatched) == ({"a.txt"}, ())
    assert (tmp_path / "out/docs").is_dir()


def test_untracked_files_stay_out_unless_asked_for(root: Path, tmp_path: Path) -> None:
    found, _ = taken(root, tmp_path / "out", Selection(paths=("a.txt",)), "b.log")
    assert found == {"a.txt"}


def test_modes_and_times_are_kept(root: Path, tmp_path: Path) -> None:
    (root / "build/app").chmod(0o775)
    taken(root, tmp_path / "out", Selection(paths=("build",)))
    (tmp_path / "again").mkdir()
    lay_over(str(tmp_path / "out"), str(tmp_path / "again"))
    copy, original = (tmp_path / "again/build/app").stat(), (root / "build/app").stat()
    assert (copy.st_mode, copy.st_mtime_ns) == (original.st_mode, original.st_mtime_ns)


def test_a_target_that_cannot_be_written_is_said(root: Path, tmp_path: Path) -> None:
    tree = StoredTree(tmp_path / "out", Objects(tmp_path / "objects"))
    (tmp_path / "out").rmdir()
    with pytest.raises(ExecutorError, match="cannot take the artifacts"):
        take_out(str(root), Selection(paths=("a.txt",)), tree)


@pytest.mark.parametrize(
    ("pattern", "base"),
    [
        ("a/b", "a/b"),
        ("a/*.c", "a"),
        ("*.c", ""),
        ("a/b*/c", "a"),
        ("a/{b,c}", "a"),
        ("a/\\*b", "a"),
        ("", ""),
    ],
)
def test_the_literal_base_of_a_pattern(pattern: str, base: str) -> None:
    assert literal_base(pattern) == base


def test_bases_do_not_overlap() -> None:
    matcher = Matcher(Selection(paths=("a/b/*", "a", "c/*.txt", "../x", "/p/d")), "/p")
    assert matcher.bases == ("a", "c", "d")


@pytest.mark.parametrize(
    ("pattern", "relative"),
    [
        ("a", "a"),
        ("./a//b/", "a/b"),
        (".", ""),
        ("/p", ""),
        ("/p/a", "a"),
        ("/pa", None),
        ("..", None),
        ("../p/a", "a"),
        ("/etc", None),
    ],
)
def test_patterns_relative_to_the_project(pattern: str, relative: str | None) -> None:
    assert relative_to("/p", pattern) == relative


def test_the_runners_words() -> None:
    assert missing_words("./out/", "/p") == (
        "out: no matching files. Ensure that the artifact path is relative to the working "
        "directory (/p)"
    )
    assert missing_words("../out", "/p") == (
        "artifact path is not a subpath of project directory: ../out"
    )
