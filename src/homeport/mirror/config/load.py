"""Find the file, read it, check it, and hand it on as one value."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from homeport.errors import Problem, UsageError
from homeport.mirror.config.check import check
from homeport.mirror.config.files import check_files
from homeport.mirror.config.hosts import listen_address
from homeport.mirror.config.reading import Reading, shown
from homeport.mirror.model.config import (
    DOCKER_HUB,
    HUB_URL,
    ListenerConfig,
    MirrorConfig,
    NamespaceConfig,
    Role,
    UpstreamConfig,
)
from homeport.settings.keys import KEYS
from homeport.settings.source import KeyPath, Source, read_source

TABLE = "mirror"
CONFIG_VARIABLE = "HOMEPORT_MIRROR_CONFIG"
SYSTEM_FILE = Path("/etc/homeport/homeport.toml")
DEFAULT_LISTEN = "127.0.0.1:5000"
SYSTEM_DATA = "/var/lib/homeport"

_PIPELINE = frozenset(key.partition(".")[0] for key in KEYS)


def find_config(path: Path | None, env: Mapping[str, str]) -> Path | None:
    """The file that is read: `path` (`--config`), `$HOMEPORT_MIRROR_CONFIG`, or
    `/etc/homeport/homeport.toml` if there is one. None is to do without. A repository's own file is
    never looked for: it is not trusted.
    """
    if path is not None:
        return path
    if env.get(CONFIG_VARIABLE):
        return Path(env[CONFIG_VARIABLE])
    try:
        return SYSTEM_FILE if SYSTEM_FILE.exists() else None
    except OSError:  # a folder that we may not enter: reading says so
        return SYSTEM_FILE


def load_config(
    path: Path | None,
    env: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    *,
    files: bool = True,
) -> MirrorConfig:
    """The configuration in force, with every path absolute.

    `path` is `--config`; see `find_config` for what None means. `overrides` are flags: `listen` (an
    address for the one listener) and `data` (a folder, relative to the current one); None is not
    given. Touches no network; reads the files that are named, but for `files` False (somebody is
    about to make one). Raises `UsageError` with every fault at once.
    """
    file = find_config(path, env)
    source = None if file is None else _read(file)
    reading = Reading(source)
    table: Mapping[str, Any] = {} if source is None else _table(source, reading)
    config = _config(table, reading, env, overrides or {})
    upstreams = _names(table, "upstreams") or tuple(config.upstreams)
    check(config, reading, frozenset(upstreams))
    if files:
        check_files(config, reading, env)
    if reading.problems:
        raise UsageError(sorted(reading.problems, key=lambda problem: _order(problem.span)))
    return config


def read_data(file: Path) -> str | None:
    """`mirror.data` of a file that need not be valid otherwise, None where it does not say."""
    try:
        table = tomllib.loads(file.read_text("utf-8")).get(TABLE)
    except (OSError, ValueError):
        return None
    data = table.get("data") if isinstance(table, Mapping) else None
    return str(file.absolute().parent / data) if isinstance(data, str) and data else None


def _order(span: Any) -> tuple[int, int]:
    return (0, 0) if span is None else (span.line, span.column)


def _read(file: Path) -> Source:
    source = read_source(file, str(file), trusted=True)
    if source is None:
        raise UsageError.of(
            f"there is no file {file}",
            code="mirror-config",
            hint=f"it is named by --config or {CONFIG_VARIABLE}; else {SYSTEM_FILE} is read",
        )
    return source


def _table(source: Source, reading: Reading) -> Mapping[str, Any]:
    for key in source.data:
        if key != TABLE and key not in _PIPELINE:
            reading.unknown((key,), (TABLE, *sorted(_PIPELINE)))
    table = source.data.get(TABLE)
    if table is None:
        reading.fault((), f"{source.name} has no [{TABLE}] table", "an empty one will do")
        return {}
    if not isinstance(table, Mapping):
        reading.fault((TABLE,), "expected a table")
        return {}
    return table


def _config(
    table: Mapping[str, Any],
    reading: Reading,
    env: Mapping[str, str],
    overrides: Mapping[str, object],
) -> MirrorConfig:
    listeners = _listeners(table, reading, overrides)
    upstreams = _upstreams(table, reading)
    rest = {
        key: value
        for key, value in table.items()
        if key not in ("listen", "listeners", "upstreams", "namespaces")
    }
    for key in rest:
        if key not in MirrorConfig.__struct_fields__:
            reading.unknown((TABLE, key), ("listen", *MirrorConfig.__struct_fields__))
    rest = {key: value for key, value in rest.items() if key in MirrorConfig.__struct_fields__}
    data = overrides.get("data")
    if data is not None or "data" not in rest:
        rest["data"] = str(Path(str(data)).absolute()) if data else _default_data(env, reading)
    config = reading.struct(
        MirrorConfig,
        rest,
        (TABLE,),
        listeners=listeners,
        upstreams=upstreams,
        namespaces=_named(NamespaceConfig, table, "namespaces", reading),
    )
    if config is None:  # `data` alone has no default, and was wrong
        return MirrorConfig(listeners=listeners, data=SYSTEM_DATA, upstreams=upstreams)
    return config


def _listeners(
    table: Mapping[str, Any], reading: Reading, overrides: Mapping[str, object]
) -> tuple[ListenerConfig, ...]:
    given = _listen_flag(overrides, reading)
    raw = table.get("listeners")
    if raw is not None and "listen" in table:
        reading.fault((TABLE, "listen"), "there are [[mirror.listeners]] as well: choose one way")
        return ()
    if raw is None:
        path: KeyPath = (TABLE, "listen")
        address = table.get("listen", DEFAULT_LISTEN) if given is None else given
        made = reading.struct(ListenerConfig, {"name": "main", "address": address}, path)
        return () if made is None else (made,)
    if not isinstance(raw, list) or not raw:
        reading.fault((TABLE, "listeners"), "expected [[mirror.listeners]], at least one")
        return ()
    if given is not None:
        if len(raw) > 1 or not isinstance(raw[0], Mapping):
            reading.fault((TABLE, "listeners"), "--listen is for one listener; here are several")
        else:
            raw = [{**raw[0], "address": given}]
    found = []
    for index, item in enumerate(raw):
        path = (TABLE, "listeners", index)
        if isinstance(item, Mapping):
            item = {"name": str(item.get("role", Role.BOTH)), **item}  # noqa: PLW2901
        made = reading.struct(ListenerConfig, item, path)
        if made is not None:
            found.append(made)
    return tuple(found)


def _listen_flag(overrides: Mapping[str, object], reading: Reading) -> str | None:
    given = overrides.get("listen")
    if given is None:
        return None
    try:
        return listen_address(str(given))
    except ValueError as error:
        reading.problems.append(Problem(code="mirror-settings", message=f"--listen: {error}"))
        return None


def _upstreams(table: Mapping[str, Any], reading: Reading) -> dict[str, UpstreamConfig]:
    """Without any: Docker Hub. A name alone is enough: the URL is then that host's."""
    raw = table.get("upstreams", {DOCKER_HUB: {}})
    if not isinstance(raw, Mapping) or not raw:
        reading.fault((TABLE, "upstreams"), "expected tables of upstreams by name")
        return {}
    filled = {}
    for name, item in raw.items():
        url = HUB_URL if name == DOCKER_HUB else f"https://{name}"
        filled[name] = {"urls": [url], **item} if isinstance(item, Mapping) else item
        if isinstance(item, Mapping) and set(item) and _dotless(name, item):
            reading.fault(
                (TABLE, "upstreams", name),
                "expected keys of an upstream",
                "a name with dots stands in quotes: "
                f'[{TABLE}.upstreams."{name}.{next(iter(item))}"]',
            )
            del filled[name]
    return _named(UpstreamConfig, {"upstreams": filled}, "upstreams", reading)


