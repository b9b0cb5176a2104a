import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.lib.redact import Redactor


def shown(redactor: Redactor, *chunks: bytes) -> bytes:
    return b"".join(redactor.feed(chunk) for chunk in chunks) + redactor.flush()


@pytest.mark.parametrize(
    ("values", "text", "expected"),
    [
        ([], "nothing to hide", "nothing to hide"),
        ([""], "nothing to hide", "nothing to hide"),
        (["hunter22"], "a hunter22 b hunter22", "a [MASKED] b [MASKED]"),
        (["hunter22"], "hunter2", "hunter2"),
        (["x"], "axb", "a[MASKED]b"),
        (["abcd", "abcdef"], "abcdefg", "[MASKED]g"),
        (["abcd", "cdef"], "-abcdef-", "-[MASKED]-"),
        (["abcd"], "abcdabcd", "[MASKED][MASKED]"),
        (["aaaa"], "aaaaaaaaaaaaab", "[MASKED]b"),
        (["first line\nsecond"], "x first line y\nz second", "x [MASKED] y\nz [MASKED]"),
        (["{\n  longer: 1\n}"], "{\n  longer: 1\n}", "{\n  [MASKED]\n}"),
        (["ab\ncd"], "ab cd ab\ncd", "ab cd [MASKED]"),
        (["secret-line\n"], "secret-line;", "[MASKED];"),
        (["one two\r\nthree four\r\n"], "three four one two", "[MASKED] [MASKED]"),
        (["gr\u00fc\u00dfe-42"], "x gr\u00fc\u00dfe-42", "x [MASKED]"),
    ],
)
def test_values_are_replaced(values: list[str], text: str, expected: str) -> None:
    data = text.encode()
    assert shown(Redactor(values), data) == expected.encode()
    assert (
        shown(Redactor(values), *(data[i : i + 1] for i in range(len(data)))) == expected.encode()
    )
    assert Redactor(values).redact_text(text) == expected


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("it's a secret", "+ echo 'it'\\''s a secret'"),
        ("it's a secret", "+ echo 'it'\"'\"'s a secret'"),
        ("it's a\tsecret", "+ echo $'it\\'s a\\tsecret'"),
        ("back\\slash's", "+ echo $'back\\\\slash\\'s'"),
        ("caf\u00e9-secret", "+ echo $'caf\\303\\251-secret'"),
        ('say "$x" `y`', 'declare -x A="say \\"\\$x\\" \\`y\\`"'),
        ('say "secret"', '{"a": "say \\"secret\\""}'),
        ("p@ss/word", "https://user:p%40ss%2Fword@host/"),
    ],
)
def test_values_are_found_in_the_forms_that_tools_print(value: str, printed: str) -> None:
    text = Redactor([value]).redact_text(printed)
    assert "[MASKED]" in text
    for word in ("secret", "slash", "word", "say"):
        assert word not in text


def test_only_a_possible_beginning_is_held_back() -> None:
    redactor = Redactor(["hunter22", "a-much-longer-secret-value"])
    assert redactor.feed(b"password: hunt") == b"password: "
    assert redactor.feed(b"ing season\n") == b"hunting season\n"
    assert redactor.feed(b"is a-much-longer-sec") == b"is "
    assert redactor.feed(b"ret-value\n") == b"[MASKED]\n"
    assert redactor.flush() == b""


def test_a_value_without_end_is_not_kept_in_memory() -> None:
    redactor = Redactor(["aaaa"])
    out = [redactor.feed(b"a" * 1000) for _ in range(100)]
    assert b"".join(out) + redactor.flush() == b"[MASKED]"
    assert len(redactor._carry) < 4


letters = st.text(alphabet="abc'\n\\", min_size=1, max_size=12)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[str], list[bytes]]:
    values = draw(st.lists(letters, min_size=1, max_size=4))
    pieces = draw(st.lists(st.one_of(letters, st.sampled_from(values)), max_size=20))
    data = "".join(pieces).encode()
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return values, [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@given(streams())
@settings(deadline=None)
def test_no_value_is_ever_shown_wherever_the_stream_is_cut(
    case: tuple[list[str], list[bytes]],
) -> None:
    values, chunks = case
    out = shown(Redactor(values), *chunks)
    assert out == shown(Redactor(values), b"".join(chunks))
    for value in values:
        for line in value.split("\n"):
            if len(line.strip()) >= 4 or (line.strip() and "\n" not in value):
                assert line.strip().encode() not in out.replace(b"[MASKED]", b"\0")


@given(st.lists(st.binary(max_size=30), max_size=20))
@settings(deadline=None)
def test_output_without_a_value_is_left_as_it_is(chunks: list[bytes]) -> None:
    assert shown(Redactor(["\u2603-never-there", "another one"]), *chunks) == b"".join(chunks)
