"""`!reference`: GitLab's vectors, sharing, and what is unresolved when includes are missing."""

import time

import pytest

from homeport.errors import UsageError
from homeport.pipeline.document.load import load
from homeport.pipeline.document.reference import resolve_references
from homeport.pipeline.model.document import Map


def parse(text: str) -> Map:
    return load(text.encode(), "ci.yml").content


@pytest.mark.parametrize(
    ("source", "message", "place"),
    [
        ("a: !reference [b]", '!reference ["b"] could not be found', "1:4"),
        ("a: !reference [b, c]\nb: 1", '!reference ["b", "c"] could not be found', "1:4"),
        ("a: !reference [b]\nb:", '!reference ["b"] could not be found', "1:4"),
        ("a: !reference [b]\nb: false", '!reference ["b"] could not be found', "1:4"),
        ("a: !reference [b, c]\nb: !reference [d]\nd: {c: 1}",
         '!reference ["b", "c"] could not be found', "1:4"),
        ("a: [!reference [b, 1]]\nb: [1, 2]", '!reference ["b", 1] is not valid', "1:5"),
        ("a: [!reference [a]]", '!reference ["a"] is part of a circular chain', "1:5"),
        ("x: 1\na: !reference []", "!reference [] is not valid", "2:4"),
    ],
)  # fmt: skip
def test_errors(source: str, message: str, place: str) -> None:
    with pytest.raises(UsageError) as raised:
        resolve_references(parse(source))
    assert str(raised.value.problems[0]) == f"ci.yml:{place}: {message}"


def test_tags_of_tags_do_not_make_a_small_file_enormous() -> None:
    levels = (
        f"a{level}: [{', '.join([f'!reference [a{level - 1}]'] * 50)}]" for level in range(1, 10)
    )
    with pytest.raises(UsageError) as raised:
        resolve_references(parse("\n".join(("a0: [x]", *levels))))
    assert str(raised.value.problems[0]) == "ci.yml:5:1: The parsed YAML is too big"
    visible = "\n".join(f"a{each}: !reference [.b]" for each in range(50))
    hidden = f".b: [{', '.join(['x'] * 100_000)}]\n"
    with pytest.raises(UsageError, match="too big"):
        resolve_references(parse(hidden + visible))
    resolve_references(parse(hidden + visible.replace("a", ".a")))


def test_tags_of_tags_do_not_nest_without_end() -> None:
    chain = "".join(f".a{each}: [!reference [.a{each - 1}]]\n" for each in range(1, 5000))
    with pytest.raises(UsageError) as raised:
        resolve_references(parse(f".a0: [x]\n{chain}"))
    assert str(raised.value.problems[0]) == "ci.yml:101:1: The parsed YAML is too big"


def test_a_list_is_put_in_as_a_list() -> None:
    config = parse("a: {script: [one, !reference [b, script]]}\nb: {script: [two, three]}")
    assert resolve_references(config)[0]["a"] == {"script": ["one", ["two", "three"]]}


def test_without_tags_nothing_is_copied() -> None:
    config = parse("a: {b: [1]}")
    assert resolve_references(config)[0] is config


def test_what_has_no_tag_keeps_its_identity() -> None:
    config = parse("a: {x: &x [1], y: !reference [b]}\nb: {c: 1}\nd: {x: *x}")
    resolved, _ = resolve_references(config)
    assert resolved["d"] is config["d"]
    assert resolved["a"]["x"] is config["a"]["x"]
    assert resolved["a"]["y"] is config["b"]
    assert config["a"]["y"] != resolved["a"]["y"]


PARTIAL = """\
job: {script: [a, !reference [.unknown, script]]}
heir: {script: !reference [job, script]}
both: {x: !reference [.other], y: !reference [heir, script]}
whole: !reference [heir]
fine: {script: !reference [known, script]}
known: {script: [b]}
"""


def test_partial_leaves_out_what_is_unresolved_and_says_why() -> None:
    resolved, unresolved = resolve_references(parse(PARTIAL), partial=True)
    unknown = '!reference [".unknown", "script"] (ci.yml:1:19)'
    other = '!reference [".other"] (ci.yml:3:11)'
    assert unresolved == {
        "job": (unknown,),
        "heir": (unknown,),
        "both": (other, unknown),
        "whole": (unknown,),
    }
    assert resolved == {"fine": {"script": ["b"]}, "known": {"script": ["b"]}}


def test_partial_still_refuses_what_is_wrong_in_itself() -> None:
    with pytest.raises(UsageError, match="circular"):
        resolve_references(parse("a: !reference [b]\nb: !reference [a]"), partial=True)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(
            "".join(f"a{i}: !reference [a{i + 1}]\n" for i in range(20_000)) + "a20000: 1",
            id="chain",
        ),
        pytest.param(
            ".a: [" + ",".join(["!reference [b]"] * 20_000) + "]\nb: 1\n"
            + "".join(f".c{i}: !reference [.a]\n" for i in range(20_000)),
            id="fan",
        ),
    ],
)  # fmt: skip
def test_the_cost_is_linear_and_a_chain_may_be_long(source: str) -> None:
    config = parse(source)
    started = time.process_time()
    resolve_references(config)
    assert time.process_time() - started < 2
