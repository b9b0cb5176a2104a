"""Files as a whole: places, documents, GitLab's words for what is broken, and its limits."""

import time

import pytest

from homeport.errors import Severity, UsageError
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.document.load import load
from homeport.pipeline.model.document import (
    Map,
    Reference,
    Seq,
    span_of,
    span_of_key,
    span_of_value,
)

TOO_BIG = "The parsed YAML is too big"


def problem_of(source: str | bytes, limits: Limits | None = None) -> tuple[str, str]:
    source = source.encode() if isinstance(source, str) else source
    with pytest.raises(UsageError) as raised:
        load(source, "ci.yml", limits or Limits())
    (problem,) = raised.value.problems
    return problem.message, str(problem.span)


def test_every_value_knows_its_place() -> None:
    content = load(b"job:\n  script:\n    - one\n    - !reference [a, b]\n", "ci.yml").content
    job = content["job"]
    script = job["script"]
    assert str(span_of_key(content, "job")) == "ci.yml:1:1"
    assert str(span_of_value(content, "job")) == "ci.yml:2:3"
    assert str(span_of_key(job, "script")) == "ci.yml:2:3"
    assert str(span_of_value(script, 0)) == "ci.yml:3:7"
    assert str(span_of(script[1].mark)) == "ci.yml:4:7"
    assert isinstance(job, Map)
    assert isinstance(script, Seq)
    assert isinstance(script[1], Reference)
    assert script[1].path == ["a", "b"]


def test_a_merged_key_keeps_the_place_where_it_was_written() -> None:
    content = load(b".a: &a\n  x: 1\njob:\n  <<: *a\n  y: 2\n", "ci.yml").content
    assert str(span_of_key(content["job"], "x")) == "ci.yml:2:3"
    assert str(span_of_key(content["job"], "y")) == "ci.yml:5:3"


def test_aliases_share_one_value() -> None:
    content = load(b"a: &a {x: [1]}\nb: *a\nc: {<<: *a}\n", "ci.yml").content
    assert content["b"] is content["a"]
    assert content["c"]["x"] is content["a"]["x"]


@pytest.mark.parametrize(
    ("source", "header", "content"),
    [
        ("", None, {}),
        ("# nothing\n", None, {}),
        ("---\n", None, {}),
        ("{}", None, {}),
        ("a: 1", None, {"a": 1}),
        ("---\na: 1", None, {"a": 1}),
        ("---\n---\na: 1", None, {"a": 1}),
        ("spec: {inputs: {}}\n---\na: 1", {"spec": {"inputs": {}}}, {"a": 1}),
        ("---\nspec:\n---\na: 1", {"spec": None}, {"a": 1}),
        ("--- # with a comment\nspec:\n---\na: 1", {"spec": None}, {"a": 1}),
        ("spec:\n---\na: 1\n---\nb: 2", {"spec": None}, {"b": 2}),
        ("spec: {inputs: {}}", None, {"spec": {"inputs": {}}}),
        ("a: 1\n---\nb: 2", None, {"a": 1}),
        ("a: |\n  ---\n  text\n", None, {"a": "---\ntext\n"}),
        ("\ufeffa: 1", None, {"a": 1}),
        ("a: 1\r\nb:\r\n  - c\r\n", None, {"a": 1, "b": ["c"]}),
        ("a: 日本語 😀", None, {"a": "日本語 😀"}),
    ],
)
def test_documents(source: str, header: dict[str, object] | None, content: object) -> None:
    document = load(source.encode(), "ci.yml")
    assert (document.header, document.content) == (header, content)
    assert document.problems == ()


def test_places_after_a_header_count_from_the_top_of_the_file() -> None:
    content = load(b"spec:\n  inputs:\n    a:\n---\n\njob: 1\n", "ci.yml").content
    assert str(span_of_key(content, "job")) == "ci.yml:6:1"
    message, span = problem_of("spec:\n---\njob: [\n")
    assert span == "ci.yml:4:1"
    assert message.startswith("(<unknown>): did not find expected node content")


