"""What containerd's config.toml says about registries, in its versions 1, 2 and 3, with imports."""

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

from homeport.enroll.errors import BrokenFileError, ConflictError
from homeport.enroll.formats.toml_text import get_key, parse
from homeport.enroll.host import Host

CONFIG = "/etc/containerd/config.toml"
CERTS = "/etc/containerd/certs.d"
_PLUGINS = {1: "cri", 2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.images"}
_CRI_NAMES = ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images")


@dataclass(frozen=True)
class Config:
    """`registry` leads to the CRI plugin's registry table in `path`; `folder` is what `config_path`
    says, as a list; `set_in` the file that says so; `importing` one that has the plugin's table
    without it (an import's table may replace ours, or be replaced by it)."""

    path: str
    text: Optional[str]
    version: int
    registry: tuple[str, ...]
    cri: bool
    folders: tuple[str, ...] = ()
    set_in: str = ""
    importing: str = ""


def read_config(host: Host, release: tuple[int, ...], path: str = CONFIG) -> Config:
    """Raises BrokenFileError for a file that containerd, or its CRI plugin, would not start with,
    ConflictError for one that has mirrors of the old kind."""
    text = host.text(path)
    values = parse(text, path).values if text is not None else {}
    version = _version(values, path, text, release)
    registry = ("plugins", _PLUGINS[version], "registry")
    folders: tuple[str, ...] = ()
    set_in = importing = ""
    disabled = list(_disabled(values))
    for name in (path, *_imports(host, path, values)):
        content = host.text(name)
        if content is None:
            continue
        found = parse(content, name).values
        disabled += [] if name == path else list(_disabled(found))
        own = _version(found, name, content, release) if "version" in found else version
        way = ("plugins", _PLUGINS[own], "registry")
        has, value = get_key(found, (*way, "config_path"))
        if has and not isinstance(value, str):
            raise _broken(name, content, (*way, "config_path"), "config_path is a string")
        if has and value:
            folders, set_in = tuple(filter(None, value.split(":"))), name
        elif name != path and get_key(found, way[:-1])[0]:
            importing = name
        _refuse_mirrors(name, content, way, configured=bool(folders))
    cri = not any(name in _CRI_NAMES for name in disabled)
    return Config(path, text, version, registry, cri, folders, set_in, importing)


def parse_release(text: str) -> tuple[int, ...]:
    """`containerd github.com/… v1.6.20 …` as (1, 6, 20); empty where nothing is like a version."""
    found = re.search(r"\bv?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in found.groups() if part) if found else ()


def _version(
    values: dict[str, Any], path: str, text: Optional[str], release: tuple[int, ...]
) -> int:
    version = values.get("version")
    if version is None:
        if text is not None and values:
            return 1
        return 3 if release >= (2, 0) else 2
    if type(version) is not int or version not in _PLUGINS:
        raise _broken(path, text or "", ("version",), "there is no such version of the file")
    if version == 3 and release and release < (2, 0):
        words = "version 3 is for containerd 2.0 and newer: this one does not start with it"
        raise _broken(path, text or "", ("version",), words)
    return version


def _disabled(values: dict[str, Any]) -> Iterator[str]:
    entries = values.get("disabled_plugins", [])
    if isinstance(entries, list):
        yield from (entry for entry in entries if isinstance(entry, str))


def _imports(host: Host, path: str, values: dict[str, Any]) -> Iterator[str]:
    patterns = values.get("imports", [])
    for pattern in patterns if isinstance(patterns, list) else ():
        if not isinstance(pattern, str):
            continue
        here = path.rpartition("/")[0]
        folder, _, name = (pattern if pattern.startswith("/") else f"{here}/{pattern}").rpartition(
            "/"
        )
        for entry in host.list(folder):
            if fnmatch.fnmatchcase(entry, name) and not host.is_dir(f"{folder}/{entry}"):
                yield f"{folder}/{entry}"


def _refuse_mirrors(path: str, text: str, way: tuple[str, ...], *, configured: bool) -> None:
    """The CRI plugin does not start where `config_path` stands beside them."""
    document = parse(text, path)
    mirrors = get_key(document.values, (*way, "mirrors"))[1]
    configs = get_key(document.values, (*way, "configs"))[1]
    old = [(*way, "mirrors")] if mirrors else []
    if isinstance(configs, dict):
        for name, config in configs.items():
            if isinstance(config, dict) and config.get("tls"):
                old.append((*way, "configs", name, "tls"))
    if not old:
        return
    line, column = document.place(*old[0])
    what = ".".join(old[0][2:])
    if configured:
        words = f"{what} stands beside config_path: the CRI plugin does not start with both"
        raise BrokenFileError(path, line, column, words, hint=f"remove {what}")
    words = f"{what} cannot stand beside config_path, which the mirror needs"
    hint = f"write it as {CERTS}/REGISTRY/hosts.toml, set config_path and remove {what}"
    raise ConflictError(words, hint=hint, place=f"{path}:{line}:{column}")


def _broken(path: str, text: str, way: tuple[str, ...], words: str) -> BrokenFileError:
    hint = "containerd would not start with it; mend it first, nothing is changed"
    return BrokenFileError(path, *parse(text, path).place(*way), words, hint=hint)
