from time import process_time

import pytest

from homeport.errors import UsageError
from homeport.pipeline.conditions.globs import doublestar, doublestar_exclude, ruby_fnmatch


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("Dockerfile", "Dockerfile", True),
        ("Dockerfile", "sub/Dockerfile", False),
        ("*.go", "main.go", True),
        ("*.go", "cmd/main.go", False),
        ("/*.go", "main.go", False),
        ("src/**/*.go", "src/main.go", True),
        ("src/**/*.go", "src/a/b/main.go", True),
        ("src/**", "src/a", True),
        ("src/**", "src/a/b", False),
        ("**/*", "a/b/c", True),
        ("**/*", "a", True),
        ("**.rb", "b.rb", True),
        ("**.rb", "a/b.rb", False),
        ("**/a*/**/b", "x/a1/y/z/b", True),
        ("**/a*/**/b", "x/y/z/b", False),
        ("**/**/b", "b", True),
        ("docs/", "docs", False),
        ("a?b", "a/b", False),
        ("a*b*c", "aXbYbZc", True),
        ("*a", "ba/a", False),
        # hidden files are no exception (DOTMATCH)
        ("*", ".env", True),
        ("**/foo", ".a/.b/foo", True),
        # escapes
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        (r"\{a,b}", "{a,b}", True),
        (r"a\/b", "a/b", True),
        # classes, as Ruby reads them
        ("[ab].c", "b.c", True),
        ("[!ab].c", "b.c", False),
        ("[^ab].c", "x.c", True),
        ("[^ab]", "/", False),
        ("[a-c]", "b", True),
        ("[z-a]", "z", True),
        ("[z-a]", "m", False),
        (r"[\]]", "]", True),
        ("[]a]", "]", False),
        ("[!]x", "qx", True),
        ("[ab", "a", False),
        ("[ab", "[ab", False),
        ("[a-]", "-", True),
        ("[[a]", "[", True),
        # braces
        ("*.{js,ts}", "a.ts", True),
        ("{a,b{c,d}}.rb", "bd.rb", True),
        ("{a,b{c,d}}.rb", "b.rb", False),
        ("{,x}y", "y", True),
        ("{**/,}y", "a/b/y", True),
        ("{a}", "a", True),
        ("{a", "{a", False),
        ("a}", "a}", True),
        ("", "", True),
        ("*\n", "a\n", True),
    ],
)
def test_ruby_fnmatch(pattern: str, path: str, matches: bool) -> None:
    assert ruby_fnmatch(pattern, path) is matches


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("build", "build", True),
        ("build", "build/a/b", True),
        ("build", "builds/a", False),
        ("build/", "build/a", True),
        ("./build//x", "build/x/y", True),
        ("a/../b", "b/c", True),
        ("build/*", "build/a/b", True),
        ("*.txt", "x.txt", True),
        ("*.txt", "a/x.txt", False),
        ("**/*.txt", "x.txt", True),
        ("**/*.txt", "a/b/x.txt", True),
        ("**/c", "a/b/c/d", True),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**/d", "a/b/c/d", True),
        ("a/**/", "a/b", True),
        ("**", "a/b", True),
        ("**abc", "abc", True),
        ("**abc", "x/abc", False),
        ("*", ".hidden", True),
        ("{a,b}/x", "b/x", True),
        ("{[,]a,b}", ",a", True),
        ("[]a]", "]", False),
        ("[z-a]", "z", True),
        ("[a-", "a", False),
        ("[^a]b", "xb", True),
        (".", "a/b", True),
        ("", "a/b", True),
        ("../x", "x", False),
        ("a/../../x", "x", False),
        ("/etc/passwd", "etc/passwd", False),
    ],
)
def test_doublestar(pattern: str, path: str, matches: bool) -> None:
    assert doublestar(pattern, path) is matches


@pytest.mark.parametrize(
    ("pattern", "path", "excluded"),
    [
        ("build", "build/a", False),
        ("build/a", "build/a", True),
        ("build/*", "build/a/b", False),
        ("build/**", "build/a/b", True),
        ("build/**/*", "build/a/b", True),
        ("**/*.o", "a/b.o", True),
        ("*.o", "a/b.o", False),
    ],
)
def test_doublestar_exclude(pattern: str, path: str, excluded: bool) -> None:
    assert doublestar_exclude(pattern, path) is excluded


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 40 + "b", "a"),
        ("**/a/" * 40 + "b", "a/"),
        ("*[a-z]?" * 40 + "/", "a"),
        ("**/*a*a*a*a*b", "a"),
        ("{*a,*b,*c}" * 5 + "/", "abc"),
        ("*" * 200 + "b", "a"),
    ],
)
def test_hostile_patterns_take_near_linear_time(pattern: str, path: str) -> None:
    def cost(size: int) -> float:
        text = path * (size // len(path))
        ruby_fnmatch(pattern, text)
        start = process_time()
        assert not ruby_fnmatch(pattern, text)
        return process_time() - start

    small, large = (min(cost(size) for _ in range(3)) for size in (2_000, 32_000))
    # Sixteen times the size: a square would cost 256 times as much.
    assert large < 100 * max(small, 0.0005)


@pytest.mark.parametrize("match", [ruby_fnmatch, doublestar])
def test_too_many_alternatives_are_one_clear_error(match: object) -> None:
    assert callable(match)
    with pytest.raises(UsageError, match="more than 1000 alternatives"):
        match("{a,b}" * 30, "x")
