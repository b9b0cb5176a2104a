"""The TOML reader beside the standard library's, and edits that leave everything else as it was."""

import contextlib
import time
import tomllib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from homeport.enroll.errors import BrokenFileError
from homeport.enroll.formats.toml_text import (
    add_table,
    drop_key,
    get_key,
    parse,
    remove_table,
    set_key,
    write_value,
)

PIECES = [
    "a",
    "b",
    '"a b"',
    "'c'",
    "a.b",
    "a . 'c'",
    ".",
    " ",
    "\t",
    "\n",
    "\r\n",
    "=",
    " = ",
    "[",
    "]",
    "[[",
    "]]",
    "[a]\n",
    "[[a]]\n",
    "[a.b]\n",
    "[[a.b]]\n",
    "[b]\n",
    "a = 1\n",
    "b.c = 2\n",
    "a.b.c = 3\n",
    "b = [1, 2,]\n",
    "a = {}\n",
    "a = { b = 1, c.d = 2 }\n",
    "a = [{ b = 1 }]\n",
    "{",
    "}",
    ",",
    "#",
    "# c\n",
    "1",
    "-0",
    "+7",
    "0x1F",
    "0o7",
    "0b1",
    "01",
    "1_000",
    "1__0",
    "1.5",
    "1e3",
    ".5",
    "1.",
    "inf",
    "-nan",
    "true",
    "false",
    '"',
    "'",
    '"""',
    "'''",
    "\\",
    "\\n",
    "\\u00e9",
    "\\ud800",
    "\\U0010FFFF",
    "\\x",
    "\\\n  ",
    "é",
    "\x00",
    "\x7f",
    "\r",
    "1979-05-27",
    "1979-05-27T07:32:00Z",
    "1979-05-27 07:32:00.123456789",
    "07:32:00",
    "1979-13-01",
    "1979-02-30",
    "1979-05-27T07:32:00+01:00",
    "1979-05-27t07:32:00z",
    "tru",
    "\ufeff",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=30)


def _standard(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return None


@settings(max_examples=1500, deadline=None)
@given(TEXTS)
@example("[a.b.c]\nz=9\n[a]\nb.t=1\n")
@example("a.b=1\n[a.c]\nd=1\n")
@example("a.b=1\n[a]\nc=1\n")
@example("[[a.b]]\n[a]\nb.y=2\n")
@example("[[a]]\n[a.b]\n[[a]]\n[a.b]\n")
@example("a=[]\n[[a]]\n")
@example("[a]\nb.c=1\nb.d=2\n[a.b.e]\n")
@example("a={b.c=1,b.d=2}\n[a.e]\n")
@example("a.b={}\na.b.c=1\n")
@example('a="""x""\\\n\n  y"""""\n')
@example("[a.b]\n[a]\n[a.c]\n[a]\n")
@example("[[a]]\nb=1\n[a.c]\n[a]\n")
@example("[x.y]\n[x]\ny.z.q = 1\n")
def test_it_reads_what_the_standard_library_reads(text: str) -> None:
    expected = _standard(text)
    refused = None
    values = None
    try:
        values = parse(text, "f").values
    except BrokenFileError as error:
        refused = error
    if refused is not None:
        assert expected is None or "too large" in refused.message
        assert refused.place.startswith("f:")
    else:
        assert repr(values) == repr(expected)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a = 1\na = 2\n", "2:1", "comes twice"),
        ("[a]\n\n[a]\n", "3:1", "comes twice"),
        ("a = 1\n  [a.b]\n", "2:3", "no table"),
        ("x = [1, 2\ny = 1\n", "2:1", "comma or ]"),
        ('x = "abc\n', "1:5", "no end on its line"),
        ("x = 1 2\n", "1:7", "goes on"),
        ("location\n", "1:9", "= is missing"),
        ("x = 99999999999999999999\n", "1:5", "too large"),
        ("x = 1." + "1" * 500, "1:5", "too large"),
        ("x = \udc80", "1:5", "not UTF-8"),
        ("x = " + "[" * 1000, "1:", "deeply"),
        ("x = " + "{a=" * 1000, "1:", "deeply"),
        (".".join("a" * 1000) + " = 1", "1:1", "deeply"),
    ],
)
def test_what_is_broken_is_refused_with_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(BrokenFileError) as caught:
        parse(text, "/etc/x.toml")
    assert words in caught.value.message
    assert caught.value.place.startswith(f"/etc/x.toml:{place}")


