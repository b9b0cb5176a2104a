"""WWW-Authenticate (RFC 9110, 11.6.1; RFC 6750, 3)."""

import re
from urllib.parse import quote

from homeport.mirror.auth.tokens import SERVICE
from homeport.mirror.model.endpoint import (
    Blob,
    Manifests,
    Referrers,
    Service,
    Tags,
    Upload,
    Uploads,
)
from homeport.mirror.model.exchange import Request
from homeport.mirror.model.principal import Proof

BASIC = 'Basic realm="homeport", charset="UTF-8"'
_HOST = re.compile(r"[A-Za-z0-9._\-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
_READS = ("GET", "HEAD")


def bearer_challenge(request: Request, scope: str | None, *, external_url: str | None) -> str:
    """`realm`, `service`, `scope`, and `error` where a token was sent that did not do."""
    parts = [("realm", token_url(request, external_url)), ("service", SERVICE)]
    bearer = request.headers.get("Authorization", "")[:7].lower() == "bearer "
    rejected = bearer and request.principal.proof is Proof.NONE
    # A client whose token was refused asks the next one for what it was about to do.
    wanted = scope or (_scope_of(request) if rejected else None)
    if wanted:
        parts.append(("scope", wanted))
    if rejected:
        parts.append(("error", "invalid_token"))
    elif scope and request.principal.scopes is not None:
        parts.append(("error", "insufficient_scope"))
    return "Bearer " + ",".join(f'{name}="{_quoted(text)}"' for name, text in parts)


def token_url(request: Request, external_url: str | None) -> str:
    """Where tokens are had, as this client reaches us. containerd's `ns` travels along: it is part
    of what a repository's name means."""
    base = external_url.rstrip("/") if external_url else f"{request.scheme}://{_host(request.host)}"
    namespace = request.query.get("ns")
    return f"{base}{Service.TOKEN.value}" + (f"?ns={quote(namespace)}" if namespace else "")


def _host(text: str) -> str:
    return text if _HOST.fullmatch(text) else "localhost"


def _scope_of(request: Request) -> str | None:
    endpoint = request.endpoint
    match endpoint:
        case Manifests() | Blob() | Tags() | Referrers() if request.method in _READS:
            return f"repository:{endpoint.name}:pull"
        case Uploads() | Upload() | Manifests() if request.method != "DELETE":
            return f"repository:{endpoint.name}:pull,push"
        case Manifests() | Blob():
            return f"repository:{endpoint.name}:delete"
        case Upload():
            return f"repository:{endpoint.name}:pull,push"
        case _:
            return None


def _quoted(text: str) -> str:
    return "".join(char for char in text if char.isprintable() and char not in '"\\')
