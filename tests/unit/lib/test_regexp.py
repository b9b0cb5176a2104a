import pytest

from homeport.lib.regexp import InvalidPatternError, compile_pattern


def test_text_and_bytes() -> None:
    assert compile_pattern("a+").search("baab") is not None
    assert compile_pattern(b"^a+$").search(b"baab") is None


def test_a_wrong_pattern_is_said_and_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidPatternError, match="missing"):
        compile_pattern("(a")
    with pytest.raises(InvalidPatternError):
        compile_pattern(b"(?!a)")
    assert capfd.readouterr() == ("", "")
