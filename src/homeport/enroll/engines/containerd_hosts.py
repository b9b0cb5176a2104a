"""The folder of hosts.toml files: ours, the user's, and what containerd silently makes of them."""

from collections.abc import Iterator, Mapping
from typing import Any, Optional

from homeport.enroll.engines.door import Door, upstream_of
from homeport.enroll.errors import BrokenFileError, ConflictError, EnrollError
from homeport.enroll.formats.toml_read import Document
from homeport.enroll.formats.toml_text import parse, write_value
from homeport.enroll.host import Host
from homeport.enroll.model import Finding, Mode

MARK = "# Written by homeport enroll; `homeport enroll undo` removes it."


def render(door: Door, mode: Mode, ca: Optional[str] = None) -> str:
    """A hosts.toml. ONLY: the mirror is the server, too, so that nothing else is asked."""
    url = f"{door.base}/v2/{door.path}" if door.path else door.base
    settings = ['capabilities = ["pull", "resolve"]']
    if door.path:
        settings.append("override_path = true")
    if ca is not None:
        settings.append(f"ca = {write_value(ca)}")
    lines = [MARK]
    if mode is Mode.ONLY:
        lines += [f"server = {write_value(url)}", *settings]
    else:
        lines.append(f"server = {write_value(upstream_of(door.registry))}")
    lines += ["", f"[host.{write_value(url)}]", *(f"  {line}" for line in settings)]
    return "\n".join(lines) + "\n"


def refuse_foreign(host: Host, path: str, text: str) -> None:
    """A hosts.toml of the user's: the order of its hosts, and what its server is, are his."""
    before = host.state(path)
    if before is None or before.content.startswith(MARK):
        return
    parse(before.content, path)
    words = "this file is not homeport's; containerd asks its hosts in their order"
    table = text[text.index("[host.") :].strip().replace("\n", "; ")
    hint = f"put this before its first [host]: {table}; or move the file away"
    raise ConflictError(words, hint=hint, place=path)


def host_folder(host: Host, folder: str, registry: str) -> str:
    """`HOST_PORT_` is looked for before `HOST:PORT`."""
    name, colon, port = registry.rpartition(":")
    other = f"{folder}/{name}_{port}_"
    return other if colon and host.is_dir(other) else f"{folder}/{registry}"


def find_certificates(host: Host, path: str) -> list[Finding]:
    folder = path.rpartition("/")[0]
    if host.exists(path):
        return []
    names = [name for name in host.list(folder) if name.endswith((".crt", ".cert", ".key"))]
    if not names:
        return []
    words = f"{', '.join(names)} no longer count: a hosts.toml beside them replaces them"
    return [Finding("shadowed-certificates", words, "name them in it", folder, "warning")]


def find_default(host: Host, folder: str, registry: str) -> list[Finding]:
    """A user's `_default` holds only for registries without a folder of their own."""
    path = f"{folder}/_default/hosts.toml"
    if host.exists(f"{host_folder(host, folder, registry)}/hosts.toml") or not host.exists(path):
        return []
    words = f"_default no longer counts for {registry}, which gets a file of its own"
    return [Finding("shadowed-table", words, "", path, "warning")]


def find_traps(host: Host, folder: str) -> Iterator[Finding]:
    """What of the user's files does not do what it seems to."""
    for name in host.list(folder):
        path = f"{folder}/{name}/hosts.toml"
        if not host.is_dir(f"{folder}/{name}"):
            continue
        try:
            text = host.text(path)
            if text is not None and not text.startswith(MARK):
                yield from _find_traps(parse(text, path), path)
        except BrokenFileError as error:
            words = f"containerd ignores this file and asks the registry itself: {error.message}"
            yield Finding("broken-hosts-file", words, "mend it", error.place, "error")
        except EnrollError as error:
            yield Finding("unreadable-file", error.message, error.hint, path, "warning")


def _find_traps(document: Document, path: str) -> Iterator[Finding]:
    values = document.values
    hosts: Mapping[str, Any] = values["host"] if isinstance(values.get("host"), dict) else {}
    if not hosts and "server" in values:
        words = "containerd 1.6 ignores a server without a [host]"
        place = _place(document, path, "server")
        yield Finding("server-without-host", words, "add a [host] table", place, "warning")
    for url, settings in hosts.items():
        place = _place(document, path, "host", url)
        if not url.startswith(("http://", "https://")):
            yield Finding("no-scheme", f"{url} is asked by https", "write its scheme", place)
        known = settings.get("capabilities") if isinstance(settings, dict) else None
        if isinstance(known, list) and "pull" in known and "resolve" not in known:
            words = f"tags are not looked up at {url}: it may pull, but not resolve"
            yield Finding("no-resolve", words, 'add "resolve"', place, "warning")


def _place(document: Document, path: str, *keys: str) -> str:
    line, column = document.place(*keys)
    return f"{path}:{line}:{column}"
