"""Hide secrets in a stream of output, however the stream is cut.

A value is looked for as it is and in the forms that tools print it in: quoted by a shell's
`set -x` or `export -p`, as a JSON string, percent-encoded. A value of several lines is hidden line
by line, because tools print its lines apart.
"""

from collections.abc import Iterable

MASK = b"[MASKED]"
_MIN_PART = 4
_HEAD = 8
_UNRESERVED = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"  # RFC 3986, 2.3
)
_ESCAPES = {0x07: b"\\a", 0x08: b"\\b", 0x09: b"\\t", 0x0B: b"\\v", 0x0C: b"\\f", 0x1B: b"\\E"}


class Redactor:
    """Replaces each of `values` by `[MASKED]` in one stream of bytes; empty values are ignored.

    Overlapping occurrences are hidden together, so that no part of either shows. Held back are
    only those last bytes that may be the beginning of a value: give them by `flush` at the end.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._needles = _needles(values)
        self._heads = frozenset(
            needle[:size]
            for needle in self._needles
            for size in range(1, min(_HEAD, len(needle) - 1) + 1)
        )
        self._long = tuple(needle for needle in self._needles if len(needle) > _HEAD + 1)
        self._carry = b""
        self._covered = 0  # how many bytes at the start of the carry a written mask stands for

    def feed(self, data: bytes) -> bytes:
        """The part of the stream that can be shown now."""
        if not self._needles:
            return data
        buffer = self._carry + data if self._carry else data
        cut = len(buffer) - self._held(buffer)
        shown, self._covered = _mask(buffer, cut, self._regions(buffer), self._covered)
        self._carry = buffer[cut:]
        return shown

    def flush(self) -> bytes:
        """The rest of the stream; the redactor is then as new."""
        buffer, covered = self._carry, self._covered
        self._carry, self._covered = b"", 0
        return _mask(buffer, len(buffer), self._regions(buffer), covered)[0]

    def redact_text(self, text: str) -> str:
        """A whole message, apart from the stream."""
        buffer = text.encode("utf-8", "surrogateescape")
        regions = self._regions(buffer)
        if not regions:
            return text
        shown, _ = _mask(buffer, len(buffer), regions, 0)
        return shown.decode("utf-8", "surrogateescape")

    def _held(self, buffer: bytes) -> int:
        """The length of the longest end of the buffer that is the beginning of a value."""
        held = 0
        for needle in self._long:
            start = buffer.find(needle[:_HEAD], max(0, len(buffer) - len(needle) + 1))
            while start >= 0:
                if needle.startswith(buffer[start:]):
                    held = max(held, len(buffer) - start)
                    break
                start = buffer.find(needle[:_HEAD], start + 1)
        if held:
            return held
        for size in range(min(_HEAD, len(buffer)), 0, -1):
            if buffer[-size:] in self._heads:
                return size
        return 0

    def _regions(self, buffer: bytes) -> list[tuple[int, int]]:
        """Where values stand, in order; overlapping places are joined."""
        found: list[tuple[int, int]] = []
        for needle in self._needles:
            start = buffer.find(needle)
            while start >= 0:
                found.append((start, start + len(needle)))
                start = buffer.find(needle, start + 1)
        if len(found) < 2:
            return found
        found.sort()
        joined = [found[0]]
        for start, end in found[1:]:
            last_start, last_end = joined[-1]
            if start < last_end:
                joined[-1] = (last_start, max(last_end, end))
            else:
                joined.append((start, end))
        return joined


def _mask(
    buffer: bytes, cut: int, regions: Iterable[tuple[int, int]], covered: int
) -> tuple[bytes, int]:
    """The buffer up to `cut` with its regions masked, and how far a mask reaches over the cut."""
    shown: list[bytes] = []
    position = covered
    for start, end in regions:
        if start >= cut and start >= position:
            break
        if start < position:  # joined to a mask that is already written
            position = max(position, end)
            continue
        shown += (buffer[position:start], MASK)
        position = end
    if position < cut:
        if not shown and position == 0 and cut == len(buffer):
            return buffer, 0
        shown.append(buffer[position:cut])
    return b"".join(shown), max(0, position - cut)


def _needles(values: Iterable[str]) -> tuple[bytes, ...]:
    needles: dict[bytes, None] = {}
    for value in values:
        try:
            whole = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            # A server's JSON can hold half a character, which no environment can.
            whole = value.encode("utf-8", "surrogatepass")
        for part in _parts(whole):
            needles.update(dict.fromkeys(_forms(part)))
    # A needle that holds another one still counts: its other bytes are to be hidden, too.
    return tuple(needles)


def _parts(value: bytes) -> list[bytes]:
    if b"\n" not in value.strip(b"\r\n"):
        stripped = value.strip(b"\r\n")
        return [stripped] if stripped else []
    lines = [line.strip() for line in value.splitlines()]
    # A line like "}" says nothing, and hiding it everywhere would ruin the log.
    return [line for line in lines if len(line) >= _MIN_PART] or [value]


def _forms(value: bytes) -> list[bytes]:
    """A value as it is, and as bash, dash, busybox, JSON and URLs write it."""
    quoted = value.replace(b"\\", b"\\\\")
    return [
        value,
        value.replace(b"'", b"'\\''"),
        value.replace(b"'", b"'\"'\"'"),
        quoted.replace(b"'", b"\\'"),
        _ansi_quoted(value),
        quoted.replace(b'"', b'\\"'),
        quoted.replace(b'"', b'\\"').replace(b"$", b"\\$").replace(b"`", b"\\`"),
        b"".join(b"%c" % byte if byte in _UNRESERVED else b"%%%02X" % byte for byte in value),
    ]


def _ansi_quoted(value: bytes) -> bytes:
    """Inside of `$'…'` as bash writes it where the locale cannot show a byte."""
    quoted = value.replace(b"\\", b"\\\\").replace(b"'", b"\\'")
    return b"".join(
        b"%c" % byte if 0x20 <= byte < 0x7F else _ESCAPES.get(byte, b"\\%03o" % byte)
        for byte in quoted
    )
