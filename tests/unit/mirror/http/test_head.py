import pytest

from homeport.mirror.http.head import HeaderError, encode_head
from homeport.mirror.http.headers import parse_query


def test_a_head() -> None:
    head = encode_head(200, [("A", "b"), ("A", "c")], "X: y\r\n").decode()
    lines = head.split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert lines[1].startswith("Date: ")
    assert lines[2:] == ["X: y", "A: b", "A: c", "", ""]


@pytest.mark.parametrize("text", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b", "a\r\n\r\n<html>"])
def test_no_header_breaks_out_of_its_line(text: str) -> None:
    with pytest.raises(HeaderError):
        encode_head(200, [("OCI-Namespace", text)])
    with pytest.raises(HeaderError):
        encode_head(200, [(text, "x")])


def test_an_unknown_status_has_a_reason() -> None:
    assert encode_head(499, []).startswith(b"HTTP/1.1 499 Unknown\r\n")


def test_a_query() -> None:
    fields = parse_query("digest=sha256%3Aab&tag=a&tag=b&empty=")
    assert fields["digest"] == "sha256:ab"
    assert fields.getall("tag") == ["a", "b"]
    assert fields["empty"] == ""
    assert not parse_query("")


@pytest.mark.parametrize("text", ["a=%ff", "a=\udcff", "a=%00", "&".join(["a=b"] * 65)])
def test_a_query_that_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_query(text)
