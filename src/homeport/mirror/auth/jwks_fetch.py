"""Fetching an issuer's documents over HTTPS."""

import asyncio
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from homeport.mirror.auth.jwks import IssuerUnavailableError, may_fetch

if TYPE_CHECKING:
    from aiohttp import StreamReader

MAX_BYTES = 256 * 1024
TIMEOUT = 10.0


async def fetch(url: str, ca: str | None) -> bytes:
    """The body of a 200, at most 256 kB, within ten seconds; redirects are not followed. `ca` is a
    file of authorities that alone are trusted. Raises IssuerUnavailableError."""
    import aiohttp

    host = urlsplit(url).netloc
    if not may_fetch(url):
        raise IssuerUnavailableError(f"{host}: only https is asked")
    try:
        context = await asyncio.to_thread(ssl.create_default_context, cafile=ca)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=5.0)
        connector = aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise IssuerUnavailableError(f"{host}: status {response.status}")
            return await _bounded(response.content, host)
    except TimeoutError:
        raise IssuerUnavailableError(f"{host}: no answer in time") from None
    except (aiohttp.ClientError, OSError) as error:
        raise IssuerUnavailableError(f"{host}: {type(error).__name__}") from None


async def _bounded(content: "StreamReader", host: str) -> bytes:
    body = bytearray()
    while chunk := await content.read(65_536):
        body += chunk
        if len(body) > MAX_BYTES:
            raise IssuerUnavailableError(f"{host}: more than {MAX_BYTES} bytes")
    return bytes(body)
