import pytest

from homeport.pipeline.facts.commit import description, parse_commit, strip_signature, title

RAW = b"""tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904
parent aaaa
parent bbbb
author Ann <ann@example.com> 1769870875 +0200
committer Bob <bob@example.com> 1769889600 -0330
gpgsig -----BEGIN PGP SIGNATURE-----
 author Eve <eve@example.com> 1 +0000
 -----END PGP SIGNATURE-----

Title

Body
"""


def test_a_commit_object() -> None:
    commit = parse_commit("cccc", RAW)
    assert commit.sha == "cccc"
    assert commit.parents == ("aaaa", "bbbb")
    assert commit.author == "Ann <ann@example.com>"
    assert commit.timestamp == "2026-01-31T16:30:00-03:30"
    assert commit.message == "Title\n\nBody\n"
    assert commit.title == "Title"
    assert commit.description == "\nBody"


@pytest.mark.parametrize(
    ("message", "wanted_title", "wanted_description"),
    [
        ("One\n", "One", ""),
        ("One", "One", ""),
        ("One\nTwo\n", "One", "Two"),
        ("One\r\nTwo", "One", "Two"),
        ("", "No commit message", "No commit message"),
        (" \n", "No commit message", "No commit message"),
        ("x" * 99 + "\nrest\n", "x" * 99, "rest"),
        ("x" * 100 + "\nrest\n", "x" * 100, "x" * 100 + "\nrest\n"),
    ],
)
def test_title_and_description(message: str, wanted_title: str, wanted_description: str) -> None:
    assert title(message) == wanted_title
    assert description(message) == wanted_description


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"garbage",
        b"author x\ncommitter y\n\nm",
        b"committer A <a> 99999999999999999 +9999\n\nm",
        b"encoding no-such\n\n\xff",
        b"encoding \xff\n\n\xff",
    ],
)
def test_no_bytes_are_too_odd(raw: bytes) -> None:
    assert parse_commit("s", raw).timestamp


def test_an_encoding_of_its_own() -> None:
    raw = b"author J\xfcrg <j@example.com> 0 +0000\nencoding ISO-8859-1\n\nGr\xfc\xdfe\n"
    commit = parse_commit("s", raw)
    assert (commit.author, commit.title) == ("Jürg <j@example.com>", "Grüße")


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("Release\n", "Release"),
        ("Release\n-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----\n", "Release"),
        ("Release\n-----BEGIN SSH SIGNATURE-----\nx\n", "Release"),
    ],
)
def test_a_tag_s_signature_is_no_message(message: str, wanted: str) -> None:
    assert strip_signature(message) == wanted
