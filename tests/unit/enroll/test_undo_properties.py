"""For any valid daemon.json, apply and then undo gives the same bytes."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.enroll.apply import apply
from homeport.enroll.formats.json_text import drop_key, parse_object, set_key
from homeport.enroll.undo import undo
from testbed.fake_kind import CONFIG, FakeKind, finding
from testbed.killed import plan
from testbed.machine import Machine

TEXT = st.text(max_size=8)
SCALAR = st.none() | st.booleans() | st.integers() | TEXT
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)
MIRRORS = st.lists(st.sampled_from(["https://a", "https://b", "http://mirror:5000"]), max_size=3)
INDENT = st.sampled_from([None, 1, 2, 4, "\t"])
SPACE = st.sampled_from(["", " ", "\n", "\r\n", "\t"])


@st.composite
def daemon_json(draw: st.DrawFn) -> str:
    """As people write it: any indentation, any line ends, any place for our key."""
    items = list(draw(st.dictionaries(TEXT, VALUE, max_size=4)).items())
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), ("registry-mirrors", draw(MIRRORS | SCALAR)))
    text = json.dumps(dict(items), indent=draw(INDENT), ensure_ascii=draw(st.booleans()))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return draw(SPACE) + text + draw(SPACE)


def round_trip(content: str, edit: Any = None) -> str:
    folder = Path(tempfile.mkdtemp(prefix="homeport-test-"))
    try:
        machine = Machine(folder)
        place = machine.write(CONFIG, content.encode("utf-8", "surrogatepass"), mode=0o604)
        kind = FakeKind()
        apply(machine.host, plan(machine, kind), find=finding(kind))
        if edit is not None:
            changed = edit(place.read_bytes().decode("utf-8"))
            place.write_bytes(changed.encode())
        undo(machine.host, find=finding(kind))
        assert place.stat().st_mode & 0o777 == 0o604
        return place.read_bytes().decode("utf-8")
    finally:
        shutil.rmtree(folder)


@settings(max_examples=80, deadline=None)
@given(daemon_json())
def test_the_bytes_come_back(content: str) -> None:
    assert round_trip(content) == content


@settings(max_examples=80, deadline=None)
@given(daemon_json(), VALUE)
def test_an_edit_of_another_key_in_between_is_all_that_is_left(content: str, value: Any) -> None:
    def edit(text: str) -> str:
        return set_key(text, CONFIG, ("zz-edited",), value)

    found = round_trip(content, edit)
    assert json.loads(found) == {**json.loads(content), "zz-edited": value}
    had = "registry-mirrors" in json.loads(content)
    if had:  # nothing moves, so that even the bytes are those of the edit alone
        assert drop_key(found, CONFIG, ("zz-edited",)) == drop_key(
            edit(content), CONFIG, ("zz-edited",)
        )
    parse_object(found, CONFIG)
