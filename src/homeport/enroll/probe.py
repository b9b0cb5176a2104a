"""Is there a mirror, which one, and does it serve what only a mirror can? Asked before anything is
changed, of every door that an engine would get."""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from homeport.enroll.address import docker_address, parse_address
from homeport.enroll.client import Answer, MirrorClient
from homeport.enroll.errors import EnrollError, UnreachableMirrorError
from homeport.enroll.model import Finding, Mirror, MirrorKind

API = "docker-distribution-api-version"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9]+(?:[._/-][a-z0-9]+)*")


@dataclass(frozen=True)
class Probe:
    """`mirror` is complete: its kind and both doors are known. `proven`: it served a canary that
    only it can have. `proxies` are the proxies on the way, by door."""

    mirror: Mirror
    version: str = ""
    proven: bool = False
    proxies: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def probe(mirror: Mirror, env: Optional[Mapping[str, str]] = None, *, docker: bool = True) -> Probe:
    """Ask a mirror of whom the user has said `url`, perhaps `hub_url` (empty: find it), kind and
    canary. `docker`: Docker is among the engines, which takes no path.

    Raises UnreachableMirrorError where it is none, EnrollError for URLs that engines do not take.
    """
    env = env or {}
    url = parse_address(mirror.url).url
    client = MirrorClient(url, ca=mirror.ca, env=env)
    _is_registry(client)
    about = _about(client) if mirror.kind in (MirrorKind.AUTO, MirrorKind.HOMEPORT) else None
    if about is not None and client.address.path:
        root = url[: -len(client.address.path)]
        raise EnrollError(f"homeport's mirror has no path: {url}", hint=f"write {root}")
    if about is None and mirror.kind is MirrorKind.HOMEPORT:
        raise UnreachableMirrorError(
            f"{url} is a registry, but not homeport's mirror",
            hint="say which by --mirror-kind, or leave that to us (auto)",
        )
    kind = mirror.kind
    if kind is MirrorKind.AUTO:
        kind = MirrorKind.HOMEPORT if about is not None else _foreign_kind(client)
    registry, hub = _doors(url, mirror.hub_url, about)
    found = replace(mirror, kind=kind, url=registry, hub_url=hub)
    if docker:
        docker_address(found.hub_url)
    doors = dict.fromkeys((found.url, found.hub_url))
    clients = {door: MirrorClient(door, ca=mirror.ca, env=env) for door in doors}
    for door, asked in clients.items():
        if door != url:
            _is_registry(asked)
    findings = [_proxied(door, asked.proxy) for door, asked in clients.items() if asked.proxy]
    proven, said = _prove(found, clients)
    return Probe(
        mirror=found,
        version=str((about or {}).get("version", ""))[:64],
        proven=proven,
        proxies={door: asked.proxy for door, asked in clients.items() if asked.proxy},
        findings=(*findings, *said),
    )


def _is_registry(client: MirrorClient) -> None:
    """200 or 401 to `GET /v2/` (OCI distribution, end-1)."""
    answer = client.get(f"{client.address.path}/v2/" if client.address.path else "/v2/")
    if client.address.path and answer.status == 404:
        # Engines put a path after /v2/: what is at the root speaks for it.
        answer = client.get("/v2/")
    if answer.status == 200 and "text/html" not in answer.headers.get("content-type", ""):
        return
    if answer.status == 401 and "www-authenticate" in answer.headers:
        return
    raise UnreachableMirrorError(
        f"{client.address.url} answers {answer.status} to /v2/: it is no registry",
        hint=f"is it the right port, and is there no proxy or login page before it? "
        f"{_line(answer)}".strip(),
    )


def _about(client: MirrorClient) -> Optional[Mapping[str, Any]]:
    """What homeport's mirror says of itself; None for others."""
    answer = client.get("/_homeport/about", limit=65536)
    data = _json(answer)
    return data if data is not None and data.get("kind") == "homeport" else None


def _doors(url: str, hub_url: str, about: Optional[Mapping[str, Any]]) -> "tuple[str, str]":
    """The registry's door and Docker's. What the user has said stands; what the mirror says of
    itself is taken for the rest."""
    listeners = (about or {}).get("listeners")
    known: dict[str, str] = {}
    for entry in listeners if isinstance(listeners, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("url"), str):
            known.setdefault(str(entry.get("role")), _said_address(entry["url"]))
    if "both" in known and not {"registry", "docker-mirror"} & set(known):
        return url, _hub(hub_url) or url
    registry = known.get("registry") or known.get("both") or url
    hub = known.get("docker-mirror") or known.get("both") or url
    # A URL that leads to the registry's door is kept in the user's words.
    at_registry = url in known.values() and url != known.get("docker-mirror")
    return url if at_registry else registry, _hub(hub_url) or hub


def _said_address(url: str) -> str:
    try:
        return parse_address(url).url
    except EnrollError as error:
        raise EnrollError(
            f"the mirror says of itself what is no address: {error.message}",
            hint="mend external_url in its configuration",
        ) from None


def _hub(hub_url: str) -> str:
    return docker_address(hub_url).url if hub_url else ""


