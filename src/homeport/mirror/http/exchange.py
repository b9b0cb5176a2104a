"""One request: from the parser's message to a `Request`, to the flow, and its answer back."""

import asyncio
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from homeport.mirror.errors import NoSpaceError, RegistryError, StoreError
from homeport.mirror.failure import failure
from homeport.mirror.http.api import ClientGoneError
from homeport.mirror.http.head import HeaderError
from homeport.mirror.http.headers import JoinedHeaders, parse_query
from homeport.mirror.http.origin import Origin, valid_host
from homeport.mirror.http.routes import methods, route
from homeport.mirror.http.sending import Progress, discard, send
from homeport.mirror.model.endpoint import Endpoint
from homeport.mirror.model.exchange import Reply, Request
from homeport.oci.error_code import ErrorCode

if TYPE_CHECKING:
    from homeport.mirror.http.connection import Connection

log = logging.getLogger("homeport.mirror.http")

GONE = 499
"""The audit's status of a request whose client did not wait for the answer (nginx's number)."""
SMALL_REST = 64 * 1024
"""An unread body of this size is read and forgotten; for a larger one the connection is closed."""
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SAFE = ("GET", "HEAD")


async def exchange(
    connection: "Connection", message: RawRequestMessage, payload: StreamReader
) -> bool:
    """Answer one request; whether the connection may take another. Raises ConnectionError where the
    client is gone."""
    connection.shared.counters.requests += 1
    path, _, query = message.path.partition("?")
    try:
        request = _understood(connection, message, payload, path, query)
    except RegistryError as error:
        reply = failure(error, challenges=False)
        extra = _extra(path, connection.shared.next_id())
        keep = _keeps(connection, message, payload, sent_continue=False)
        await send(connection, message, reply, Progress(), extra=extra, keep=keep)
        return keep and await _read_rest(payload)
    return await _flow(connection, message, payload, request, path)


async def _flow(
    connection: "Connection",
    message: RawRequestMessage,
    payload: StreamReader,
    request: Request,
    path: str,
) -> bool:
    handler = connection.shared.handler
    reply, progress, complete = Reply(status=GONE), Progress(), False
    extra = _extra(path, request.id)
    try:
        connection.cancellable = request.method in _SAFE
        reply = await _answer(connection, request)
        if connection.transport is None:
            await discard(reply)
            raise ClientGoneError()
        waits = isinstance(request.body, _Body) and request.body.unasked
        keep = _keeps(connection, message, payload, sent_continue=not waits)
        try:
            complete = await send(connection, message, reply, progress, extra=extra, keep=keep)
        except HeaderError as error:  # nothing was sent yet
            reply, keep = _defect(connection, request, error), False
            await send(connection, message, reply, progress, extra=extra, keep=keep)
    except asyncio.CancelledError:
        if connection.transport is not None:
            raise
        raise ClientGoneError() from None
    finally:
        connection.cancellable = False
        if not complete:
            connection.shared.counters.cut += 1
        try:
            handler.finish(request, reply, sent=progress.body, complete=complete)
        except Exception:
            log.exception("request %s: finishing failed", request.id)
    return keep and complete and await _read_rest(payload)


async def _answer(connection: "Connection", request: Request) -> Reply:
    """The flow's reply. What it does not foresee is a defect: the log has it, not the client."""
    try:
        return await connection.shared.handler.handle(request)
    except RegistryError as error:
        return failure(error, challenges=False)
    except ClientGoneError:
        raise
    except NoSpaceError as error:
        log.error("request %s: no space: %s", request.id, error)
        full = RegistryError(ErrorCode.UNAVAILABLE, "the registry's storage is full", status=507)
        return failure(full, challenges=False)
    except (StoreError, OSError, sqlite3.Error):
        connection.shared.counters.defects += 1
        log.exception("request %s: the store failed", request.id)
        unavailable = RegistryError(
            ErrorCode.UNAVAILABLE,
            "the registry's store does not answer",
            status=503,
            detail={"request": request.id},
            headers={"Retry-After": "5"},
        )
        return failure(unavailable, challenges=False)
    except Exception as error:  # noqa: BLE001 - the one boundary of defects
        return _defect(connection, request, error)


def _defect(connection: "Connection", request: Request, error: Exception) -> Reply:
    connection.shared.counters.defects += 1
    log.error("request %s: a defect", request.id, exc_info=error)
    unknown = RegistryError(ErrorCode.UNKNOWN, "internal error", detail={"request": request.id})
    return failure(unknown, challenges=False)


