"""How wide text is on a terminal."""


def width(text: str) -> int:
    """Columns that `text` takes: two for a wide character (Unicode UAX 11), none for a mark that is
    set on the one before."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )


def pad(text: str, columns: int) -> str:
    """`text` with blanks up to `columns`."""
    return text + " " * (columns - width(text))
