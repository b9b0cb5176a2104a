"""A request and its reply, independent of the HTTP library."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from homeport.mirror.model.endpoint import Endpoint
from homeport.mirror.model.names import Target
from homeport.mirror.model.principal import ANONYMOUS, Decision, Principal
from homeport.mirror.model.record import Outcome

Headers = Mapping[str, str]
"""Case-insensitive; several lines of one name are joined with a comma (RFC 9110, 5.3)."""


class Request(Struct, kw_only=True):
    """One request. Mutable on purpose: `flow` fills in what it finds out, for the audit.

    `query` is decoded once and has the first value of each name; `tags` are all values of its `tag`
    (end-7b), `scopes` all of its `scope` (docker asks for a token for a mount with two). `address`
    is the client's after trusted proxies, `scheme` and `host` those that the client used
    (`external_url`, trusted proxies). `body` yields the request's content; `length` is its
    Content-Length, None for chunked. `certificate` is the subject of a verified client certificate.
    """

    listener: str
    method: str
    endpoint: Endpoint
    query: Mapping[str, str]
    headers: Headers
    address: str
    scheme: str
    host: str
    started: float
    body: AsyncIterator[bytes] | None = None
    length: int | None = None
    certificate: Mapping[str, Any] | None = None
    id: str = ""
    tags: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    target: Target | None = None
    principal: Principal = ANONYMOUS
    decision: Decision | None = None


class FileBody(Struct, kw_only=True):
    """Bytes of a local file, for sendfile: `length` bytes from `offset`. `close` is called once,
    whatever happens; the descriptor stays open until then."""

    descriptor: int
    offset: int
    length: int
    close: Callable[[], None]
    pace: Callable[[int], Awaitable[None]] | None = None


class StreamBody(Struct, kw_only=True):
    """Bytes that come while they are sent; `length` None is sent chunked. The iterator raises to
    cut the connection; `close` is awaited once, whatever happens. `pace` is awaited with the number
    of bytes before they are sent (bandwidth)."""

    chunks: AsyncIterator[bytes]
    length: int | None
    close: Callable[[], Awaitable[None]]
    pace: Callable[[int], Awaitable[None]] | None = None


Body = bytes | FileBody | StreamBody


class Reply(Struct, kw_only=True):
    """An answer. A HEAD's reply has the headers of the GET (Content-Length included) and a body of
    b"". `headers` need not hold Content-Length for a body whose length is known. `outcome` is for
    the audit."""

    status: int
    headers: Headers = {}
    body: Body = b""
    outcome: Outcome | None = None
