"""Whatever the bytes, the answer is a document or a `UsageError`; what is dumped is read again."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.errors import Problem, UsageError
from homeport.pipeline.document.dump import dump
from homeport.pipeline.document.load import load
from homeport.pipeline.document.reference import resolve_references
from homeport.pipeline.model.document import Map, Seq

# `_` stands for a space; each word is a piece that a file is put together from.
WORDS = "a b:_ -_ __ [ ] { } ,_ :_ &x_ *x <<:_ !reference_ !!float_ !!binary_ !foo_ ' | >- 1"
SIGNS = '" , . : ~ yes 2024-01-01 #_ é %YAML_1.1 ?_ 0x - e+ spec: --- ! @ = 1:30'
PIECES = st.sampled_from(
    ["\n", "\t", "\0", "\r\n", *(word.replace("_", " ") for word in f"{WORDS} {SIGNS}".split())]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4).map(Seq)
        | st.dictionaries(st.text(), inner, max_size=4).map(Map)
    ),
    max_leaves=12,
)


def problems_of(source: bytes) -> tuple[Problem, ...]:
    try:
        document = load(source, "ci.yml")
        resolve_references(document.content)
    except UsageError as error:
        return error.problems
    return document.problems


def has_place(problem: Problem) -> bool:
    return problem.span is not None and problem.span.file == "ci.yml"


@given(st.lists(PIECES, max_size=40).map("".join))
@settings(max_examples=300, deadline=None)
def test_pieces_of_yaml_never_crash(source: str) -> None:
    assert all(map(has_place, problems_of(source.encode())))


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_bytes_never_crash(source: bytes) -> None:
    assert all(map(has_place, problems_of(source)))


def is_writable(value: Any) -> bool:
    """YAML has no place for some characters; the emitter escapes them, the reader refuses a few.

    Nor does Ruby tell a key `<<` from a merge, however it is quoted."""
    return "\ufeff" not in repr(value) and "'<<'" not in repr(value)


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=5).filter(is_writable))
@settings(max_examples=300, deadline=None)
def test_what_is_dumped_is_loaded_again(values: dict[str, Any]) -> None:
    config = Map(values)
    assert load(dump(config).encode(), "ci.yml").content == config
