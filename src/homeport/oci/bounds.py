"""How much there may be in a JSON document that somebody else wrote.

Bytes alone say little: an empty object of three bytes costs sixty in memory.
"""

MAX_VALUES = 500_000
"""Objects and arrays in a document, unknown fields included: each costs memory to read."""

MAX_STRINGS = 250_000
"""Names and values that are text: 10,000 descriptors with platform and annotations have about as
many. A document of nothing but names cost half a second and 200 MB."""


def check_bounds(content: bytes, what: str) -> None:
    """Raises ValueError. An estimate, before anything is read: what stands within texts counts."""
    if content.count(b"{") + content.count(b"[") > MAX_VALUES:
        raise ValueError(f"{what} has more than {MAX_VALUES} objects and arrays")
    if content.count(b'"') > 2 * MAX_STRINGS:
        raise ValueError(f"{what} has more than {MAX_STRINGS} names and texts")
