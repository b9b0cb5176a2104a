"""Where a position of a text is, as people count."""


def place(text: str, position: int) -> tuple[int, int]:
    """Line and column, from 1."""
    line = text.count("\n", 0, position) + 1
    return line, position - text.rfind("\n", 0, position)
