"""Which tag a component's version stands for."""

import pytest

from homeport.pipeline.include.versions import choose_tag, is_range, is_sha

TAGS = (
    "1.0.0", "1.0.1", "1.2.0", "1.2.10", "1.2.9", "1.10.0-rc.1", "v2.0.0", "2.0.0-alpha",
    "2.1.0+build.5", "10.0.0-beta", "0.9.0", "nightly", "3", "3.1", "01.5.0", "1.2.3.4",
)  # fmt: skip


@pytest.mark.parametrize(
    ("version", "tag"),
    [
        ("~latest", "2.1.0+build.5"),
        ("1", "1.2.10"),
        ("1.0", "1.0.1"),
        ("1.2", "1.2.10"),
        ("1.10", None),
        ("2", "2.1.0+build.5"),
        ("2.0", "v2.0.0"),
        ("0", "0.9.0"),
        ("3", None),
        ("10", None),
        ("01", "1.2.10"),
    ],
)
def test_a_range_is_its_newest_release(version: str, tag: str | None) -> None:
    assert is_range(version)
    assert choose_tag(version, TAGS) == tag
    assert choose_tag(version, reversed(TAGS)) == tag


@pytest.mark.parametrize(
    "version", ["1.2.3", "main", "latest", "~new", "v1", "1.x", "", "1.", "1\n", "٣"]
)
def test_anything_else_is_a_ref(version: str) -> None:
    assert not is_range(version)


@pytest.mark.parametrize(
    ("text", "answer"),
    [("a" * 40, True), ("0" * 64, True), ("a" * 39, False), ("A" * 40, False), ("g" * 40, False)],
)
def test_full_shas(text: str, answer: bool) -> None:
    assert is_sha(text) is answer
