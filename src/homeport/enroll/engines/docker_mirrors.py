"""The keys of daemon.json that make a daemon use a mirror."""

from collections.abc import Sequence
from typing import Any, Optional
from urllib.parse import urlsplit

from homeport.enroll.engines import docker_files
from homeport.enroll.engines.docker_config import (
    INSECURE,
    MIRRORS,
    Config,
    check_conflicts,
    read_config,
    same_mirror,
)
from homeport.enroll.engines.docker_draft import Draft, is_loopback, reload_command
from homeport.enroll.errors import ConflictError
from homeport.enroll.formats.json_text import get_key, set_key
from homeport.enroll.model import FileChange, FileState, Finding, KeyChange, Mode, Ownership


def plan_config(draft: Draft) -> None:
    path = draft.engine.config or ""
    before = draft.host.state(path)
    text = "{}\n" if before is None else before.content
    config = read_config(text, path, draft.release)
    draft.findings += config.findings
    _check_flags(draft, text, path)
    keys = []
    if draft.hub:
        keys.append(_mirrors_key(draft, config))
    if _needs_insecure(draft):
        keys.append(_insecure_key(draft, config))
    wanted = [key for key in keys if key is not None]
    if not wanted:
        return
    flags = (*draft.engine.facts.get("flags", ()), *draft.engine.facts.get("flags_later", ()))
    for key in wanted:
        if key.path[0] in flags:
            raise _flag_conflict(draft, key.path[0])
    draft.add(_edit(draft, path, before, wanted, text))


def _check_flags(draft: Draft, text: str, path: str) -> None:
    facts = draft.engine.facts
    check_conflicts(text, path, facts.get("flags", ()), "the daemon")
    files = facts.get("service_files") or ("its service",)
    check_conflicts(text, path, facts.get("flags_later", ()), f"its service ({', '.join(files)})")


def _mirrors_key(draft: Draft, config: Config) -> Optional[KeyChange]:
    url = draft.request.mirror.hub_url
    old = config.texts(MIRRORS) or tuple(draft.engine.facts.get("flag_mirrors", ()))
    others = [entry for entry in old if not same_mirror(entry, url)]
    only = draft.request.mode is Mode.ONLY
    if only and others:
        draft.findings.append(
            Finding(
                "docker-other-mirrors",
                f"other mirrors are taken out while this one is the only one: {', '.join(others)}",
                "undo puts them back",
                draft.engine.config or "",
            )
        )
    wanted = [url] if only else [url, *others]
    if len(wanted) == len(old) and all(map(same_mirror, wanted, old)):
        _compare_with_daemon(draft, wanted)
        return None
    return _key(config, MIRRORS, wanted)


def _insecure_key(draft: Draft, config: Config) -> Optional[KeyChange]:
    name = docker_files.netloc(draft.request.mirror.url)
    old = config.texts(INSECURE)
    draft.findings.append(
        Finding(
            "docker-http-door",
            f"images named {name}/… come over plain HTTP: {name} becomes an insecure registry",
            "give the mirror TLS",
            draft.engine.config or "",
        )
    )
    return None if name in old else _key(config, INSECURE, [*old, name])


def _needs_insecure(draft: Draft) -> bool:
    """Names of the mirror's own host are all that a daemon without hosts.toml can pull of other
    registries, and over HTTP it does so only from hosts that are listed, or loopback."""
    url = draft.request.mirror.url
    return (
        bool(draft.others)
        and not draft.has_hosts
        and urlsplit(url).scheme == "http"
        and not is_loopback(url)
    )


def _key(config: Config, name: str, value: Any) -> KeyChange:
    had, before = get_key(config.values, (name,))
    return KeyChange((name,), had, before, True, value)


def _edit(
    draft: Draft,
    path: str,
    before: Optional[FileState],
    keys: Sequence[KeyChange],
    text: str,
) -> FileChange:
    for key in keys:
        text = set_key(text, path, key.path, key.after)
    read_config(text, path, draft.release)
    if before is None:
        uid, gid = draft.host.owner(path)
        after = FileState(text, 0o644, uid, gid)
    else:
        after = FileState(text, before.mode, before.uid, before.gid)
    why = "Docker Hub's images come through the mirror"
    if all(key.path != (MIRRORS,) for key in keys):
        why = "how the mirror is reached"
    return FileChange(path, before, after, Ownership.KEYS, why, "json", tuple(keys))


def _flag_conflict(draft: Draft, name: str) -> ConflictError:
    facts = draft.engine.facts
    files = ", ".join(facts.get("service_files") or ()) or "where the daemon is started"
    return ConflictError(
        f"{name} is given as a flag of dockerd: with it in {draft.engine.config} as well, "
        "the daemon would not start",
        hint=f"move the flag from {files} to the file, and restart the daemon",
        place=draft.engine.config or "",
    )


def _compare_with_daemon(draft: Draft, wanted: Sequence[str]) -> None:
    held = draft.engine.facts.get("mirrors") or ()
    if not draft.engine.running or (
        len(held) == len(wanted) and all(map(same_mirror, held, wanted))
    ):
        return
    draft.findings.append(
        Finding(
            "docker-not-taken-up",
            "the file names the mirror, but the daemon has not read it: "
            f"it has {', '.join(held) or 'none'}",
            " ".join(reload_command(draft.engine)),
            draft.engine.config or "",
            "warning",
        )
    )
