"""Configuration of engines that homeport does not reach: BuildKit, k3s, kind, Colima, kaniko."""

from typing import Any

from homeport.enroll.engines.containerd_hosts import render as render_hosts
from homeport.enroll.formats.toml_text import set_key
from homeport.enroll.formats.yaml_text import write_block
from homeport.enroll.render.files import CA, Made
from homeport.enroll.render.wanted import Wanted

BUILDKIT = "/etc/buildkit"
K3S = "/etc/rancher/k3s"
KANIKO = "/kaniko/ssl/certs"
NODES = "/etc/containerd/certs.d"
_MARK = "# Rendered by homeport enroll render."


def buildkitd(wanted: Wanted) -> "tuple[Made, ...]":
    text = f"{_MARK}\n"
    doors = wanted.doors(by_name=True)
    for door in doors:
        way = ("registry", door.registry, "mirrors")
        text = set_key(text, "buildkitd.toml", way, [door.location])
    for door in {door.host: door for door in doors}.values():
        if door.plain:
            text = set_key(text, "buildkitd.toml", ("registry", door.host, "http"), True)
        elif wanted.trusts(door):
            way = ("registry", door.host, "ca")
            text = set_key(text, "buildkitd.toml", way, [f"{BUILDKIT}/{CA}"])
    note = f"{BUILDKIT}/buildkitd.toml; a builder: docker buildx create --buildkitd-config FILE"
    return (Made("buildkitd.toml", text, note), *authority(wanted, f"{BUILDKIT}/{CA}"))


def k3s(wanted: Wanted) -> "tuple[Made, ...]":
    doors = wanted.doors(by_name=False)
    mirrors = {
        door.registry: {"endpoint": [f"{door.base}/v2/{door.path}" if door.path else door.base]}
        for door in doors
    }
    values: dict[str, Any] = {"mirrors": mirrors}
    trusted = sorted({door.host for door in doors if wanted.trusts(door)})
    if trusted:
        values["configs"] = {name: {"tls": {"ca_file": f"{K3S}/{CA}"}} for name in trusted}
    note = f"{K3S}/registries.yaml on each node, then a restart of k3s"
    if wanted.only:
        note += "; start it with --disable-default-registry-endpoint"
    text = _yaml(values)
    return (Made("registries.yaml", text, note), *authority(wanted, f"{K3S}/{CA}"))


def kind(wanted: Wanted) -> "tuple[Made, ...]":
    table = '[plugins."io.containerd.grpc.v1.cri".registry]'
    lines = [
        _MARK,
        "kind: Cluster",
        "apiVersion: kind.x-k8s.io/v1alpha4",
        "nodes:",
        "  - role: control-plane",
        "    extraMounts:",
        "      - hostPath: ./certs.d",
        f"        containerPath: {NODES}",
        "containerdConfigPatches:",
        "  - |-",
        f"    {table}",
        f'      config_path = "{NODES}"',
    ]
    note = "kind create cluster --config kind.yaml, in this folder"
    made = [Made("kind.yaml", "".join(f"{line}\n" for line in lines), note)]
    for door in wanted.doors(by_name=False):
        ca = f"{NODES}/{CA}" if wanted.trusts(door) else None
        text = render_hosts(door, wanted.request.mode, ca)
        made.append(Made(f"certs.d/{door.registry}/hosts.toml", text))
    if wanted.ca is not None:
        made.append(Made(f"certs.d/{CA}", wanted.ca))
    return tuple(made)


def colima(wanted: Wanted) -> "tuple[Made, ...]":
    hub = wanted.hub()
    docker: dict[str, Any] = {"registry-mirrors": [hub.url]}
    if hub.scheme == "http":
        docker["insecure-registries"] = [hub.netloc]
    values: dict[str, Any] = {"docker": docker}
    text = _yaml(values)
    if wanted.ca is not None and hub.scheme == "https":
        folder = f"/etc/docker/certs.d/{hub.netloc}"
        body = "".join(f"        {line}\n" for line in wanted.ca.splitlines())
        text += (
            "provision:\n  - mode: system\n    script: |\n"
            f"      mkdir -p {folder}\n      cat > {folder}/ca.crt <<'HOMEPORT_CA'\n"
            + body.replace("        ", "      ")
            + "      HOMEPORT_CA\n"
        )
    note = "into ~/.colima/PROFILE/colima.yaml, then colima restart"
    return (Made("colima.yaml", text, note),)


def kaniko(wanted: Wanted) -> "tuple[Made, ...]":
    """One flag a line."""
    flags = []
    hosts = {}
    for door in wanted.doors(by_name=True):
        hosts[door.host] = door
        if door.registry == "docker.io":
            flags.append(f"--registry-mirror={door.location}")
        else:
            flags.append(f"--registry-map={door.registry}={door.location}")
    for name, door in hosts.items():
        if door.plain:
            flags.append(f"--insecure-registry={name}")
        elif wanted.trusts(door):
            flags.append(f"--registry-certificate={name}={KANIKO}/{CA}")
    if wanted.only:
        flags.append("--skip-default-registry-fallback")
    note = "flags of /kaniko/executor"
    text = "".join(f"{flag}\n" for flag in flags)
    return (Made("kaniko.args", text, note), *authority(wanted, f"{KANIKO}/{CA}"))


def authority(wanted: Wanted, place: str) -> "tuple[Made, ...]":
    return () if wanted.ca is None else (Made(CA, wanted.ca, place),)


def _yaml(values: "dict[str, Any]") -> str:
    return "".join(f"{line}\n" for line in (_MARK, *write_block(values)))