HOSTILE = [
    "x = [" + "1," * 60_000 + "]",
    'x = "' + "\\n" * 60_000,
    'x = """' + '""\n' * 60_000,
    "x = [" + "\n# c" * 60_000,
    "[a]\n" + "".join(f"k{n} = 1\n" for n in range(20_000)),
    "".join(f"[[a]]\nb.c = {n}\n" for n in range(10_000)),
    "x = 1" + "_1" * 60_000,
    "x = 1" + "0" * 120_000 + ".0",
    " " * 120_000 + "x",
    'x = """\\\n' + " \n" * 60_000,
    "a = {" + ",".join(f"k{n}=1" for n in range(20_000)) + "}",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_time_is_linear(text: str) -> None:
    began = time.process_time()
    with contextlib.suppress(BrokenFileError):
        parse(text, "f")
    assert time.process_time() - began < 1.5


def test_places_of_keys_and_tables() -> None:
    document = parse('a = 1\n\n[[registry]]\n  prefix = "x"\n[[registry]]\nm = { k = 1 }\n', "f")
    assert document.place("a") == (1, 1)
    assert document.place("registry", 0) == (3, 1)
    assert document.place("registry", 0, "prefix") == (4, 3)
    assert document.place("registry", 1, "m", "k") == (6, 7)
    assert document.place("registry", 1, "none") == (5, 1)


CRI = """# containerd
version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "pause"  # keep
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/opt"
"""
REGISTRY = ("plugins", "io.containerd.grpc.v1.cri", "registry", "config_path")


def test_a_table_is_made_beside_its_kin() -> None:
    changed = set_key(CRI, "f", REGISTRY, "/etc/containerd/certs.d")
    assert (
        changed
        == """# containerd
version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "pause"  # keep
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"

    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "/etc/containerd/certs.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/opt"
"""
    )
    assert drop_key(changed, "f", REGISTRY[:-1]) == CRI


@pytest.mark.parametrize(
    ("text", "keys", "changed"),
    [
        ("", ("a", "b"), "[a]\nb = 7\n"),
        ("", ("a",), "a = 7\n"),
        ("x = 1", ("a",), "x = 1\na = 7\n"),
        ("# top\n\n# t\n[t]\n", ("a",), "# top\n\na = 7\n\n# t\n[t]\n"),
        ("a = 1 # c\n", ("a",), "a = 7 # c\n"),
        ("t.x = 1\ny = 2\n", ("t", "a"), "t.x = 1\nt.a = 7\ny = 2\n"),
        ("t = { x = 1 }\n", ("t", "a"), "t = { x = 1, a = 7 }\n"),
        ("t = {}\n", ("t", "u", "a"), "t = { u.a = 7 }\n"),
        ("[t]\r\nx = 1\r\n", ("t", "a"), "[t]\r\nx = 1\r\na = 7\r\n"),
        ("[t]\n\tx = 1\n\n[u]\n", ("t", "a"), "[t]\n\tx = 1\n\ta = 7\n\n[u]\n"),
        ("[[r]]\nn = 1\n[[r]]\nn = 2\n", ("r", "0", "a"), "[[r]]\nn = 1\na = 7\n[[r]]\nn = 2\n"),
        (
            "[[r]]\nn = 1\n[[r]]\nn = 2\n",
            ("r", 0, "d", "a"),
            "[[r]]\nn = 1\n\n[r.d]\na = 7\n[[r]]\nn = 2\n",
        ),
    ],
)
def test_keys_are_set_in_the_manner_of_the_file(
    text: str, keys: tuple[Any, ...], changed: str
) -> None:
    assert set_key(text, "f", keys, 7) == changed
    tomllib.loads(changed)


def test_tables_come_and_go_to_the_byte() -> None:
    text = 'x = 1\n\n[[registry]]\nlocation = "a"\n\n# the end\n'
    changed = add_table(text, "f", ["registry"], {"location": "b", "n": [1]}, array=True)
    assert tomllib.loads(changed)["registry"] == [{"location": "a"}, {"location": "b", "n": [1]}]
    assert remove_table(changed, "f", ["registry", 1]) == text
    other = add_table(text, "f", ["host", "http://m:1"], {"ca": "x"})
    assert '[host."http://m:1"]\nca = "x"\n' in other
    assert remove_table(other, "f", ["host", "http://m:1"]) == text
    assert remove_table(changed, "f", ["registry"]) == "x = 1\n\n# the end\n"
    with pytest.raises(BrokenFileError, match="no array of tables"):
        add_table("registry = []\n", "f", ["registry"], {}, array=True)
    with pytest.raises(BrokenFileError, match="is a table"):
        set_key("[a.b]\n", "f", ["a"], 1)
    for taken in ("a = 1\n", "[[a]]\n", "a = [1]\n"):
        with pytest.raises(BrokenFileError, match="is no table"):
            set_key(taken, "f", ["a", "b"], 1)


@settings(max_examples=600, deadline=None)
@given(TEXTS, st.lists(st.sampled_from(["a", "b", "c", "d e"]), min_size=1, max_size=3))
def test_an_edit_changes_what_it_should_or_raises(text: str, keys: list[str]) -> None:
    before = _standard(text)
    if before is None:
        return
    try:
        changed = set_key(text, "f", keys, ["x"])
    except BrokenFileError:
        return
    values = tomllib.loads(changed)
    assert get_key(values, tuple(keys)) == (True, ["x"])
    for line in text.splitlines():
        if line.startswith("#"):
            assert line in changed
    dropped = tomllib.loads(drop_key(changed, "f", keys))
    assert get_key(dropped, tuple(keys))[0] is False
    if not get_key(before, (keys[0],))[0]:
        assert {name: value for name, value in dropped.items() if name != keys[0]} == before or (
            repr({n: v for n, v in dropped.items() if n != keys[0]}) == repr(before)
        )


@given(
    st.recursive(
        st.one_of(
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(),
            st.text(),
            st.dates(),
            st.datetimes().map(lambda one: one.replace(fold=0)),
            st.times().map(lambda one: one.replace(fold=0)),
        ),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_what_is_written_is_read(value: Any) -> None:
    text = f"x = {write_value(value)}\n"
    assert repr(tomllib.loads(text)["x"]) == repr(value)
    assert repr(parse(text, "f").values["x"]) == repr(value)
