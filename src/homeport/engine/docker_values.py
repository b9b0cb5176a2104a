"""Our values as the Engine API's JSON, and its JSON as our values."""

from collections.abc import Mapping
from typing import Any

from homeport.engine.api import ContainerSpec, Login, Marked, PathInfo
from homeport.engine.http import Reply
from homeport.engine.options import ContainerOptions


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
    if spec.options.mac_address is not None:
        content["MacAddress"] = spec.options.mac_address
    host = as_host(spec.options)
    if spec.hosts:
        own = [f"{name}:{address}" for name, address in spec.hosts.items()]
        host["ExtraHosts"] = own + host.get("ExtraHosts", [])
    if spec.network is not None:
        host["NetworkMode"] = spec.network
    if spec.network is not None and spec.aliases:
        endpoint = {"Aliases": list(spec.aliases)}
        content["NetworkingConfig"] = {"EndpointsConfig": {spec.network: endpoint}}
    return content | ({"HostConfig": host} if host else {})


def as_host(options: ContainerOptions) -> dict[str, Any]:
    """The `HostConfig` of what the user grants and sets."""
    given = {
        "Privileged": options.privileged,
        "Binds": list(options.volumes),
        "Devices": [as_device(device) for device in options.devices],
        "Memory": options.memory,
        "NanoCpus": options.cpus and round(options.cpus * 1e9),
        "ShmSize": options.shm_size,
        "Ulimits": [as_ulimit(ulimit) for ulimit in options.ulimits],
        "ExtraHosts": list(options.extra_hosts),
        "UsernsMode": options.userns,
        "DeviceRequests": [as_gpus(options.gpus)] if options.gpus else [],
    }
    return {key: value for key, value in given.items() if value}


def as_ulimit(text: str) -> dict[str, Any]:
    """`NAME=SOFT[:HARD]`, as `docker run --ulimit` takes it."""
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}


def as_gpus(text: str) -> dict[str, Any]:
    """`all`, a number or `device=ID,…`, as `docker run --gpus` takes it."""
    request: dict[str, Any] = {"Driver": "", "Capabilities": [["gpu"]]}
    if text.startswith("device="):
        return request | {"DeviceIDs": text.removeprefix("device=").split(",")}
    return request | {"Count": -1 if text == "all" else int(text)}


def labelled(labels: Mapping[str, str]) -> dict[str, str]:
    """The query that finds what carries these labels."""
    from json import dumps

    return {"filters": dumps({"label": [f"{key}={value}" for key, value in labels.items()]})}


def network_of(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """A container's place in the network that it was created in, else in the first one."""
    networks = as_mapping(as_mapping(told.get("NetworkSettings")).get("Networks"))
    own = str(as_mapping(told.get("HostConfig")).get("NetworkMode"))
    return as_mapping(networks.get(own) or next(iter(networks.values()), None))


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
