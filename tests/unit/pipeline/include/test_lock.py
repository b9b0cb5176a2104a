"""homeport.lock: written, read, compared."""

import pytest

from homeport.errors import UsageError
from homeport.pipeline.include.api import Locked
from homeport.pipeline.include.lock import describe_changes, read_lock, write_lock

PROJECT = Locked(
    kind="project", source="h/g/p", ref="main", file="a.yml", commit="a" * 40, sha256="1" * 64
)
REMOTE = Locked(kind="remote", source='https://h/"ü\\\x7f😀.yml', sha256="2" * 64)
COMPONENT = Locked(
    kind="component", source="h/g/c", ref="1", file="templates/x.yml", commit="b" * 40,
    tag="1.2.0", sha256="3" * 64,
)  # fmt: skip


def test_what_is_written_is_read() -> None:
    entries = (REMOTE, PROJECT, COMPONENT)
    assert list(read_lock(write_lock(entries).encode()).values()) == [COMPONENT, PROJECT, REMOTE]


def test_the_text_does_not_depend_on_the_order() -> None:
    text = write_lock([PROJECT, REMOTE, COMPONENT, PROJECT])
    assert text == write_lock([COMPONENT, REMOTE, PROJECT])
    assert text.count("[[include]]") == 3


def test_one_change_is_one_line() -> None:
    before = write_lock([PROJECT, REMOTE]).splitlines()
    other = Locked(
        kind="project", source="h/g/p", ref="main", file="a.yml", commit="a" * 40, sha256="4" * 64
    )
    after = write_lock([other, REMOTE]).splitlines()
    assert len(before) == len(after)
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version = 2\n", "its version is 2, and this homeport reads version 1"),
        ("", "missing required field `version`"),
        ("version = 1\nmore = 1\n", "unknown field `more`"),
        ("version = 1\n[[include]]\nkind = 'a'\nsource = 'b'\n", "missing required field `sha256`"),
        ("version = 1\ninclude = 3\n", "Expected `array`"),
        ("version = [\n", "it is no TOML"),
        ("a = " + "[" * 100_000, "it is no TOML"),
        ("\udcff", "it is no TOML"),
    ],
)
def test_a_broken_lock(text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_lock(text.encode("utf-8", "surrogateescape"))
    (problem,) = raised.value.problems
    assert problem.message.startswith("homeport.lock cannot be used: ")
    assert message in problem.message


def test_changes_are_told_in_order() -> None:
    newer = Locked(
        kind="project", source="h/g/p", ref="main", file="a.yml", commit="c" * 40, sha256="1" * 64
    )
    old = {PROJECT.key: PROJECT, REMOTE.key: REMOTE}
    new = {newer.key: newer, COMPONENT.key: COMPONENT}
    assert describe_changes(old, new) == [
        f"+ component h/g/c:templates/x.yml at 1 {'b' * 12}",
        f"~ project h/g/p:a.yml at main {'a' * 12} -> {'c' * 12}",
        f"- remote {REMOTE.source} sha256:{'2' * 12}",
    ]
    assert describe_changes(old, old) == []
