"""Our values as the Engine API's JSON, and its JSON as our values."""

from collections.abc import Mapping
from typing import Any

from homeport.engine.api import ContainerSpec, Login, Marked, PathInfo
from homeport.engine.http import Reply


def as_container(spec: ContainerSpec) -> dict[str, Any]:
    """The request's body; a key that is left out keeps the image's own value."""
    content: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{key}={value}" for key, value in spec.env.items()],
        "Labels": dict(spec.labels),
        "AttachStdin": spec.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin,
    }
    if spec.command is not None:
        content["Cmd"] = list(spec.command)
    if spec.entrypoint is not None:
        # An empty list keeps the image's entry point; one empty word clears it.
        content["Entrypoint"] = list(spec.entrypoint) or [""]
    if spec.user is not None:
        content["User"] = spec.user
    if spec.working_dir is not None:
        content["WorkingDir"] = spec.working_dir
    host: dict[str, Any] = {"Privileged": True} if spec.privileged else {}
    if spec.volumes:
        host["Binds"] = list(spec.volumes)
    if spec.devices:
        host["Devices"] = [as_device(device) for device in spec.devices]
    if spec.hosts:
        host["ExtraHosts"] = [f"{name}:{address}" for name, address in spec.hosts.items()]
    if spec.network is not None:
        host["NetworkMode"] = spec.network
        endpoint = {"Aliases": list(spec.aliases)}
        content["NetworkingConfig"] = {"EndpointsConfig": {spec.network: endpoint}}
    return content | ({"HostConfig": host} if host else {})


def registry_auth(login: Login) -> str:
    """The header of a pull (Engine API, "Authentication"): JSON in the URL's base64."""
    from base64 import urlsafe_b64encode
    from json import dumps

    told = {"serveraddress": login.server}
    if login.identity_token:
        told["identitytoken"] = login.identity_token
    else:
        told |= {"username": login.username, "password": login.password}
    return urlsafe_b64encode(dumps(told).encode()).decode()


def as_ports(exposed: Mapping[str, Any]) -> tuple[int, ...]:
    """The TCP ports of `ExposedPorts`, whose keys are `PORT[-PORT]/PROTOCOL`."""
    found: set[int] = set()
    for key in exposed:
        span, _, protocol = key.partition("/")
        first, _, last = span.partition("-")
        if protocol in ("", "tcp") and first.isdecimal() and (last or first).isdecimal():
            found.update(range(int(first), min(int(last or first), int(first) + 64) + 1))
    return tuple(sorted(port for port in found if 0 < port < 65536))


def as_health(check: Mapping[str, Any]) -> tuple[str, ...]:
    """The program of a HEALTHCHECK: `["CMD", …]` or `["CMD-SHELL", TEXT]`; `["NONE"]` is none."""
    kind, *words = as_words(check.get("Test")) or ("NONE",)
    if kind == "CMD-SHELL":
        return ("/bin/sh", "-c", *words)
    return tuple(words) if kind == "CMD" else ()


def as_device(text: str) -> dict[str, str]:
    """`/dev/host[:/dev/container[:rwm]]`, as `docker run --device` takes it."""
    host, _, rest = text.partition(":")
    inside, _, rights = rest.partition(":")
    return {
        "PathOnHost": host,
        "PathInContainer": inside or host,
        "CgroupPermissions": rights or "rwm",
    }


def as_path_info(reply: Reply) -> PathInfo:
    """The `X-Docker-Container-Path-Stat` header; its mode holds Go's bits, not POSIX's."""
    from base64 import b64decode
    from json import loads

    told = as_mapping(loads(b64decode(reply.header("X-Docker-Container-Path-Stat") or "e30=")))
    mode = int(told.get("mode", 0))
    return PathInfo(
        directory=bool(mode & 1 << 31),
        symlink=bool(mode & 1 << 27),
        target=str(told.get("linkTarget", "")),
    )


def as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def as_words(value: Any) -> tuple[str, ...]:
    return tuple(str(word) for word in value) if isinstance(value, list) else ()


def as_marked(kind: str, identity: Any, name: Any, answer: Mapping[str, Any]) -> Marked:
    labels = {str(key): str(value) for key, value in (answer.get("Labels") or {}).items()}
    return Marked(kind=kind, id=str(identity), name=str(name).lstrip("/"), labels=labels)
