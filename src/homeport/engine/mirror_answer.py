"""What a mirror itself answers for an image, where an engine only tells that a pull has failed.

Docker asks its mirrors, then Docker Hub, and tells the last error alone: the mirror's reason is in
the daemon's log, which nobody reads. The same question is asked here again, without any login.
"""

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

from homeport.engine.docker import split_reference
from homeport.oci.image_name import HUB, ImageName

LIMIT = 3.0
"""Seconds for all mirrors together: nobody waits longer for an explanation."""
MOST = 4
_BODY = 64 * 1024
_WORDS = 600
_CERTS = ("/etc/docker/certs.d", "~/.config/docker/certs.d", "~/.docker/certs.d")
_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


def ask_mirrors(
    mirrors: Sequence[str], image: str, *, limit: float = LIMIT, certs: Sequence[str] = _CERTS
) -> tuple[str, ...]:
    """A line for each mirror that an engine asks for this image, in their order; none where it
    asks no mirror for it. `mirrors` are URLs; `certs` folders with a mirror's CA, as Docker has
    them. Never raises, and takes no longer than `limit` seconds."""
    path = _path(mirrors, image)
    wanted = list(dict.fromkeys(url.rstrip("/") for url in mirrors))[:MOST] if path else []
    said: dict[str, str] = {}

    def ask(url: str) -> None:
        said[url] = _ask(url, path, limit, certs)

    threads = [threading.Thread(target=ask, args=(url,), daemon=True) for url in wanted]
    for thread in threads:
        thread.start()
    end = time.monotonic() + limit
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return tuple(
        f"the mirror {url} says: {said.get(url, f'nothing within {limit:g} s')}" for url in wanted
    )


def _path(mirrors: Sequence[str], image: str) -> str:
    """Where the mirrors have the image's manifest; empty where they are not asked for it."""
    name = ImageName.parse(image)
    if name is None:
        return ""
    path, tag = name.path, split_reference(image)[1]
    if name.registry == HUB:
        path = path if "/" in path else f"library/{path}"
    elif name.registry not in {urlsplit(url).netloc.lower() for url in mirrors}:
        return ""
    return f"/v2/{quote(path)}/manifests/{quote(tag, safe=':')}"


def _ask(url: str, path: str, limit: float, certs: Sequence[str]) -> str:
    try:
        parts = urlsplit(url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = _trust(parts.netloc, certs)
            connection = http.client.HTTPSConnection(parts.netloc, timeout=limit, context=context)
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=limit)
    except (http.client.HTTPException, ValueError, OSError) as error:
        return str(error)
    try:
        headers = {"Accept": ", ".join(_TYPES), "User-Agent": "homeport"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return _describe(answer.status, answer.reason, answer.read(_BODY))
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not trusted here: {error.verify_message}"
    except TimeoutError:
        return f"nothing within {limit:g} s"
    except (OSError, http.client.HTTPException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"it cannot be reached: {reason or type(error).__name__}"
    finally:
        connection.close()


def _trust(netloc: str, certs: Sequence[str]) -> ssl.SSLContext:
    """The system's CAs, and what Docker has for this host."""
    context = ssl.create_default_context()
    for file in _authorities(netloc, certs):
        try:
            context.load_verify_locations(cafile=file)
        except (OSError, ValueError):
            continue
    return context


def _authorities(netloc: str, certs: Sequence[str]) -> Iterator[str]:
    for folder in certs:
        try:
            files = sorted((Path(folder).expanduser() / netloc).iterdir())
        except (OSError, RuntimeError):
            continue
        yield from (str(file) for file in files if file.suffix == ".crt")


def _describe(status: int, reason: str, body: bytes) -> str:
    if status == 200:
        return "200, it has the image: a layer, or the way from the engine to it, has failed"
    words = "; ".join(_errors(body))[:_WORDS] or reason
    return "".join(char for char in f"{status} {words}" if char.isprintable())


def _errors(body: bytes) -> Iterator[str]:
    """The `errors` of an OCI answer: code, message, and what of the detail is words."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return
    entries = found.get("errors") if isinstance(found, dict) else None
    for entry in entries[:8] if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        detail = entry.get("detail")
        more = [detail]
        if isinstance(detail, dict):
            more = [detail.get(key) for key in ("upstream", "cause", "said", "remedy")]
        words = [entry.get("code"), entry.get("message"), *more]
        yield ": ".join(word for word in words if isinstance(word, str) and word)