def _foreign_kind(client: MirrorClient) -> MirrorKind:
    answer = client.get("/v2/")
    server = answer.headers.get("server", "").lower()
    realm = answer.headers.get("www-authenticate", "").lower()
    if "nexus" in server or "nexus" in realm:
        return MirrorKind.NEXUS
    if "harbor" in realm or "/service/token" in realm:
        return MirrorKind.HARBOR
    systeminfo = client.get("/api/v2.0/systeminfo")
    data = _json(systeminfo)
    if data is not None and ("harbor_version" in data or "auth_mode" in data):
        return MirrorKind.HARBOR
    return MirrorKind.DISTRIBUTION


def _prove(
    mirror: Mirror, clients: Mapping[str, MirrorClient]
) -> "tuple[bool, tuple[Finding, ...]]":
    if mirror.kind is MirrorKind.HOMEPORT:
        nonce = secrets.token_hex(8)
        asked = [
            _canary(client, f"homeport-verify/{nonce}", "latest") for client in clients.values()
        ]
        missing = tuple(finding for finding in asked if finding is not None)
        broken = [finding.message for finding in missing if finding.code == "no-canary"]
        if broken:
            raise UnreachableMirrorError(
                f"the mirror does not serve what it serves to everybody: {broken[0]}",
                hint="nothing was changed; see its log, and homeport mirror status there",
            )
        return not missing, missing
    if mirror.canary is None:
        return False, (
            Finding(
                code="not-proven",
                message="the mirror answers as a registry; that it serves images is not proven",
                hint="name an image that only it holds by --canary REF",
            ),
        )
    name, reference = split_canary(mirror.canary)
    found = _canary(clients[mirror.hub_url], name, reference)
    if found is not None and found.code == "no-canary":
        raise UnreachableMirrorError(
            f"the mirror has no {mirror.canary}: {found.message}",
            hint="name an image that it holds",
        )
    return found is None, () if found is None else (found,)


def split_canary(text: str) -> "tuple[str, str]":
    """Name and tag or digest of an image of Docker Hub's names, without its registry."""
    name, _, reference = text.partition("@")
    if not reference and ":" in name.rpartition("/")[2]:
        name, _, reference = name.rpartition(":")
    name = name.removeprefix("docker.io/")
    if "/" not in name:
        name = f"library/{name}"
    if not _NAME.fullmatch(name) or not re.fullmatch(r"[\w][\w.:-]{0,127}", reference or "latest"):
        raise EnrollError(f"{text[:100]} is no image", hint="write --canary NAME:TAG")
    return name, reference or "latest"


def _canary(client: MirrorClient, name: str, reference: str) -> Optional[Finding]:
    """Fetch a manifest and what it names, and compare digests; None: all is well.

    Raises UnreachableMirrorError where what comes is not what was asked for.
    """
    door = client.address
    answer = client.get(f"/v2{door.path}/{name}/manifests/{reference}")
    if answer.status == 401:
        return Finding(
            code="login",
            message=f"{door.url} asks for a login, so that it was not proven here",
            hint="engines need a login for it as well; Docker sends its Docker Hub one to mirrors",
            severity="warning",
        )
    if answer.status == 429:
        return Finding(
            code="busy",
            message=f"{door.url} answers that it is asked too often, so that it was not proven now "
            f"{_line(answer)}".strip(),
            hint="homeport enroll verify proves it later",
            severity="warning",
        )
    manifest = _json(answer)
    if answer.status != 200 or manifest is None:
        said = f"{door.url} answers {answer.status} to {name}:{reference} {_line(answer)}"
        return Finding(code="no-canary", message=said.strip(), severity="error")
    layers = manifest.get("layers")
    blobs = [manifest.get("config"), *(layers if isinstance(layers, list) else ())]
    for blob in blobs[:16]:
        digest = blob.get("digest") if isinstance(blob, dict) else None
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            continue
        got = client.get(f"/v2{door.path}/{name}/blobs/{digest}")
        if got.status in (301, 302, 303, 307, 308):
            continue  # it serves from elsewhere; engines follow that, we do not
        if got.status != 200 or f"sha256:{hashlib.sha256(got.body).hexdigest()}" != digest:
            raise UnreachableMirrorError(
                f"{door.url} does not serve the content of {name}: {got.status} for {digest}",
                hint="look at the mirror's log",
            )
    return None


def _proxied(door: str, proxy: Optional[str]) -> Finding:
    host = parse_address(door).host
    return Finding(
        code="proxy",
        message=f"{door} is asked through the proxy {proxy}",
        hint=f"engines with the same environment do so, too; add {host} to NO_PROXY if that is "
        "not meant",
        severity="warning",
    )


def _json(answer: Answer) -> Optional["dict[str, Any]"]:
    if answer.status != 200:
        return None
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _line(answer: Answer) -> str:
    """The first error of a registry's answer, or the beginning of another's text."""
    try:
        errors = json.loads(answer.body)["errors"][0]
        text = f"{errors.get('code', '')}: {errors.get('message', '')}"
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        text = re.sub(r"<[^>]*>|\s+", " ", answer.body[:2000].decode("utf-8", "replace")).strip()
    clean = "".join(char for char in text if char.isprintable())
    return f"({clean[:150]})" if clean else ""
