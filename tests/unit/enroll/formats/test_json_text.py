"""Edits of JSON that leave everything else as it was."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.enroll.errors import BrokenFileError
from homeport.enroll.formats.json_text import drop_key, get_key, parse_object, set_key

KEYS = st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=5)
LAYOUTS: list[dict[str, Any]] = [
    {"indent": 2},
    {"indent": 4},
    {"indent": "\t"},
    {},
    {"separators": (",", ":")},
    {"indent": 2, "ensure_ascii": False},
]


@given(OBJECTS, VALUES, st.sampled_from(LAYOUTS), st.sampled_from(["\n", "", "\n\n"]))
def test_what_is_set_is_there_and_the_rest_as_before(
    values: dict[str, Any], value: Any, layout: dict[str, Any], end: str
) -> None:
    text = json.dumps(values, **layout) + end
    changed = set_key(text, "f", ["registry-mirrors"], value)
    assert json.loads(changed) == {**values, "registry-mirrors": value}
    assert list(json.loads(changed)) == list({**values, "registry-mirrors": value})
    if "registry-mirrors" not in values and values:
        assert drop_key(changed, "f", ["registry-mirrors"]) == text


@given(OBJECTS, KEYS, KEYS, VALUES)
def test_ways_through_objects(values: dict[str, Any], outer: str, inner: str, value: Any) -> None:
    text = json.dumps(values, indent=1)
    if outer in values and not isinstance(values[outer], dict):
        with pytest.raises(BrokenFileError):
            set_key(text, "f", [outer, inner], value)
        return
    changed = set_key(text, "f", [outer, inner], value)
    assert get_key(json.loads(changed), [outer, inner]) == (True, value)
    assert get_key(json.loads(drop_key(changed, "f", [outer, inner])), [outer, inner])[0] is False


@given(st.text(max_size=40) | OBJECTS.map(json.dumps))
def test_it_accepts_what_json_accepts(text: str) -> None:
    """Except keys that come twice, numbers that are none, and what is no object."""
    try:
        expected = json.loads(text)
    except (ValueError, RecursionError):
        expected = None
    refused = ""
    try:
        values, _ = parse_object(text, "f")
    except BrokenFileError as error:
        refused = error.message
    if refused:
        assert not isinstance(expected, dict) or "twice" in refused or "NaN" in text
    else:
        assert values == expected


CASES = [
    ('{\n  "a": 1\n}\n', '{\n  "a": 1,\n  "m": [\n    "x"\n  ]\n}\n'),
    ('{\n    "a": {\n        "b": 1\n    }\n}', None),
    ('{"a": 1, "b": 2}', '{"a": 1, "b": 2, "m": ["x"]}'),
    ("{}", '{\n  "m": [\n    "x"\n  ]\n}'),
    ("{ }\n", '{\n  "m": [\n    "x"\n  ]\n}\n'),
    ('{\r\n\t"a": 1\r\n}\r\n', '{\r\n\t"a": 1,\r\n\t"m": [\r\n\t\t"x"\r\n\t]\r\n}\r\n'),
    ('{"m": []}', '{"m": [\n  "x"\n]}'),
]


@pytest.mark.parametrize(("before", "after"), CASES)
def test_layout_is_kept(before: str, after: "str | None") -> None:
    changed = set_key(before, "f", ["m"], ["x"])
    if after is not None:
        assert changed == after
    assert json.loads(changed) == {**json.loads(before), "m": ["x"]}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "1:1", "empty"),
        ("  \n", "1:1", "empty"),
        ("[]", "1:1", "not a JSON object"),
        ('{\n  "a": 1,\n  "a": 2\n}', "3:3", "twice"),
        ('{\n  // why\n  "a": 1\n}', "2:3", "no comments"),
        ('{"a": 1,}', "1:9", "comma stands before the end"),
        ('{"a": [1,]}', "1:10", "comma stands before the end"),
        ('{"a" 1}', "1:6", "colon"),
        ('{"a": 1} x', "1:10", "follows the end"),
        ('{"a": tru}', "1:7", "value"),
        ("{'a': 1}", "1:2", "double quotes"),
        ('{"a": 1 "b": 2}', "1:9", "comma or }"),
        ("\ufeff{}", "1:1", "byte order mark"),
        ('{"a":' * 100 + "1" + "}" * 100, "", "deeply"),
    ],
)
def test_what_is_broken_is_refused_with_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(BrokenFileError) as caught:
        parse_object(text, "/etc/docker/daemon.json")
    assert words in caught.value.message
    assert place in caught.value.place
