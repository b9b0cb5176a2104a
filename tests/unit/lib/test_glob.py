import time

import pytest

from homeport.lib.glob import any_glob, compile_glob


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("docker.io/library/nginx", "docker.io/library/nginx", True),
        ("docker.io/library/nginx", "dockerxio/library/nginx", False),
        ("docker.io/*", "docker.io/nginx", True),
        ("docker.io/*", "docker.io/library/nginx", False),
        ("docker.io/**", "docker.io/library/nginx", True),
        ("docker.io/**", "docker.iox/library/nginx", False),
        ("**/nginx", "docker.io/library/nginx", True),
        ("**/nginx", "docker.io/library/nginx-x", False),
        ("robot$a", "robot$ab", False),
        ("robot$?", "robot$a", True),
        ("a?c", "a/c", False),
        ("*", "", True),
        ("v1.*", "v1\n2", False),
        ("v1.*", "v1.\n", True),
        ("[a-z]", "b", False),
        ("[a-z]", "[a-z]", True),
        ("a+", "aa", False),
        ("é*", "éa", True),
    ],
)
def test_a_glob_matches_whole_texts(pattern: str, text: str, matches: bool) -> None:
    assert compile_glob(pattern)(text) is matches
    assert any_glob((pattern, "never"))(text) is matches


def test_no_pattern_takes_long() -> None:
    start = time.perf_counter()
    assert not compile_glob("**a" * 100 + "b")("a" * 250 + "/" + "a" * 250)
    assert time.perf_counter() - start < 0.5


def test_no_patterns_match_nothing() -> None:
    assert not any_glob(())("")
