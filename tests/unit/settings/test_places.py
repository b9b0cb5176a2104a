"""The line and column of every key of a TOML text, however it is written."""

import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.settings.places import KeyPath, places, position
from homeport.settings.source import locate

TEXT = """\
# [mirror] in a comment = nothing
title = "a # b = [c]"  # and = here
[mirror]
data = '''
[not.a.table]
key = 1
'''
more = \"\"\"x\\"\"\" [y] = \"\"\"\"\"
a.b . "c.d" = 1979-05-27 07:32:00

[mirror.upstreams."docker.io"]
urls = ["https://a", # first
  'https://b',
]
[[mirror.rules]]
name = "one"
  [mirror.rules.claims]
  x = { y = 1, "z" = [ { w = 2 }, { w = 3 } ] }
[[mirror.rules]]
name = "two"
[[mirror.rules.inner]]
k = 1
[[mirror.rules.inner]]
k = 2
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("title",), (2, 1)),
        (("mirror",), (3, 1)),
        (("mirror", "data"), (4, 1)),
        (("mirror", "more"), (8, 1)),
        (("mirror", "a", "b", "c.d"), (9, 1)),
        (("mirror", "upstreams", "docker.io"), (11, 1)),
        (("mirror", "upstreams", "docker.io", "urls"), (12, 1)),
        (("mirror", "upstreams", "docker.io", "urls", 1), (13, 3)),
        (("mirror", "rules", 0), (15, 1)),
        (("mirror", "rules", 0, "name"), (16, 1)),
        (("mirror", "rules", 0, "claims", "x", "y"), (18, 9)),
        (("mirror", "rules", 0, "claims", "x", "z", 1, "w"), (18, 37)),
        (("mirror", "rules", 1), (19, 1)),
        (("mirror", "rules", 1, "name"), (20, 1)),
        (("mirror", "rules", 1, "inner", 1, "k"), (24, 1)),
        (("mirror", "rules", 1, "nothing"), (19, 1)),
        (("elsewhere",), (1, 1)),
    ],
)
def test_a_path_has_a_place(path: KeyPath, place: tuple[int, int]) -> None:
    assert position(TEXT, path) == place


def test_dotted_keys_find_quoted_names() -> None:
    span = locate(TEXT, "homeport.toml", "mirror.upstreams.docker.io.urls")
    assert str(span) == "homeport.toml:12:1"
    assert locate(TEXT, "f", "mirror.upstreams.docker.io.nothing").line == 11


def test_depth_costs_little() -> None:
    started = time.monotonic()
    for text in ("a" + ".a" * 400_000 + " = 1\n", "x = " + "[" * 200 + "]" * 200, "k=1\n" * 9):
        places(text)
    assert time.monotonic() - started < 2


def _paths(value: object, path: KeyPath = ()) -> set[KeyPath]:
    found = {path} if path else set()
    if isinstance(value, dict):
        return found.union(*(_paths(item, (*path, key)) for key, item in value.items()))
    if isinstance(value, list):
        return found.union(*(_paths(item, (*path, index)) for index, item in enumerate(value)))
    return found


def test_every_key_that_tomllib_sees_is_found() -> None:
    assert set(places(TEXT)) - {("mirror", "rules"), ("mirror", "rules", 1, "inner")} == _paths(
        tomllib.loads(TEXT)
    ) - {("mirror", "rules"), ("mirror", "rules", 1, "inner")}


KEY = st.sampled_from(("a", "b-1", '"q.r"', "'l'", '"\\u0041"'))
SCALAR = st.sampled_from(("1", "-0.5e3", "true", '"#]}"', "'x,y'", '"""\n"\\""""', "'''a\n'b'''"))
VALUE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[ # c\n{', '.join(items)}\n]")
        | st.dictionaries(KEY, inner, max_size=3).map(
            lambda items: "{" + ", ".join(f"{key} = {item}" for key, item in items.items()) + "}"
        )
    ),
    max_leaves=6,
)


@given(st.dictionaries(KEY, VALUE, max_size=4), st.sampled_from(("", "[t.u]\n", "[[t]]\n")))
def test_the_scanner_agrees_with_tomllib(pairs: dict[str, str], head: str) -> None:
    text = head + "".join(f"{key}  =  {value}\n" for key, value in pairs.items())
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a newline in an inline table
        return
    assert set(places(text)) == _paths(data)


@given(st.text())
def test_any_text_comes_to_an_end(text: str) -> None:
    places(text)
