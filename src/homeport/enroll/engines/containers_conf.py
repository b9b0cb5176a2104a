"""What Podman, Buildah, Skopeo and CRI-O read as registries.conf: all files, merged as they do.

containers-registries.conf(5) and .d(5), checked against skopeo 1.9 and podman 4.3: a later file's
table replaces one of the same prefix as a whole, and one broken file breaks every pull.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from homeport.enroll.errors import BrokenFileError
from homeport.enroll.formats.toml_read import Document, parse
from homeport.enroll.host import Host

SYSTEM = "/etc/containers"
DROP_IN = "99-homeport.conf"
_HOST = re.compile(r"[A-Za-z0-9.\-]+(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?")
_FALLBACKS = ("all", "digest-only", "tag-only", "")
_MODES = ("", "enforcing", "permissive", "disabled")
_TYPES = {
    "prefix": str,
    "location": str,
    "insecure": bool,
    "blocked": bool,
    "mirror-by-digest-only": bool,
    "mirror": list,
}
_MIRROR_TYPES = {"location": str, "insecure": bool, "pull-from-mirror": str}
_WORDS = {str: "a string", bool: "true or false", list: "an array"}
_HINT = "as long as it is so, every pull fails; mend it first, nothing is changed"


@dataclass(frozen=True)
class Layout:
    """Which files are read: `main`, then `folders` one after the other. `ours` is our drop-in,
    `certificates` the folder of CAs, and `user` says that both are a user's."""

    main: str
    folders: tuple[str, ...]
    ours: str
    certificates: str
    user: bool

    def files(self, host: Host) -> Iterator[str]:
        """Those that are there, in the order in which they are read."""
        if host.exists(self.main):
            yield self.main
        for folder in self.folders:
            for name in host.list(folder):
                if name.endswith(".conf") and not host.is_dir(f"{folder}/{name}"):
                    yield f"{folder}/{name}"


