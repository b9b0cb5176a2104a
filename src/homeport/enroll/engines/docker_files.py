"""The files beside daemon.json that are ours alone: CA, hosts.toml, a drop-in of systemd."""

import json
from collections.abc import Mapping
from typing import Optional
from urllib.parse import urlsplit

from homeport.enroll.engines.door import find_door
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import FileChange, FileState, Mirror, Mode, Ownership

CA_NAME = "homeport-ca.crt"
"""dockerd trusts every *.crt of the folder: ca.crt is left to whoever has written it."""

HEADER = "# Written by homeport enroll; `homeport enroll undo` removes it.\n"
DROP_IN = "/etc/systemd/system/docker.service.d/zz-homeport-no-proxy.conf"
"""Of several drop-ins the last by name counts."""

_SERVERS = {"docker.io": "https://registry-1.docker.io"}


def netloc(url: str) -> str:
    """HOST[:PORT] as it stands in the URL: so is the folder in certs.d called. Raises EnrollError
    for what cannot be a folder's name."""
    found = urlsplit(url).netloc.rpartition("@")[2]
    if not found.strip(".") or "/" in found or "\0" in found:
        raise EnrollError(f"{url} is no mirror's URL", hint="write http(s)://HOST[:PORT]")
    return found


def ca_path(certs: str, url: str) -> str:
    return f"{certs}/{netloc(url)}/{CA_NAME}"


def hosts_path(certs: str, registry: str) -> str:
    return f"{certs}/{registry}/hosts.toml"


def hosts_toml(registry: str, mirror: Mirror, mode: Mode, ca: Optional[str]) -> str:
    """The hosts.toml of a registry (`_default`: of all that have none) for the containerd image
    store. In `only` the mirror is also the server: after it, nobody else is asked."""
    place, lines = _place_of(registry, mirror)
    options = ['capabilities = ["pull", "resolve"]', *lines]
    if ca is not None:
        options.append(f"ca = {_text(ca)}")
    server = _SERVERS.get(registry, f"https://{registry}")
    inner = "".join(f"  {line}\n" for line in options)
    if mode is Mode.ONLY:
        # The keys of the server stand before the first table.
        text = f"server = {_text(place)}\n" + "".join(f"{line}\n" for line in options)
    else:
        text = "" if registry == "_default" else f"server = {_text(server)}\n"
    return f"{HEADER}{text}\n[host.{_text(place)}]\n{inner}"


def is_ours(text: str) -> bool:
    return text.startswith(HEADER)


def no_proxy_drop_in(proxies: Mapping[str, str], host: str) -> str:
    listed = proxies.get("no_proxy", "")
    value = f"{listed},{host}" if listed else host
    if set(value) & set('"\\\n%$'):
        raise EnrollError(
            "the daemon's NO_PROXY holds signs that a unit of systemd cannot have",
            hint=f"add {host} to NO_PROXY yourself, and restart the daemon",
        )
    return f'{HEADER}[Service]\nEnvironment="NO_PROXY={value}" "no_proxy={value}"\n'


def whole(host: Host, path: str, content: str, why: str) -> Optional[FileChange]:
    """A file that is ours; None where it is as it should be."""
    before = host.state(path)
    if before is not None and before.content == content:
        return None
    uid, gid = host.owner(path)
    after = FileState(content, 0o644, uid, gid)
    if before is not None:
        after = FileState(content, before.mode, before.uid, before.gid)
    return FileChange(path, before, after, Ownership.WHOLE, why)


def _place_of(registry: str, mirror: Mirror) -> "tuple[str, list[str]]":
    """The mirror's URL for a registry. homeport is told the registry by `?ns=`; a foreign mirror
    has it under a path."""
    door = find_door(mirror, registry, by_name=False)
    if door.path:
        return f"{door.base}/v2/{door.path}", ["override_path = true"]
    return door.base, []


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=True)
