"""How wide text is on a terminal."""

import pytest

from homeport.lib.columns import pad, width


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("build", 5), ("ünï", 3), ("日本", 4), ("e\u0301", 1), ("a \uff46", 4), ("│", 1)],
)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


def test_pad() -> None:
    assert [pad(text, 5) + "|" for text in ("日本", "ab", "longer")] == [
        "日本 |",
        "ab   |",
        "longer|",
    ]
