"""An open stream that takes what it is given whole, and bears a reader that went away."""

from errno import EIO
from typing import IO, Any

from homeport.errors import MissingError


class Stream:
    """Writes past the buffers of `stream`, a text or binary file, so that nothing is held back.

    After the reader of a pipe or a terminal is gone all output is dropped: the run goes on. A
    stream that was made non-blocking by somebody is waited for. Not thread-safe.
    """

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream
        binary = getattr(stream, "buffer", stream)
        self._raw = getattr(binary, "raw", binary)
        self._takes_text = binary is stream and hasattr(stream, "encoding")
        self.encoding: str = getattr(stream, "encoding", None) or "utf-8"
        self._gone = False
        self._error: MissingError | None = None

    def write(self, data: bytes) -> None:
        """Write all of `data`; MissingError, then and ever after, when the system refuses."""
        self.check()
        if self._gone:
            return
        try:
            # What others have printed to the same stream comes first.
            self._stream.flush()
            self._write_whole(data)
        except (BrokenPipeError, ConnectionResetError):
            self._gone = True
        except OSError as error:
            if error.errno == EIO:
                self._gone = True
                return
            self._error = MissingError.of(
                f"cannot write the output: {error.strerror}", code="output"
            )
            raise self._error from error

    def check(self) -> None:
        """Raise what an earlier write has raised."""
        if self._error is not None:
            raise self._error

    def _write_whole(self, data: bytes) -> None:
        if self._takes_text:
            self._raw.write(data.decode(self.encoding))
            return
        left = memoryview(data)
        while left:
            written = self._raw.write(left)
            if written is None:
                self._wait()
            else:
                left = left[written:]

    def _wait(self) -> None:
        from select import select

        select([], [self._raw], [])
