"""Answers that are not what was asked for: bounded, redacted, and given their true meaning."""

import asyncio
import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime

import aiohttp
import msgspec
from msgspec import Struct

from homeport.lib.redact import Redactor
from homeport.oci.media_type import bare
from homeport.remote.errors import (
    BusyError,
    CutError,
    DeniedError,
    FailedError,
    NotFoundError,
    RemoteError,
    TimedOutError,
)
from homeport.remote.explain import explain

_PIECE = 64 * 1024
"""All that has come would be joined to one large copy, and some readers keep pieces."""
_MAX_ERROR_BODY = 4096
_ERROR_SECONDS = 5.0
_MAX_DETAIL = 300
_MAX_RETRY_AFTER = 86_400.0
_MARKUP = frozenset(("text/html", "application/xhtml+xml", "application/xml", "text/xml"))
_QUERY = re.compile(r"\?[^\s\"'<>]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")


class _Said(Struct):
    code: str = ""
    message: str = ""


class _Errors(Struct):
    errors: list[_Said] | None = None


class Reader:
    """Reads one body from `host`: `read_timeout` is seconds without a byte, `min_rate` bytes a
    second that must come on average of as long a wait. Only waiting for `host` counts: who takes
    his time between two pieces makes nobody slow."""

    def __init__(self, host: str, read_timeout: float, min_rate: int = 0) -> None:
        self.host = host
        self.read_timeout = read_timeout
        self.min_rate = min_rate
        self._waited = 0.0
        self._came = 0

    async def read_some(self, response: aiohttp.ClientResponse) -> bytes:
        """The next piece, empty at the end; raises CutError or TimedOutError."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self.read_timeout):
                piece = await response.content.read(_PIECE)
        except TimeoutError:
            raise TimedOutError(
                f"{self.host} sent nothing for {self.read_timeout:g} seconds", host=self.host
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            found = explain(error, self.host)
            raise CutError(f"{self.host} cut the answer off", host=self.host) from found
        self._came += len(piece)
        self._waited += clock() - began
        if piece and self._waited >= self.read_timeout:
            self._check_rate()
        return piece

    def _check_rate(self) -> None:
        if self._came < self.min_rate * self._waited:
            raise TimedOutError(
                f"{self.host} sent only {self._came} bytes in {self._waited:.3g} seconds",
                host=self.host,
            )
        self._waited, self._came = 0.0, 0

    async def read_all(self, response: aiohttp.ClientResponse, limit: int) -> bytes:
        """The whole body, of `limit` bytes at most; raises FailedError for more."""
        if (response.content_length or 0) > limit:
            raise self._too_large(limit)
        content = bytearray()
        while piece := await self.read_some(response):
            content += piece
            if len(content) > limit:
                raise self._too_large(limit)
        return bytes(content)

    def _too_large(self, limit: int) -> FailedError:
        return FailedError(f"{self.host} sent more than {limit} bytes", host=self.host)


async def failure_of(
    response: aiohttp.ClientResponse,
    reader: Reader,
    *,
    method: str,
    what: str,
    own: bool = True,
    secrets: Iterable[str] = (),
) -> RemoteError:
    """What an answer without success means. `what` names the thing that was asked for; `own` is
    False where a redirect led elsewhere: a storage's 403 or 404 says nothing about the registry."""
    host, status = reader.host, response.status
    media_type = bare(response.headers.get("Content-Type", ""))
    detail = ""
    if method != "HEAD":
        detail = _detail(await _read_error(response, reader), secrets)
    markup = media_type in _MARKUP
    if status == 429:
        return BusyError(
            f"{host} has had too many requests",
            host=host,
            detail=detail,
            retry_after=parse_retry_after(response),
        )
    if status in (401, 403) and (own or not markup):
        return DeniedError(
            f"{host} denies {what} (status {status})", host=host, status=status, detail=detail
        )
    if status == 404 and not markup:
        return NotFoundError(f"{host} has no {what}", host=host, status=status, detail=detail)
    if markup:
        detail = detail or f"a page of type {media_type}"
    return FailedError(
        f"{host} answered {what} with status {status}", host=host, status=status, detail=detail
    )


def parse_retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds (RFC 9110, section 10.2.3), a day at most. A date counts from the answer's own, so
    that two clocks need not agree."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), _MAX_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
        now = parsedate_to_datetime(response.headers.get("Date", ""))
        return min(max(0.0, (until - now).total_seconds()), _MAX_RETRY_AFTER)
    except (ValueError, TypeError):
        return None


async def _read_error(response: aiohttp.ClientResponse, reader: Reader) -> bytes:
    content = bytearray()
    try:
        # As a whole: one that drips would hold its connection for a day.
        async with asyncio.timeout(min(reader.read_timeout, _ERROR_SECONDS)):
            while len(content) < _MAX_ERROR_BODY and (piece := await reader.read_some(response)):
                content += piece
    except (RemoteError, TimeoutError):
        pass  # the status is what counts
    return bytes(content[:_MAX_ERROR_BODY])


def _detail(content: bytes, secrets: Iterable[str]) -> str:
    """`CODE: message` of the first error of a registry's JSON; anything else is not repeated."""
    try:
        said = msgspec.json.decode(content, type=_Errors).errors or []
    except (ValueError, RecursionError):
        return ""
    if not said:
        return ""
    text = f"{said[0].code}: {said[0].message}".strip(": ")
    text = _QUERY.sub("?…", _BEARER.sub(r"\1 …", text))
    text = Redactor(secrets).redact_text(text)
    return "".join(char if char.isprintable() else " " for char in text)[:_MAX_DETAIL]
