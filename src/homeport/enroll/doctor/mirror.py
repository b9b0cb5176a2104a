"""What the mirror itself lacks: out of reach, no mirror, its TLS, what is behind it, its disk."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Optional
from urllib.parse import quote

from homeport.enroll.client import Answer, MirrorClient
from homeport.enroll.doctor.model import Diagnosis, Scene
from homeport.enroll.errors import EnrollError, UnreachableMirrorError
from homeport.enroll.model import Finding, Mirror
from homeport.enroll.probe import probe

TIMEOUT = 5.0
NEARLY_FULL = 2 * 1024**3
"""Bytes: fewer are soon gone, as one large image may have as many."""
PROBE = ("library/alpine", "latest")
"""What is asked for where no pipeline says what is needed."""
_ANSWERS: Mapping[int, "tuple[str, str]"] = {
    403: ("upstream-denied", "give the mirror a login at the upstream, or look at its rules"),
    429: ("upstream-rate-limited", "give the mirror a login at Docker Hub: its limit is higher"),
    502: ("upstream-unreachable", "look at the mirror's way out: DNS, firewall, proxy"),
    503: ("mirror-unavailable", "look at the mirror's log"),
    504: ("upstream-unreachable", "look at the mirror's way out: DNS, firewall, proxy"),
    507: ("mirror-full", "homeport mirror gc, or a larger disk"),
}


def look_at_mirror(scene: Scene) -> Iterator[Diagnosis]:
    if scene.request is None:
        return
    mirror = scene.request.mirror
    subject = f"the mirror {mirror.url}"
    try:
        client = MirrorClient(mirror.url, ca=mirror.ca, env=scene.host.env, timeout=TIMEOUT)
        answer = client.get("/v2/")
    except UnreachableMirrorError as error:
        yield Diagnosis(subject, _unreached(error))
        return
    except EnrollError as error:
        yield Diagnosis(subject, Finding("mirror-url", error.message, error.hint, "", "error"))
        return
    if not client.address.path and not _is_registry(answer):
        words = f"{mirror.url} answers {answer.status} to /v2/: it is no registry"
        hint = "is it the right port, and is there no proxy or login page before it?"
        yield Diagnosis(subject, Finding("not-a-mirror", words, hint, "", "error"))
        return
    try:
        found = probe(mirror, scene.host.env, docker=bool(scene.of("docker")))
    except UnreachableMirrorError as error:
        yield Diagnosis(subject, _unreached(error))
        return
    except EnrollError as error:
        yield Diagnosis(subject, Finding("mirror-url", error.message, error.hint, "", "error"))
        return
    for finding in found.findings:
        yield Diagnosis(subject, finding)
    for finding in _look_inside(scene, found.mirror, client):
        yield Diagnosis(subject, finding)


def _is_registry(answer: Answer) -> bool:
    html = "text/html" in answer.headers.get("content-type", "")
    return answer.status in (200, 401) and not (html and answer.status == 200)


def _unreached(error: UnreachableMirrorError) -> Finding:
    hint = "" if error.hint == "nothing was changed" else error.hint
    tls = "certificate" in error.message or "TLS" in error.message
    code = "mirror-tls" if tls else "mirror-unreachable"
    if "no registry" in error.message:
        code = "not-a-mirror"
    return Finding(code, error.message, hint, "", "error")


def _look_inside(scene: Scene, mirror: Mirror, client: MirrorClient) -> Iterator[Finding]:
    try:
        hub = MirrorClient(mirror.hub_url, ca=mirror.ca, env=scene.host.env, timeout=TIMEOUT)
        if hub.get("/v2/").status == 401 and scene.of("docker"):
            yield Finding(
                "mirror-asks-docker",
                f"{mirror.hub_url} asks who is there (401), and Docker has no login for a mirror: "
                "it sends the user's login at Docker Hub, or none",
                "let it know clients by address or port; homeport: a docker-mirror listener",
                "",
                "warning",
            )
        status = _status(client)
        if status is not None:
            yield from _judge_status(status)
        name, reference = _wanted(scene)
        yield from _judge_answer(hub, name, reference)
    except EnrollError as error:
        yield Finding("mirror-unreachable", error.message, error.hint, "", "error")


def _wanted(scene: Scene) -> "tuple[str, str]":
    for image in scene.images:
        if image.registry == "docker.io" and not image.unknown:
            return image.path, image.reference
    return PROBE


def _status(client: MirrorClient) -> Optional[Mapping[str, Any]]:
    """None where only administrators may see it."""
    answer = client.get("/_homeport/status", limit=1024 * 1024)
    if answer.status != 200:
        return None
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _judge_status(status: Mapping[str, Any]) -> Iterator[Finding]:
    if status.get("ready") not in (None, "yes"):
        words = f"the mirror is not ready: {_text(status['ready'])}"
        yield Finding("mirror-unavailable", words, "look at the mirror's log", "", "error")
    store = status.get("store")
    free = store.get("free") if isinstance(store, dict) else None
    if isinstance(free, int) and free < NEARLY_FULL:
        words = f"its disk has {max(free, 0) // 1024**2} MiB left above the reserve"
        hint = "homeport mirror gc, a quota that is smaller than the disk, or a larger disk"
        yield Finding("mirror-full", words, hint, "", "warning")
    upstreams = status.get("upstreams")
    for upstream in upstreams if isinstance(upstreams, list) else ():
        if isinstance(upstream, dict):
            yield from _judge_upstream(upstream)


def _judge_upstream(upstream: Mapping[str, Any]) -> Iterator[Finding]:
    name = _text(upstream.get("name"))
    failing = upstream.get("failing")
    if upstream.get("healthy") is False:
        said = "; ".join(map(_text, failing.values())) if isinstance(failing, dict) else ""
        words = f"the mirror does not reach {name}{f': {said}' if said else ''}"
        hint = "what it holds is served as stale; look at its way out: DNS, firewall, proxy"
        yield Finding("upstream-unreachable", words, hint, "", "error")
    quota = upstream.get("quota")
    left = quota.get("remaining") if isinstance(quota, dict) else None
    if isinstance(left, int) and left <= 0:
        words = f"{name} lets the mirror pull nothing more now: its rate limit is used up"
        yield Finding("upstream-rate-limited", words, _ANSWERS[429][1], "", "warning")


def _judge_answer(hub: MirrorClient, name: str, reference: str) -> Iterator[Finding]:
    """What the mirror answers for an image that is wanted (or that every registry has)."""
    path = f"/v2{hub.address.path}/{quote(name)}/manifests/{quote(reference, safe=':')}"
    answer = hub.get(path)
    what = f"{name}:{reference}"
    if answer.status == 200:
        yield from judge_freshness(answer, what)
        return
    code, hint = _ANSWERS.get(answer.status, ("", ""))
    if code:
        said, remedy = said_of(answer)
        words = f"it answers {answer.status} for {what}: {said}"
        severity = "error" if answer.status >= 500 else "warning"
        yield Finding(code, words, remedy or hint, "", severity)


def judge_freshness(answer: Answer, what: str) -> Iterator[Finding]:
    """Failure 9: a tag that could not be confirmed."""
    warning = answer.headers.get("warning", "")
    if "stale" in warning or "gone upstream" in warning:
        words = f"{what} is stale: {_text(warning.partition(' - ')[2] or warning)}"
        hint = "it is served as it was; see homeport mirror explain on the mirror"
        yield Finding("stale", words, hint, "", "warning")


def said_of(answer: Answer) -> "tuple[str, str]":
    """The words of a registry's error, and the remedy that homeport's mirror adds."""
    try:
        entry = json.loads(answer.body)["errors"][0]
        detail = entry.get("detail")
        more = detail if isinstance(detail, dict) else {}
        words = [entry.get("code"), entry.get("message"), more.get("cause"), more.get("said")]
        said = ": ".join(_text(word) for word in words if word)
        return said, _text(more.get("remedy") or "")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return "no words", ""


def _text(value: Any) -> str:
    return "".join(char for char in str(value)[:300] if char.isprintable())
