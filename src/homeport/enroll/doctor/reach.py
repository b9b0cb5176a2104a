"""Whether each engine reaches its mirrors: failures 4 (logins), 6 (x509), 7 (silent fallback) and
11 (loopback of another machine, proxies)."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Optional, Union

from homeport.enroll.client import Answer, MirrorClient
from homeport.enroll.doctor.doors import Used, doors_of, proxies_of
from homeport.enroll.doctor.model import Diagnosis, Patient, Scene
from homeport.enroll.engines.docker_draft import is_loopback, release_of
from homeport.enroll.engines.docker_proxies import capturing
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import Finding

TIMEOUT = 5.0
AT_ONCE = 8
_HUB_LOGINS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io")
_OWN_NAMESPACE = 26
"""Before this release of Docker, 127.0.0.1 of rootless Docker is not this machine's
(moby#47103)."""

Heard = Union[Answer, EnrollError]


def look_at_ways(scene: Scene) -> Iterator[Diagnosis]:
    ways = [(one, used) for one in scene.patients for used in doors_of(scene.host, one)]
    different = {(used.url, used.ca): used for _, used in ways}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        heard = dict(zip(different, pool.map(_ask, different.values())))
    for patient, used in ways:
        findings = [_inside(patient, used), _captured(scene.host, patient, used)]
        if findings[0] is None:
            findings.append(_judge(scene.host, patient, used, heard[used.url, used.ca]))
        for finding in findings:
            if finding is not None:
                yield Diagnosis(patient.engine.title, finding)


def _ask(used: Used) -> Heard:
    try:
        return MirrorClient(used.url, ca=used.ca or None, timeout=TIMEOUT).get("/v2/", limit=65536)
    except EnrollError as error:
        return error


def _inside(patient: Patient, used: Used) -> Optional[Finding]:
    """A mirror on 127.0.0.1, for an engine that has a 127.0.0.1 of its own."""
    facts = patient.engine.facts
    apart = facts.get("wrapper") or (
        facts.get("rootless") and 0 < release_of(patient.engine) < _OWN_NAMESPACE
    )
    if not apart or not is_loopback(used.url):
        return None
    where = "its virtual machine" if facts.get("wrapper") else "its network namespace"
    words = (
        f"{used.url} is {where} itself for this engine, not this machine: the mirror is not used"
    )
    hint = "give the mirror an address that other machines reach"
    return Finding("loopback", words, hint, used.place, "error")


def _captured(host: Host, patient: Patient, used: Used) -> Optional[Finding]:
    proxy = capturing(used.url, proxies_of(host, patient))
    if proxy is None:
        return None
    name = used.url.partition("://")[2].rpartition(":")[0] or used.url.partition("://")[2]
    words = f"{used.url} is asked through the proxy {proxy.rpartition('@')[2]}"
    return Finding("proxy", words, f"add {name} to NO_PROXY of the engine", used.place, "warning")


def _judge(host: Host, patient: Patient, used: Used, heard: Heard) -> Optional[Finding]:
    if isinstance(heard, EnrollError):
        return _unreached(patient, used, heard)
    if heard.status == 401:
        return _challenged(host, patient, used)
    if heard.status == 200 and "text/html" not in heard.headers.get("content-type", ""):
        return None
    words = f"{used.url} answers {heard.status} to /v2/: it is no registry; {_fallback(patient)}"
    return Finding("not-a-mirror", words, "is it the right port?", used.place, "error")


def _unreached(patient: Patient, used: Used, error: EnrollError) -> Optional[Finding]:
    if not used.verify and any(part in error.message for part in _lenient(patient, used)):
        return None
    hint = "" if error.hint == "nothing was changed" else error.hint
    if "certificate" in error.message:
        words = f"{error.message}; {_fallback(patient)}"
        if patient.kind.name == "docker":
            words += " (x509 stands in its log alone)"
        hint = f"put the mirror's CA below {used.certs}: homeport enroll apply --ca FILE does it"
        return Finding("not-trusted", words, hint, used.place, "error")
    return Finding(
        "out-of-reach",
        f"{error.message}; {_fallback(patient)}",
        hint or "is the mirror running, and does a firewall let this machine through?",
        used.place,
        "error",
    )


def _lenient(patient: Patient, used: Used) -> "tuple[str, ...]":
    """What does not trouble an engine that was told not to look at certificates: it tries HTTPS,
    then HTTP (Docker: only where the mirror's URL is https)."""
    if used.url.startswith("https:"):
        return "certificate", "speaks plain HTTP"
    return ("certificate",) if patient.kind.name == "docker" else ("certificate", "speaks TLS")


def _fallback(patient: Patient) -> str:
    name = patient.kind.name
    if name == "docker":
        return "Docker goes on to Docker Hub without a word, and counts against its rate limit"
    return f"{patient.engine.title} goes on to the registry itself, where it may"


def _challenged(host: Host, patient: Patient, used: Used) -> Optional[Finding]:
    """Docker answers any challenge with the user's login at Docker Hub, never with one for the
    mirror's own host (moby#30880)."""
    logins = _logins(host)
    if patient.kind.name != "docker":
        name = used.url.partition("://")[2]
        if patient.kind.name == "containerd" or name in logins:
            return None  # a token may be had without a login, or there is one
        words = f"{used.url} asks who is there (401), and there is no login for {name} here"
        hint = f"podman login {name}, unless the mirror gives tokens to anybody"
        return Finding("no-login", words, hint, used.place)
    words = f"{used.url} asks Docker who is there (401)"
    severity = "note"
    if any(name in logins for name in _HUB_LOGINS):
        words += f": Docker sends it the login at Docker Hub that {host.home}/.docker has"
        severity = "error"
    else:
        words += ": Docker has no login for a mirror; it uses what anybody gets"
    hint = "let the mirror know clients by address or port; homeport: a docker-mirror listener"
    return Finding("asks-for-login", words, hint, used.place, severity)


def _logins(host: Host) -> "tuple[str, ...]":
    """The registries that this user has logged in at."""
    found: list[str] = []
    run = host.env.get("XDG_RUNTIME_DIR") or f"/run/user/{host.uid}"
    for path in (
        f"{host.env.get('DOCKER_CONFIG') or host.home + '/.docker'}/config.json",
        host.env.get("REGISTRY_AUTH_FILE") or f"{run}/containers/auth.json",
        f"/run/containers/{host.uid}/auth.json",
    ):
        try:
            values = json.loads(host.text(path) or "{}")
            found += list(values.get("auths") or {})
        except (EnrollError, ValueError, RecursionError, TypeError, AttributeError):  # noqa: PERF203
            continue
    return tuple(found)
