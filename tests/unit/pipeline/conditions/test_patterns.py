import pytest

from homeport.pipeline.conditions.patterns import PatternError, matches_ref, parse_pattern


@pytest.mark.parametrize(
    ("pattern", "ref", "matches"),
    [
        ("main", "main", True),
        ("main", "maintenance", False),
        ("/main/", "maintenance", True),
        ("/^main$/", "maintenance", False),
        ("/^MAIN$/i", "main", True),
        (r"/^v\d+\.\d+$/", "v1.20", True),
        ("/^issue-.*$/", "issue-1", True),
        ("/(?=x)/", "x", False),
        ("/x", "/x", True),
        ("/^feature/", "feature/a", True),
        ("/-draft$/", "a-draft", True),
    ],
)
def test_refs(pattern: str, ref: str, matches: bool) -> None:
    assert matches_ref(pattern, ref) is matches


@pytest.mark.parametrize("text", ["abc", "/abc", "/a(/", r"/(a)\1/", "/a/x", "/x{1001}/"])
def test_what_re2_or_the_spelling_refuses(text: str) -> None:
    with pytest.raises(PatternError, match="Invalid regular expression!"):
        parse_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("/a.b/", "a\nb", False),
        ("/a.b/s", "a\nb", True),
        ("/^b/", "a\nb", False),
        ("/^b.?/m", "a\nb", True),
        ("/ab$/", "ab\n", False),
        ("/ä+/", "xäy", True),
        ("//", "anything", True),
    ],
)
def test_flags_and_anchors(pattern: str, text: str, found: bool) -> None:
    assert parse_pattern(pattern).search(text) is found


def test_text_that_is_no_unicode_is_searched_too() -> None:
    assert parse_pattern("/b.$/").search("\udcff\ud800ab!")
