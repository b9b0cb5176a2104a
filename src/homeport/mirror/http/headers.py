"""Headers and query as the flow reads them: case-insensitive, joined, always valid text."""

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

from multidict import CIMultiDictProxy, MultiDict

MAX_FIELDS = 64


class JoinedHeaders(Mapping[str, str]):
    """A request's headers. Several lines of one name are joined with a comma (RFC 9110, 5.3):
    dockerd sends Accept as six lines. Bytes that are no UTF-8 become U+FFFD, so that whatever
    writes the text on cannot stumble over them."""

    __slots__ = ("_raw",)

    def __init__(self, raw: CIMultiDictProxy[str]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        lines = self._raw.getall(name)
        text = lines[0] if len(lines) == 1 else ", ".join(lines)
        return text if text.isascii() else _valid(text)

    def __contains__(self, name: object) -> bool:
        return name in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name in self._raw))

    def __len__(self) -> int:
        return len({name.lower() for name in self._raw})


def _valid(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def parse_query(text: str) -> MultiDict[str]:
    """A query, decoded once; `getall` gives the values of a name that is repeated (`tag`), and
    `get` the first. Raises ValueError for too many fields or what is no UTF-8."""
    if not text:
        return MultiDict()
    if not text.isascii():
        raise ValueError("the query is not ASCII")
    pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    if any("\0" in value for _, value in pairs):
        raise ValueError("the query holds a NUL")
    return MultiDict(pairs)
