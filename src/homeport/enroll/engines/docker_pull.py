"""Pull through a daemon and, where it fails, say what the mirror said.

dockerd asks its mirrors, then Docker Hub, and tells only the last error: mostly that Docker Hub
cannot be reached, which on a closed network is no news.
"""

import http.client
import json
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from homeport.enroll.engines.docker_api import Daemon, split
from homeport.enroll.engines.docker_files import netloc
from homeport.enroll.engines.docker_proxies import capturing
from homeport.enroll.errors import CannotPullError, EngineError, EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import Engine, Pull

_ASK = 10.0
_BODY = 64 * 1024
_WORDS = 600
_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


def pull(host: Host, engine: Engine, reference: str) -> Pull:
    """Raises CannotPullError for an engine that is elsewhere."""
    socket = engine.facts.get("socket")
    if not socket:
        raise CannotPullError(f"{engine.title} is not on this machine")
    daemon = Daemon(host, str(socket))
    try:
        said = daemon.pull(reference)
    except EngineError as error:
        return Pull(engine.id, reference, ok=False, said=error.message)
    if said is None:
        return Pull(engine.id, reference, ok=True, said="")
    reasons = [f"Docker says: {said}", *explain(host, engine, reference)]
    return Pull(engine.id, reference, ok=False, said="\n".join(reasons))


def explain(host: Host, engine: Engine, reference: str) -> "list[str]":
    """What each of the daemon's mirrors answers for an image of Docker Hub now, a line each."""
    name, tag = split(reference)
    first, slash, rest = name.partition("/")
    if first in ("docker.io", "index.docker.io"):
        name = rest
    elif slash and ("." in first or ":" in first or first == "localhost"):
        return []
    if "/" not in name:
        name = f"library/{name}"
    found = []
    for url in Daemon(host, str(engine.facts["socket"])).registries().mirrors[:8]:
        words = f"The mirror {url.rstrip('/')} says: {_ask(host, engine, url, name, tag)}"
        proxy = capturing(url, engine.facts.get("proxies") or {})
        found.append(f"{words} (but the daemon asks its proxy {proxy})" if proxy else words)
    return found


def _ask(host: Host, engine: Engine, url: str, name: str, tag: str) -> str:
    parts = urlsplit(url)
    path = f"/v2/{quote(name)}/manifests/{quote(tag, safe=':')}"
    connection: http.client.HTTPConnection
    try:
        if parts.scheme == "https":
            context = _trust(host, engine, url)
            connection = http.client.HTTPSConnection(parts.netloc, timeout=_ASK, context=context)
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=_ASK)
    except (http.client.HTTPException, ValueError, ssl.SSLError) as error:
        return str(error)
    try:
        headers = {"Accept": ", ".join(_TYPES), "User-Agent": "homeport-enroll"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return _describe(answer.status, answer.reason, answer.read(_BODY))
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not trusted here: {error.verify_message}"
    except (OSError, http.client.HTTPException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return reason or type(error).__name__
    finally:
        connection.close()


def _trust(host: Host, engine: Engine, url: str) -> ssl.SSLContext:
    """The system's CAs, and what the daemon has for this host."""
    context = ssl.create_default_context()
    folder = f"{engine.facts.get('certs')}/{netloc(url)}"
    for name in host.list(folder):
        if not name.endswith(".crt"):
            continue
        try:
            context.load_verify_locations(cadata=host.text(f"{folder}/{name}") or "")
        except (EnrollError, ssl.SSLError, ValueError):
            continue
    return context


def _describe(status: int, reason: str, body: bytes) -> str:
    if status == 200:
        return "it has the image (200): a layer or its way back failed"
    lines = _errors(body)
    words = "; ".join(lines)[:_WORDS]
    return f"{status} {words or reason}"


def _errors(body: bytes) -> "Sequence[str]":
    """The `errors` of an OCI answer: code, message and a detail that is text."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    entries = found.get("errors") if isinstance(found, dict) else None
    said = []
    for entry in entries[:8] if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            words = [entry.get(key) for key in ("code", "message", "detail")]
            said.append(": ".join(word for word in words if isinstance(word, str) and word))
    return said