def _understood(
    connection: "Connection",
    message: RawRequestMessage,
    payload: StreamReader,
    path: str,
    query: str,
) -> Request:
    """Raises RegistryError for what leads nowhere."""
    shared, listening, headers = (
        connection.shared,
        connection.listening,
        JoinedHeaders(message.headers),
    )
    if not (1, 0) <= message.version <= (1, 1):
        raise RegistryError(ErrorCode.UNSUPPORTED, "HTTP/1.1 is spoken here", status=400)
    method, host = message.method, headers.get("Host")
    if not path.startswith("/"):
        path, host = _absolute(path)
    endpoint = _endpoint(method, path)
    here = valid_host(host) if host is not None else listening.local
    if here is None:
        raise RegistryError(ErrorCode.UNSUPPORTED, "the Host header is no host", status=400)
    try:
        fields = parse_query(query)
        origin = shared.proxies.origin(Origin(connection.address, listening.scheme, here), headers)
    except ValueError as error:
        raise RegistryError(ErrorCode.UNSUPPORTED, str(error), status=400) from None
    scheme, host = origin.scheme, origin.host
    if listening.external_host is not None:
        scheme = listening.external_scheme or scheme
        if host not in listening.virtual_hosts:
            host = listening.external_host
    size = headers.get("Content-Length")
    body = None
    if not payload.is_eof() or message.chunked or (size is not None and size != "0"):
        expects = headers.get("Expect", "").lower() == "100-continue"
        body = _Body(connection, payload, asks=expects and message.version >= (1, 1))
    return Request(
        listener=listening.name,
        method=method,
        endpoint=endpoint,
        query=dict(fields) if len(fields) < 2 else {name: fields[name] for name in fields},
        headers=headers,
        address=origin.address,
        scheme=scheme,
        host=host,
        started=shared.clock(),
        body=body,
        length=None if message.chunked else int(size or 0),
        certificate=connection.certificate,
        id=_id(connection, headers),
        tags=tuple(fields.getall("tag", ())),
        scopes=tuple(fields.getall("scope", ())),
    )


def _absolute(target: str) -> tuple[str, str | None]:
    """A request line in absolute form (RFC 9112, 3.2.2): its host wins."""
    scheme, found, rest = target.partition("://")
    if not found or scheme.lower() not in ("http", "https"):
        raise RegistryError(ErrorCode.UNSUPPORTED, "no such request target", status=400)
    authority, _, path = rest.partition("/")
    return "/" + path, authority


def _endpoint(method: str, path: str) -> Endpoint:
    endpoint = route(path)
    if endpoint is None:
        raise RegistryError(ErrorCode.UNSUPPORTED, "no such end-point", status=404)
    allowed = methods(endpoint)
    if method not in allowed:
        raise RegistryError(
            ErrorCode.UNSUPPORTED,
            f"{method} is not possible here",
            status=405,
            headers={"Allow": ", ".join(allowed)},
        )
    return endpoint


def _id(connection: "Connection", headers: Mapping[str, str]) -> str:
    shared = connection.shared
    if shared.proxies.trusts(connection.address):
        given = headers.get("X-Request-Id", "")
        if _ID.fullmatch(given):
            return given
    return shared.next_id()


def _extra(path: str, number: str) -> str:
    version = "Docker-Distribution-Api-Version: registry/2.0\r\n" if path.startswith("/v2") else ""
    return f"{version}X-Request-Id: {number}\r\nX-Content-Type-Options: nosniff\r\n"


def _keeps(
    connection: "Connection",
    message: RawRequestMessage,
    payload: StreamReader,
    *,
    sent_continue: bool,
) -> bool:
    """Whether the connection can take another request after this answer."""
    if message.should_close or connection.closing or connection.shared.draining:
        return False
    if payload.is_eof():
        return True
    if payload.exception() is not None:
        return False
    size = message.headers.get("Content-Length")
    return sent_continue and size is not None and int(size) <= SMALL_REST


async def _read_rest(payload: StreamReader) -> bool:
    """A small body that nobody read is read now; its end is the next request's beginning."""
    while not payload.at_eof():
        try:
            async with asyncio.timeout(5):
                await payload.readany()
        except (TimeoutError, RegistryError):
            return False
    return True


class _Body(AsyncIterator[bytes]):
    """A request's content. A client that waits for `100 Continue` gets it when the first bytes are
    asked for: after it was let in. Raises RegistryError where the content is malformed or stops
    coming, ConnectionResetError where the client is gone."""

    __slots__ = ("_connection", "_payload", "unasked")

    def __init__(self, connection: "Connection", payload: StreamReader, *, asks: bool) -> None:
        self._connection = connection
        self._payload = payload
        self.unasked = asks

    async def __anext__(self) -> bytes:
        connection = self._connection
        if self.unasked:
            self.unasked = False
            if not self._payload.is_eof():
                connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.wait_for_body()
        try:
            data = await self._payload.readany()
        except (RegistryError, ConnectionError):
            raise
        except Exception:  # noqa: BLE001 - whatever the parser found
            raise RegistryError(ErrorCode.SIZE_INVALID, "the request's body is malformed") from None
        finally:
            connection.stop_waiting()
        if not data:
            raise StopAsyncIteration
        return data