@dataclass(frozen=True)
class Table:
    """A `[[registry]]`; `place` is file:line:column."""

    prefix: str
    path: str
    place: str
    values: Mapping[str, Any]

    @property
    def mirrors(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.values.get("mirror", [])
        return found

    @property
    def blocked(self) -> bool:
        return bool(self.values.get("blocked"))

    @property
    def location(self) -> str:
        return str(self.values.get("location") or self.prefix).rstrip("/")

    def covers(self, name: str) -> bool:
        """Whether it holds for a registry or a name below it."""
        if self.prefix.startswith("*."):
            host, slash, rest = name.partition("/")
            ending, _, path = self.prefix[1:].partition("/")
            return host.endswith(ending) and (not path or f"{slash}{rest}/".startswith(f"/{path}/"))
        return name == self.prefix or name.startswith((f"{self.prefix}/", f"{self.prefix}:"))


@dataclass(frozen=True)
class Configuration:
    """Every table in order, short names with their targets, and where short names are looked up."""

    tables: tuple[Table, ...]
    aliases: Mapping[str, str]
    search: tuple[str, ...]

    def without(self, path: str) -> "Configuration":
        tables = tuple(table for table in self.tables if table.path != path)
        return Configuration(tables, self.aliases, self.search)

    def effective(self) -> "dict[str, Table]":
        """By prefix; the last of a prefix counts."""
        return {table.prefix: table for table in self.tables}

    def find(self, name: str) -> Optional[Table]:
        """The table that a name is pulled by: that of the longest prefix."""
        found = [table for table in self.effective().values() if table.covers(name)]
        return max(found, key=lambda table: len(table.prefix), default=None)


def find_layout(host: Host, kind: str) -> Layout:
    """What a client reads. Skopeo has flags instead of the environment; CRI-O is the system's.

    CONTAINERS_REGISTRIES_CONF_DIR is followed by none of those that were tried.
    """
    mine = f"{host.home}/.config/containers"
    env = {} if kind in ("skopeo", "crio") else host.env
    named = env.get("CONTAINERS_REGISTRIES_CONF") or env.get("REGISTRIES_CONFIG_PATH", "")
    own = kind != "crio" and not named and host.exists(f"{mine}/registries.conf")
    main = named or (f"{mine}/registries.conf" if own else f"{SYSTEM}/registries.conf")
    system, users = f"{SYSTEM}/registries.conf.d", f"{mine}/registries.conf.d"
    folders = (users,) if own else (system, users)
    if kind == "crio":
        folders = (system,)
    user = kind != "crio" and (own or host.uid != 0)
    ours = users if user else system
    certificates = f"{mine if user else SYSTEM}/certs.d"
    return Layout(main, folders, f"{ours}/{DROP_IN}", certificates, user)


def load(host: Host, layout: Layout) -> Configuration:
    """Raises BrokenFileError for the first file that would break every pull."""
    tables: list[Table] = []
    aliases: dict[str, str] = {}
    search: tuple[str, ...] = ()
    for path in layout.files(host):
        text = host.text(path)
        if text is None:
            continue
        found = read(text, path, main=path == layout.main)
        tables += found.tables
        aliases.update(found.aliases)
        search = found.search or search
    return Configuration(tuple(tables), aliases, search)


def read(text: str, path: str, *, main: bool = False) -> Configuration:
    """One file, checked as the clients check it."""
    document = parse(text, path)
    values = document.values
    _refuse_old_format(document, path, main=main)
    tables = _tables(document, path)
    _refuse_contradictions(tables)
    search = values.get("unqualified-search-registries", [])
    if not _is_texts(search) or not all(_HOST.fullmatch(name.rstrip("/")) for name in search):
        words = "unqualified-search-registries is an array of HOST[:PORT]"
        raise _broken(document, path, ("unqualified-search-registries",), words)
    if values.get("short-name-mode", "") not in _MODES:
        raise _broken(document, path, ("short-name-mode",), "there is no such short-name-mode")
    aliases = values.get("aliases", {})
    if not isinstance(aliases, dict):
        raise _broken(document, path, ("aliases",), "aliases is a table")
    for name, target in aliases.items():
        _check_alias(document, path, name, target)
    return Configuration(tuple(tables), aliases, tuple(search))


def _tables(document: Document, path: str) -> list[Table]:
    entries = document.values.get("registry", [])
    if not isinstance(entries, list):
        raise _broken(document, path, ("registry",), "it is written [[registry]]")
    tables = []
    for at, entry in enumerate(entries):
        way = ("registry", at)
        if not isinstance(entry, dict):
            raise _broken(document, path, way, "it is written [[registry]]")
        _check_types(document, path, way, entry, _TYPES)
        prefix = _check_location(document, path, (*way, "prefix"), entry.get("prefix", ""))
        location = _check_location(document, path, (*way, "location"), entry.get("location", ""))
        if not prefix and not location:
            raise _broken(document, path, way, "a [[registry]] needs a location")
        if not location and not prefix.startswith("*."):
            raise _broken(document, path, (*way, "prefix"), "only *.DOMAIN needs no location")
        _check_mirrors(document, path, way, entry)
        line, column = document.place(*way)
        tables.append(Table(prefix or location, path, f"{path}:{line}:{column}", entry))
    return tables


def _check_mirrors(
    document: Document, path: str, way: tuple[Any, ...], entry: Mapping[str, Any]
) -> None:
    for at, mirror in enumerate(entry.get("mirror", [])):
        here = (*way, "mirror", at)
        if not isinstance(mirror, dict):
            raise _broken(document, path, here, "it is written [[registry.mirror]]")
        _check_types(document, path, here, mirror, _MIRROR_TYPES)
        if not _check_location(document, path, (*here, "location"), mirror.get("location", "")):
            raise _broken(document, path, here, "a mirror needs a location")
        fallback = mirror.get("pull-from-mirror", "")
        if fallback not in _FALLBACKS:
            raise _broken(document, path, (*here, "pull-from-mirror"), "there is no such word")
        if fallback and entry.get("mirror-by-digest-only"):
            words = "pull-from-mirror cannot stand beside mirror-by-digest-only"
            raise _broken(document, path, (*here, "pull-from-mirror"), words)


def _check_types(
    document: Document,
    path: str,
    way: tuple[Any, ...],
    values: Mapping[str, Any],
    types: Mapping[str, type],
) -> None:
    for key, kind in types.items():
        if key in values and not isinstance(values[key], kind):
            raise _broken(document, path, (*way, key), f"{key} is {_WORDS[kind]}")


def _check_location(document: Document, path: str, way: tuple[Any, ...], text: str) -> str:
    """The text without slashes at its end."""
    if text.startswith(("http://", "https://")):
        raise _broken(document, path, way, f"{text} has a scheme; only HOST[:PORT][/PATH] is valid")
    stripped = text.rstrip("/")
    if text and not stripped:
        raise _broken(document, path, way, "it is empty")
    return stripped


def _check_alias(document: Document, path: str, name: str, target: Any) -> None:
    way = ("aliases", name)
    if ":" in name.rpartition("/")[2] or "@" in name:
        raise _broken(document, path, way, f"the short name {name} has a tag or digest")
    if not isinstance(target, str):
        raise _broken(document, path, way, "an alias is a string")
    host, slash, _ = target.partition("/")
    if target and (not slash or not ("." in host or ":" in host or host == "localhost")):
        raise _broken(document, path, way, f"{target} has no registry in front")


def _refuse_old_format(document: Document, path: str, *, main: bool) -> None:
    """Version 1: `[registries.search]` and its like."""
    old = document.values.get("registries")
    if not isinstance(old, dict):
        return
    for key in ("search", "insecure", "block"):
        part = old.get(key)
        if part is None:
            continue
        entries = part.get("registries", []) if isinstance(part, dict) else None
        if entries is None or not _is_texts(entries):
            raise _broken(document, path, ("registries", key), "registries is an array of strings")
        if entries:
            words = f"[registries.{key}] is of the old format, version 1"
            if not main:
                words += ", which no drop-in may have"
            elif document.values.get("registry"):
                words += ", mixed with version 2"
            line, column = document.place("registries", key)
            hint = (
                "write it as version 2 (containers-registries.conf(5)): newer engines read no other"
            )
            raise BrokenFileError(path, line, column, words, hint=hint)


def _refuse_contradictions(tables: Sequence[Table]) -> None:
    first: dict[str, Table] = {}
    for table in tables:
        other = first.setdefault(table.values.get("location") or table.prefix, table)
        for key in ("insecure", "blocked"):
            if bool(table.values.get(key)) != bool(other.values.get(key)):
                _, line, column = table.place.rsplit(":", 2)
                words = f"{table.location} is here twice with a different {key!r}"
                raise BrokenFileError(table.path, int(line), int(column), words, hint=_HINT)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _broken(document: Document, path: str, way: tuple[Any, ...], words: str) -> BrokenFileError:
    return BrokenFileError(path, *document.place(*way), words, hint=_HINT)
