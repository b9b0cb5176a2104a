"""The body of a blob as it comes, and whether it is what was asked for (RFC 9110, section 14)."""

import re
from collections.abc import AsyncIterator

import aiohttp

from homeport.oci.media_type import bare
from homeport.remote.answer import Reader
from homeport.remote.errors import CutError, FailedError

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class Download:
    """`start` is the offset of the first byte that `chunks` yields: what was asked for, or 0 where
    the range was ignored. `size` is that of the whole blob, None where it is not said; `source` the
    host that sends."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        reader: Reader,
        *,
        start: int,
        stop: int | None,
        size: int | None,
        bounded: bool,
    ) -> None:
        self.start = start
        self.size = size
        self.source = reader.host
        self._response = response
        self._reader = reader
        self._stop = stop
        self._bounded = bounded

    async def chunks(self) -> AsyncIterator[bytes]:
        """Ends at the end of what was asked for; raises CutError before it, TimedOutError where
        nothing comes."""
        position, stop = self.start, self._stop
        while stop is None or position < stop:
            piece = await self._reader.read_some(self._response)
            if not piece:
                break
            if stop is not None and len(piece) > stop - position:
                piece = piece[: stop - position]
            position += len(piece)
            yield piece
        # Where only the end of the connection ends the body, nobody knows what is missing.
        if stop is not None and position < stop and self._bounded:
            raise CutError(
                f"{self.source} ended after {position - self.start} bytes of {stop - self.start}",
                host=self.source,
            )


def open_download(
    response: aiohttp.ClientResponse,
    reader: Reader,
    what: str,
    *,
    start: int,
    stop: int | None,
) -> Download:
    """Raises FailedError where the answer does not fit what was asked for."""
    host = reader.host
    check_plain(response, host, what)
    length = response.content_length
    if response.status == 200:
        goal = stop if length is None or (stop is not None and stop < length) else length
        return Download(
            response, reader, start=0, stop=goal, size=length, bounded=length is not None
        )
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if found is None:
        raise FailedError(f"{host} sends a part of {what} without saying which", host=host)
    first, end = int(found[1]), int(found[2]) + 1
    size = None if found[3] == "*" else int(found[3])
    fits = first == start and end > first and (size is None or end <= size)
    if not fits or (length is not None and length != end - first):
        raise FailedError(f"{host} sends another part of {what} than was asked for", host=host)
    # A server may send less than it was asked for: the rest has to be asked for again.
    goal = size if stop is None or (size is not None and size < stop) else stop
    return Download(
        response, reader, start=start, stop=end if goal is None else goal, size=size, bounded=True
    )


def check_plain(response: aiohttp.ClientResponse, host: str, what: str) -> None:
    """Raises FailedError for an encoded body, and for a page of some portal or proxy."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise FailedError(f"{host} sends {what} encoded, though asked not to", host=host)
    if bare(response.headers.get("Content-Type", "")) in ("text/html", "application/xhtml+xml"):
        raise FailedError(
            f"{host} answered {what} with a web page", host=host, status=response.status
        )
