"""What an undo makes of a file in each of its states, for each format."""

from dataclasses import replace

import pytest

from homeport.enroll.errors import ConflictError
from homeport.enroll.model import FileChange, FileState, KeyChange, Ownership
from homeport.enroll.threeway import merged, turned_round, undone


def state(content: str, mode: int = 0o644) -> FileState:
    return FileState(content, mode, 0, 0)


def change(
    before: str | None, after: str | None, *keys: KeyChange, form: str = "json"
) -> FileChange:
    return FileChange(
        "/etc/x",
        None if before is None else state(before),
        None if after is None else state(after),
        Ownership.KEYS if keys else Ownership.WHOLE,
        "why",
        form if keys else "",
        keys,
    )


NEW = KeyChange(("a", "b"), False, None, True, 1)


def test_objects_that_we_made_go_with_their_last_key() -> None:
    made = change('{"x": 1}', '{"x": 1, "a": {"b": 1}}', NEW)
    found = undone(made, state('{"x": 2, "a": {"b": 1}}'))
    assert found == state('{"x": 2}')
    found = undone(made, state('{"x": 2, "a": {"b": 1, "c": 3}}'))
    assert found == state('{"x": 2, "a": {"c": 3}}')
    kept = change('{"a": {}, "x": 1}', '{"a": {"b": 1}, "x": 1}', NEW)
    assert undone(kept, state('{"a": {"b": 1}, "x": 2}')) == state('{"a": {}, "x": 2}')


def test_a_file_that_we_made_goes_when_nothing_else_is_in_it() -> None:
    made = change(None, '{"a": {"b": 1}}', NEW)
    assert undone(made, state('{"a": {"b": 1}}\n')) is None
    assert undone(made, state('{"a": {"b": 1}, "x": 1}')) == state('{"x": 1}')


@pytest.mark.parametrize(("form", "ours"), [("toml", "[a]\nb = 1\n"), ("yaml", "a:\n  b: 1\n")])
def test_an_owners_comment_keeps_a_file_that_we_made(form: str, ours: str) -> None:
    made = change(None, ours, NEW, form=form)
    assert undone(made, state(ours)) is None
    assert undone(made, state(ours + "\n")) is None
    found = undone(made, state(f"# mine\n{ours}"))
    assert found is not None
    assert "# mine" in found.content
    assert "b" not in found.content


def test_types_count() -> None:
    made = change(
        '{"a": {"b": true}}', '{"a": {"b": 1}}', KeyChange(("a", "b"), True, True, True, 1)
    )
    with pytest.raises(ConflictError, match=r"a\.b was changed"):
        undone(made, state('{"a": {"b": 1.0}}'))
    with pytest.raises(ConflictError):
        undone(made, state('{"a": {"b": true} , "x": 1, "a2": 0}'.replace("true", "[1]")))
    found = undone(made, state('{"a": {"b": 1} }'))
    assert found == state('{"a": {"b": true} }')


def test_modes_are_compared_in_three_ways_too() -> None:
    made = change("a", "b")
    assert undone(made, state("b", 0o600)) == state("a", 0o600)
    private = replace(made, before=state("a", 0o600))
    assert undone(private, state("b")) == state("a", 0o600)


def test_a_file_that_we_removed_comes_back_unless_there_is_a_new_one() -> None:
    removed = change("a", None)
    assert undone(removed, None) == state("a")
    assert undone(removed, state("a")) == state("a")
    with pytest.raises(ConflictError, match="a new file"):
        undone(removed, state("b"))


def test_whole_files_that_somebody_has_changed_are_refused() -> None:
    with pytest.raises(ConflictError, match="somebody has changed") as caught:
        undone(change(None, "ours"), state("theirs"))
    assert "--keep /etc/x" in caught.value.hint


def test_two_changes_are_one_that_leads_from_the_first_to_the_last() -> None:
    key = KeyChange(("k",), False, None, True, 1)
    first = change("{}", '{"k": 1}', key)
    second = change('{"k": 1}', '{"k": 2}', KeyChange(("k",), True, 1, True, 2))
    both = merged(first, second)
    assert both.before == state("{}")
    assert both.keys == (KeyChange(("k",), False, None, True, 2),)
    theirs = change('{"k": 9}', '{"k": 2}', KeyChange(("k",), True, 9, True, 2))
    assert merged(first, theirs) == theirs
    assert merged(change(None, "a"), change("a", "b")).before is None
    assert merged(change(None, "a"), change("theirs", "b")).before == state("theirs")
    assert merged(change("a", None), change(None, "b")).before == state("a")


def test_the_way_back_is_the_way_turned_round() -> None:
    made = (change("{}", '{"a": {"b": 1}}', NEW), change(None, "x"))
    assert turned_round(turned_round(made)) == made