@pytest.mark.parametrize(
    ("source", "message", "place"),
    [
        (
            "a: [b",
            (
                "(<unknown>): did not find expected ',' or ']' "
                "while parsing a flow sequence at line 1 column 4"
            ),
            "2:1",
        ),
        (
            "a: b: c",
            "(<unknown>): mapping values are not allowed in this context at line 1 column 5",
            "1:5",
        ),
        (
            "a:\n  - b\n c: d",
            (
                "(<unknown>): did not find expected key while parsing a block mapping "
                "at line 1 column 1"
            ),
            "3:2",
        ),
        (
            "\ta: b",
            (
                "(<unknown>): found character that cannot start any token "
                "while scanning for the next token at line 1 column 1"
            ),
            "1:1",
        ),
        (
            "a: 'x",
            (
                "(<unknown>): found unexpected end of stream "
                "while scanning a quoted scalar at line 1 column 4"
            ),
            "1:4",
        ),
        (
            "é: 1\nb: \0",
            "(<unknown>): control characters are not allowed at line 1 column 1",
            "2:4",
        ),
        ("- a", "Invalid configuration format", "1:1"),
        ("text", "Invalid configuration format", "1:1"),
        ("a: 1\n---\n- b", "Invalid configuration format", "1:1"),
        (b"a: 1\nb: \xff\xfe", "invalid byte sequence in UTF-8", "2:4"),
        ("a: 1\n".encode("utf-16"), "invalid byte sequence in UTF-8", "1:1"),
    ],
)
def test_broken_files_in_gitlabs_words(source: str | bytes, message: str, place: str) -> None:
    assert problem_of(source) == (message, f"ci.yml:{place}")


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("a: b: c", "put a value that contains `: ` in quotes"),
        ("a:\n\tb: c", "indent with spaces, not tabs"),
        ("a: @b", "put what begins with @ in quotes"),
        ("a: 1\nb: 'c\nd: 2", "close the quote"),
        ("a:\n  - b\n c: d", None),
    ],
)
def test_remedies(source: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as raised:
        load(source.encode(), "ci.yml")
    assert [problem.hint for problem in raised.value.problems] == [hint]


def test_repeated_keys_are_warned() -> None:
    document = load(b"job:\n  script: a\n  image: b\n  script: c\n", "ci.yml")
    (warning,) = document.problems
    assert warning.severity is Severity.WARNING
    assert warning.code == "duplicate-key"
    assert "`script`" in warning.message
    assert str(warning.span) == "ci.yml:4:3"
    assert "ci.yml:2:3" in str(warning.hint)


@pytest.mark.parametrize(
    "source",
    ["<<: {a: 1}\na: 2", "a: 2\n<<: {a: 1}", "<<: {a: 1}\n<<: {a: 2}", "a: {b: 1}\nb: {b: 1}"],
)
def test_overriding_a_merged_key_is_no_repetition(source: str) -> None:
    assert load(source.encode(), "ci.yml").problems == ()


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("a: " + "[" * 100_000, id="sequences"),
        pytest.param("a: " + "{" * 100_000, id="mappings"),
        pytest.param("- " * 100_000, id="block sequences"),
        pytest.param("? " * 100_000, id="complex keys"),
        pytest.param("".join(" " * i + "a:\n" for i in range(1000)), id="block mappings"),
        pytest.param(LAUGHS, id="laughs"),
        pytest.param("a: &a [*a]", id="inside itself"),
        pytest.param("a: &a {b: {c: *a}}", id="deep inside itself"),
        pytest.param("a: 1\n" * 500_000, id="size"),
        pytest.param(
            f"a: &a {{{','.join(f'k{i}: 1' for i in range(500))}}}\n"
            + "".join(f"x{i}: {{<<: *a}}\n" for i in range(3000)),
            id="merges",
        ),
    ],
)
def test_bombs_are_refused_at_once(source: str) -> None:
    started = time.process_time()
    message, _ = problem_of(source)
    assert message == TOO_BIG
    assert time.process_time() - started < 1


def test_the_depth_that_gitlab_allows() -> None:
    def nested(levels: int) -> bytes:
        return b"a: " + b"[" * levels + b"]" * levels

    assert load(nested(99), "ci.yml").content["a"]
    assert problem_of(nested(100))[0] == TOO_BIG


def test_limits_can_be_set() -> None:
    assert problem_of("a: 1", Limits(size=3))[0] == TOO_BIG
    assert problem_of("a: {b: 1}", Limits(depth=1))[0] == TOO_BIG
    assert problem_of("a: &a [1, 2]\nb: *a", Limits(values=8))[0] == TOO_BIG
    assert load(b"a: &a [1, 2]\nb: *a", "ci.yml", Limits(values=9)).problems == ()


def test_a_file_that_gitlab_may_find_too_big_is_noted() -> None:
    (note,) = load(b"a: [" + b"1, " * 60_000 + b"]", "ci.yml").problems
    assert note.severity is Severity.NOTE
    assert TOO_BIG in note.message


@pytest.mark.parametrize("number", ["9" * 5000, "1_0" * 2500, "9" * 5000 + ":1"])
def test_a_number_of_any_length_is_an_answer(number: str) -> None:
    message, _ = problem_of(f"a: {number}")
    assert message.startswith("invalid value for Integer()")
    assert len(message) < 100