def _dotless(name: str, item: Mapping[str, Any]) -> bool:
    """`[mirror.upstreams.quay.io]` without quotes is a table `io` in a table `quay`."""
    return "." not in name and all(
        isinstance(value, Mapping) and key not in UpstreamConfig.__struct_fields__
        for key, value in item.items()
    )


def _named(kind: Any, table: Mapping[str, Any], key: str, reading: Reading) -> dict[str, Any]:
    raw = table.get(key, {})
    if not isinstance(raw, Mapping):
        reading.fault((TABLE, key), "expected tables by name")
        return {}
    made = {
        name: reading.struct(kind, item, (TABLE, key, name), name=name)
        for name, item in raw.items()
    }
    return {name: value for name, value in made.items() if value is not None}


def _names(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    raw = table.get(key, {})
    return tuple(raw) if isinstance(raw, Mapping) else ()


def _default_data(env: Mapping[str, str], reading: Reading) -> str:
    """`/var/lib/homeport` for root, else a folder of the user's own (XDG base directories)."""
    if os.geteuid() == 0:
        return SYSTEM_DATA
    state = env.get("XDG_STATE_HOME", "")
    if not state.startswith("/"):
        home = env.get("HOME", "")
        if not home.startswith("/"):
            reading.fault((), f"{shown((TABLE, 'data'))} is missing, and there is no home folder")
            return SYSTEM_DATA
        state = f"{home}/.local/state"
    return f"{state}/homeport/mirror"
