"""The body of `POST /token` (RFC 6749: a form)."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

from homeport.mirror.model.exchange import Request

MAX_BYTES = 32 * 1024
MAX_FIELDS = 64
_DEADLINE = 10.0
_TYPE = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> Mapping[str, tuple[str, ...]]:
    """Every value of every field. Raises ValueError for what is no form, is too large, or does not
    come within ten seconds."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != _TYPE or request.body is None:
        raise ValueError(f"the body is not {_TYPE}")
    if (request.length or 0) > MAX_BYTES:
        raise ValueError(f"the body is larger than {MAX_BYTES} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(_DEADLINE):
            async for chunk in request.body:
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError(f"the body is larger than {MAX_BYTES} bytes")
    except TimeoutError:
        raise ValueError("the body did not come in time") from None
    pairs = parse_qsl(
        body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
    )
    form: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        form[name] = (*form.get(name, ()), value)
    return form
