"""The process of a daemon, and what its service would start: flags, environment, files.

The process says what counts now, the service what counts at the next start: both can conflict with
daemon.json.
"""

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

from homeport.enroll.engines.docker_keys import BARE, SHORT
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host

UNIT = "docker.service"
UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system")
UNITS_TOO = ("/lib/systemd/system",)
_LIMIT = 64


class Process(NamedTuple):
    """A running dockerd. `manager` is `systemd`, `systemd-user` or empty."""

    id: int
    program: str
    flags: Mapping[str, Sequence[str]]
    env: Mapping[str, str]
    manager: str


class Service(NamedTuple):
    """What systemd would start; `files` say it."""

    flags: Mapping[str, Sequence[str]]
    env: Mapping[str, str]
    files: tuple[str, ...]


def find_process(host: Host, peer: int, socket: str, runtime: str) -> Optional[Process]:
    """The dockerd of a socket: who listens on it, or (systemd listens) whose pid file is there."""
    found = read_process(host, peer)
    if found is not None:
        return found
    for place in (f"{posixpath.dirname(socket)}/docker.pid", f"{runtime}/docker.pid"):
        found = read_process(host, _number(_text(host, place)))
        if found is not None and serves(found, socket):
            return found
    said = host.run("systemctl", "show", "--property=MainPID", UNIT, limit=5.0)
    found = read_process(host, _number(said.out.partition("=")[2]) if said.status == 0 else 0)
    return found if found is not None and serves(found, socket) else None


def serves(process: Process, socket: str) -> bool:
    """Whether it listens on this socket, as far as its flags tell."""
    hosts = process.flags.get("host", ())
    name = posixpath.basename(socket)
    return not hosts or any(
        entry.startswith("fd://") or posixpath.basename(entry) == name for entry in hosts
    )


def read_process(host: Host, number: int) -> Optional[Process]:
    """None for a process that is no dockerd, or may not be looked at."""
    if number <= 1:
        return None
    words = (_text(host, f"/proc/{number}/cmdline") or "").split("\0")
    words = words[:-1] if words and not words[-1] else words
    if not words or posixpath.basename(words[0]) != "dockerd":
        return None
    env = read_env((_text(host, f"/proc/{number}/environ") or "").split("\0"))
    groups = _text(host, f"/proc/{number}/cgroup") or ""
    manager = ""
    if f"/{UNIT}" in groups:
        manager = "systemd-user" if "/user@" in groups else "systemd"
    program = (host.link(f"/proc/{number}/exe") or words[0]).replace(" (deleted)", "")
    folder = host.link(f"/proc/{number}/cwd") or "/"
    flags = dict(read_flags(words[1:]))
    if "config-file" in flags:
        flags["config-file"] = (posixpath.join(folder, flags["config-file"][-1]),)
    return Process(number, program, flags, env, manager)


def read_flags(words: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Flags by their long names, as pflag reads them; each with every value that it has."""
    found: dict[str, list[str]] = {}
    rest = iter(words)
    for word in rest:
        if word == "--":
            break
        for name, value in _read_word(word, rest):
            found.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in found.items()}


def read_env(entries: Sequence[str]) -> Mapping[str, str]:
    pairs = (entry.partition("=") for entry in entries)
    return {name: value for name, equals, value in pairs if equals}


def read_service(host: Host) -> Optional[Service]:
    """docker.service with its drop-ins and environment files; None where there is no such unit."""
    files = _unit_files(host)
    if not files:
        return None
    env: dict[str, str] = {}
    start, seen = "", list(files)
    for line in _lines(host, files):
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            continue
        if key == "ExecStart":
            start = value  # an empty one clears those before
        elif key == "Environment":
            env.update(read_env(_words(value)))
        elif key == "EnvironmentFile":
            place = value.lstrip("-")
            seen.append(place)
            env.update(_read_env_file(_text(host, place) or ""))
    return Service(read_flags(_start_words(start, env)[1:]), env, tuple(seen))


def _read_word(word: str, rest: Iterator[str]) -> "Iterator[tuple[str, str]]":
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        yield name, value if equals else "true" if name in BARE else next(rest, "")
        return
    if not word.startswith("-"):
        return
    letters = word[1:]
    while letters:
        name = SHORT.get(letters[0], letters[0])
        letters = letters[1:]
        if name in BARE:
            yield name, "true"
            continue
        yield name, letters.lstrip("=") if letters else next(rest, "")
        return


def _unit_files(host: Host) -> "list[str]":
    folders = (*UNITS, *UNITS_TOO)
    unit = [f"{folder}/{UNIT}" for folder in folders if host.exists(f"{folder}/{UNIT}")][:1]
    drops: dict[str, str] = {}
    for folder in reversed(folders):
        for name in host.list(f"{folder}/{UNIT}.d"):
            if name.endswith(".conf"):
                drops[name] = f"{folder}/{UNIT}.d/{name}"
    return unit + [drops[name] for name in sorted(drops)][:_LIMIT] if unit else []


def _lines(host: Host, files: Sequence[str]) -> Iterator[str]:
    for path in files:
        text = re.sub(r"\\\n[ \t]*", " ", _text(host, path) or "")
        for line in text.splitlines():
            if line.strip() and line.lstrip()[0] not in "#;[":
                yield line


def _start_words(start: str, env: Mapping[str, str]) -> "list[str]":
    """systemd splits `$NAME` into words, and puts `${NAME}` in as it is."""
    words: list[str] = []
    for word in _words(start.lstrip("-@:+!")):
        if re.fullmatch(r"\$\w+", word):
            words += _words(env.get(word[1:], ""))
        else:
            words.append(re.sub(r"\$\{(\w+)\}", lambda found: env.get(found.group(1), ""), word))
    return words


def _read_env_file(text: str) -> Mapping[str, str]:
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        name = name.replace("export ", "", 1).strip()
        if equals and name and not name.startswith(("#", ";")):
            words = _words(value)
            found[name] = words[0] if len(words) == 1 else value.strip()
    return found


def _words(text: str) -> "list[str]":
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _number(text: Optional[str]) -> int:
    words = (text or "").split()
    return int(words[0]) if words and words[0].isdigit() else 0


def _text(host: Host, path: str) -> Optional[str]:
    try:
        return host.text(path)
    except EnrollError:
        return None
