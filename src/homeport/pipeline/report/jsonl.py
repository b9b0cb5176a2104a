"""Events for programs: one JSON object a line (`homeport run --json`)."""

from threading import Lock
from types import TracebackType
from typing import IO, Any, Self

from msgspec import to_builtins
from msgspec.json import encode

from homeport.pipeline.model.event import Event
from homeport.pipeline.report.stream import Stream


class JsonLines:
    """A sink of events; each is on `stream` when the call returns. May be called by any thread."""

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = Stream(stream)
        self._lock = Lock()

    def __call__(self, event: Event) -> None:
        line = _encode(event)
        with self._lock:
            self._stream.write(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is held back, so there is nothing to do."""


def _encode(event: Event) -> bytes:
    try:
        return encode(event) + b"\n"
    except UnicodeEncodeError:
        # A file name that is not UTF-8 has lone surrogates, which JSON can only spell out.
        import json

        return json.dumps(to_builtins(event), separators=(",", ":")).encode() + b"\n"
