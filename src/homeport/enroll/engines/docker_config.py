"""daemon.json as dockerd would judge it: what it refuses is refused here, with line and column.

dockerd refuses at a reload (and keeps the old configuration) and at its start (and is then down).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from homeport.enroll.engines.docker_keys import KEYS, NEWEST, WHOLE, find_key, is_flag
from homeport.enroll.errors import BrokenFileError, ConflictError, EnrollError
from homeport.enroll.formats.json_text import Member, Object, parse_object
from homeport.enroll.model import Finding

MIRRORS = "registry-mirrors"
INSECURE = "insecure-registries"

_HINT = "dockerd would not start with it; mend it first, nothing is changed"
_NETLOC = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")
_OWN_DOOR = (
    "give Docker Hub's mirror a port or a host name of its own: a listener with the role "
    "docker-mirror (homeport), a connector port of the repository (Nexus), a reverse proxy "
    "that adds the path (Harbor)"
)
_LEVELS = ("panic", "fatal", "error", "warn", "warning", "info", "debug", "trace")
_COUNTS = (
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "mtu",
    "network-diagnostic-port",
)


class Config(NamedTuple):
    """`findings` are what dockerd accepts, but does not do."""

    values: Mapping[str, Any]
    findings: tuple[Finding, ...]

    def texts(self, key: str) -> tuple[str, ...]:
        found = self.values.get(key)
        return tuple(found) if isinstance(found, list) else ()


def read_config(text: str, path: str, release: int) -> Config:
    """Raises BrokenFileError for what dockerd of this release (the first number of its version; 0
    if unknown: then every known key counts) would refuse."""
    values, root = parse_object(text, path)
    findings = []
    for member, value in _flat(values, root):
        place = _place(text, member.start)
        if find_key(member.key, release or _some(member.key)) is None:
            findings.append(_judge_unknown(member.key, path, place, release))
            continue
        wrong = _check(member.key, value)
        if wrong:
            raise BrokenFileError(path, *_place(text, member.value), wrong, hint=_HINT)
    return Config(values, tuple(findings))


def check_conflicts(text: str, path: str, flags: Iterable[str], source: str) -> None:
    """Raises ConflictError for a key that is a flag as well: dockerd does not start with both.
    `flags` are keys; `source` says whose they are."""
    given = set(flags) - {"runtimes"}
    values, root = parse_object(text, path)
    for member, _ in _flat(values, root):
        if member.key in given:
            line, column = _place(text, member.start)
            raise ConflictError(
                f"{member.key} is in the file, and a flag of {source}: "
                "dockerd does not start, nor reload, with both",
                hint="remove one of the two first; nothing is changed",
                place=f"{path}:{line}:{column}",
            )


def check_mirror_url(url: str) -> None:
    """Raises EnrollError for what dockerd would refuse in registry-mirrors, with the remedy."""
    wrong, hint = _judge_url(url)
    if wrong:
        raise EnrollError(f"{hide_login(url)} cannot be Docker's mirror: {wrong}", hint=hint)


def same_mirror(one: str, other: str) -> bool:
    """dockerd writes them with a slash at the end."""
    return one.rstrip("/").lower() == other.rstrip("/").lower()


def hide_login(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", url)


def _judge_url(url: str) -> "tuple[str, str]":
    """What is wrong with it, and what to do; empty if nothing is."""
    form = "write http(s)://HOST[:PORT]"
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        return "it is no URL", form
    wrong, hint = "", ""
    if parts.scheme not in ("http", "https"):
        wrong, hint = "it does not begin with http:// or https://", form
    elif "@" in parts.netloc:
        wrong = "Docker takes no user and password in it"
        hint = "let the mirror allow pulls by address"
    elif not host or not _NETLOC.fullmatch(parts.netloc):
        wrong, hint = "there is no host in it", form
    elif "?" in url or "#" in url:
        wrong, hint = "Docker takes no query in it", "leave it out"
    elif parts.path not in ("", "/"):
        wrong, hint = f"Docker takes no path ({parts.path}) in it", _OWN_DOOR
    return wrong, hint


def _flat(values: Mapping[str, Any], root: Object) -> "Iterator[tuple[Member, Any]]":
    """Keys as dockerd counts them: the members of an object that is no value are keys as well."""
    for member in root.members:
        value = values[member.key]
        if member.inner is None or member.key in WHOLE:
            yield member, value
            continue
        for inner in member.inner.members:
            yield inner, value[inner.key]


def _some(name: str) -> int:
    """A release in which there was such a key."""
    key = KEYS.get(name)
    return NEWEST if key is None else max(key.since, min(key.until, NEWEST))


def _judge_unknown(name: str, path: str, place: "tuple[int, int]", release: int) -> Finding:
    where = f"{path}:{place[0]}:{place[1]}"
    if is_flag(name):
        plural = [key for key in (MIRRORS, INSECURE) if key.startswith(name.rstrip("y"))]
        hint = f"the key is called {plural[0]}" if plural else "remove it"
        words = f"dockerd accepts the key {name}, but ignores it"
        return Finding("docker-key-ignored", words, hint, where, "warning")
    if release > NEWEST:
        words = f"the key {name} is not known of Docker {NEWEST} or older"
        return Finding("docker-key-unknown", words, "", where)
    message = f"dockerd knows no key {name}"
    if name in KEYS:
        message += f" in release {release}"
    elif name.lower() in KEYS:
        message += f"; it is written {name.lower()}"
    raise BrokenFileError(path, *place, message, hint=_HINT)


def _check(name: str, value: Any) -> str:
    """What is wrong with a value, or nothing. `null` is as if there were none."""
    if value is None:
        return ""
    wanted = KEYS[name].type
    wrong = ""
    if not _FITS[wanted](value):
        wrong = f"{name} is not {_WORDS[wanted]}"
    elif name == "log-level" and value and value.lower() not in _LEVELS:
        wrong = f"log-level is none of {', '.join(_LEVELS)}"
    elif name in _COUNTS and value < 0:
        wrong = f"{name} is negative"
    elif name == "labels" and not all("=" in label for label in value):
        wrong = "a label is not KEY=VALUE"
    elif name == MIRRORS:
        judged = [(url, _judge_url(url)[0]) for url in value]
        faults = [f"{hide_login(url)} cannot be a mirror: {why}" for url, why in judged if why]
        wrong = "; ".join(faults)
    return wrong


_WORDS = {
    "text": "a text",
    "truth": "true or false",
    "number": "a whole number",
    "texts": "a list of texts",
    "pairs": "an object of texts (numbers and true, too, stand in quotes)",
    "object": "an object",
    "objects": "a list of objects",
    "truths": "an object of true and false",
}


def _holds(value: Any, kind: type) -> bool:
    inner = value.values() if isinstance(value, dict) else value
    return all(isinstance(entry, kind) for entry in inner)


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "truth": lambda value: isinstance(value, bool),
    "number": lambda value: type(value) is int,
    "texts": lambda value: isinstance(value, list) and _holds(value, str),
    "objects": lambda value: isinstance(value, list) and _holds(value, dict),
    "object": lambda value: isinstance(value, dict),
    "pairs": lambda value: isinstance(value, dict) and _holds(value, str),
    "truths": lambda value: isinstance(value, dict) and _holds(value, bool),
}


def _place(text: str, position: int) -> "tuple[int, int]":
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
