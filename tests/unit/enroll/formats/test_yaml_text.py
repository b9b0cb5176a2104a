"""YAML is read strictly, and edited without a byte that was not asked for."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from homeport.enroll.errors import BrokenFileError, EnrollError
from homeport.enroll.formats.yaml_text import drop_key, get_key, parse, set_key, write_block

REGISTRIES = """\
# the network's
mirrors:
  docker.io:   # hub
    endpoint:
      - "https://a"   # first
      - https://b
    rewrite: {"^x": y}
  quay.io: {endpoint: [ "https://q" ]}
configs: {}  # none yet
empty:
list:
- a
- b: c
  d: |
    foo

    bar
- - x
  - y
tail: 'it''s' # end
"""


def test_values_are_those_of_a_yaml_reader() -> None:
    found = parse(REGISTRIES, "f").values
    expected = yaml.safe_load(REGISTRIES)
    assert found.pop("list")[0] == expected.pop("list")[0]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\na: 2\n", "2:1", "twice"),
        ("a: &x 1\n", "1:4", "anchor"),
        ("a: *x\n", "1:4", "alias"),
        ("*: 1\n", "1:1", "alias"),
        ("a: !t 1\n", "1:4", "tag"),
        ("<<: {}\n", "1:1", "merge"),
        ("a: {<<: 1}\n", "1:5", "merge"),
        ("? a\n: b\n", "1:1", "complex"),
        ("%YAML 1.2\n", "1:1", "directive"),
        ("a:\n\tb: 1\n", "2:1", "tab"),
        ("a: b\n  c\n", "2:3", "indented more"),
        ("a: b: c\n", "1:5", "goes on"),
        ("a: [1\n", "2:1", "comma"),
        ("a: [b: c]\n", "1:5", "pair"),
        ('a: "x\n', "1:4", "no end"),
        ("- a\n", "1:1", "no map"),
        ("a: 1\n---\nb: 1\n", "2:1", "belong"),
        ("a: 1\n...\nb: 1\n", "3:1", "more than one"),
        ("\ufeffa: 1\n", "1:1", "byte order"),
        ("a: \udc80\n", "1:4", "UTF-8"),
        ("a:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 60)), "34:", "deeply"),
        ("a: " + "[" * 60 + "\n", "1:", "deeply"),
    ],
)
def test_what_is_refused(text: str, place: str, words: str) -> None:
    with pytest.raises(BrokenFileError, match=words) as caught:
        parse(text, "f.yaml")
    assert caught.value.place.startswith(f"f.yaml:{place}")


@pytest.mark.parametrize(
    "way",
    [
        ("mirrors", "docker.io", "endpoint"),
        ("mirrors", "ghcr.io", "endpoint"),
        ("mirrors", "quay.io", "endpoint"),
        ("mirrors", "quay.io", "rewrite"),
        ("configs", "m.corp:5443", "tls", "ca_file"),
        ("empty", "a", "b"),
        ("list", "1", "e"),
        ("new", "a"),
        ("tail",),
    ],
)
def test_one_key_changes(way: "tuple[str, ...]") -> None:
    for ends in ("\n", "\r\n"):
        text = REGISTRIES.replace("\n", ends)
        old = get_key(parse(text, "f").values, way)[1]
        value = ["https://n:5443", *(old if isinstance(old, list) else [])]
        changed = set_key(text, "f", way, value)
        assert get_key(yaml.safe_load(changed), way) == (True, value)
        for line in text.splitlines():
            kept = line in changed.splitlines()
            assert kept or way[0] in line or way[1] in line, line
        assert ("\r\n" in changed) == (ends == "\r\n")
        assert set_key(changed, "f", way, value) == changed
        assert get_key(parse(drop_key(changed, "f", way), "f").values, way)[0] is False


def test_items_before_others_keep_them_and_their_comments() -> None:
    changed = set_key(
        REGISTRIES, "f", ("mirrors", "docker.io", "endpoint"), ["m", "https://a", "https://b"]
    )
    assert changed == REGISTRIES.replace('      - "https://a"', '      - m\n      - "https://a"')


@pytest.mark.parametrize("text", ["", "# only this\n", "---\n", "a: 1"])
def test_keys_of_an_empty_or_unended_file(text: str) -> None:
    changed = set_key(text, "f", ("mirrors", "docker.io"), "x")
    assert changed.startswith(text)
    assert yaml.safe_load(changed)["mirrors"] == {"docker.io": "x"}


def test_what_is_no_map_is_not_made_one() -> None:
    with pytest.raises(BrokenFileError, match="a is no map"):
        set_key("a: 1\n", "f.yaml", ("a", "b"), 1)
    with pytest.raises(EnrollError):
        set_key("a: [1]\n", "f.yaml", ("a", "7", "b"), 1)


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
_SCALARS = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | _TEXT
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(_TEXT, _VALUES, max_size=5), _TEXT, _VALUES)
def test_what_is_written_reads_back_and_goes_again(
    values: "dict[str, object]", key: str, value: object
) -> None:
    text = "".join(line + "\n" for line in write_block(values))
    assert parse(text, "f").values == values == yaml.safe_load(text)
    changed = set_key(text, "f", (key,), value)
    assert yaml.safe_load(changed) == {**values, key: value}
    if key not in values and values:
        assert drop_key(changed, "f", (key,)) == text
