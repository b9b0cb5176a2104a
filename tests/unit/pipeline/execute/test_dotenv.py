import pytest

from homeport.pipeline.execute.dotenv import DotenvError, parse_dotenv


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", {}),
        (b"A=1", {"A": "1"}),
        (b"A=1\nB=2\n", {"A": "1", "B": "2"}),
        (b"A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        (b" A = 1 \n", {"A": "1"}),
        (b"A=\n", {"A": ""}),
        (b"A=b=c\n", {"A": "b=c"}),
        (b"A=\"quoted\"\nB='too'\n", {"A": '"quoted"', "B": "'too'"}),
        (b"A=1\nA=2\n", {"A": "2"}),
        (b"A=$B # not a comment\n", {"A": "$B # not a comment"}),
        (b"1A_b=x\n", {"1A_b": "x"}),
        (b"\xef\xbb\xbfA=1\n", {"A": "1"}),
        ("A=gr\u00fc\u00dfe\n".encode(), {"A": "gr\u00fc\u00dfe"}),
        ("A=1\r\nB=2\r\n".encode("utf-16"), {"A": "1", "B": "2"}),
        (b"A=\xff\n", {"A": "\ufffd"}),
        (b"".join(b"V%d=x\n" % n for n in range(20)), {f"V{n}": "x" for n in range(20)}),
    ],
)
def test_variables_of_a_report(content: bytes, expected: dict[str, str]) -> None:
    assert parse_dotenv([("a.env", content)]) == expected


def test_later_files_win() -> None:
    assert parse_dotenv([("a", b"A=1\nB=1\n"), ("b", b"A=2\n")]) == {"A": "2", "B": "1"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"A=1\n\nB=2\n", "a.env:2: Invalid Format"),
        (b"# comment\n", "a.env:1: Invalid Format"),
        (b"A=1\nmore of it\n", "a.env:2: Invalid Format"),
        (b"=1\n", "a.env:1: Validation failed: Key can't be blank"),
        (b"A-B=1\n", "Key can contain only letters, digits and '_'."),
        (b"export A=1\n", "Key can contain only letters, digits and '_'."),
        (b"A" * 256 + b"=1\n", "Key is too long (maximum is 255 characters)"),
        (b"A=" + b"x" * 5118, "Dotenv Artifact Too Big. Maximum Allowable Size: 5120"),
        (b"".join(b"V%d=x\n" % n for n in range(21)), "cannot have more than 20 variables"),
    ],
)
def test_what_gitlab_refuses_is_said_in_its_words(content: bytes, message: str) -> None:
    with pytest.raises(DotenvError) as caught:
        parse_dotenv([("a.env", content)])
    assert message in str(caught.value)
