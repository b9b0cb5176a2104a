"""The doors that engines really go to, and by which trust each of them does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from homeport.enroll.doctor.model import Patient
from homeport.enroll.engines.containers_conf import find_layout, load
from homeport.enroll.engines.docker_api import Daemon, Registries
from homeport.enroll.engines.docker_draft import is_loopback
from homeport.enroll.engines.docker_files import netloc
from homeport.enroll.engines.docker_proxies import from_env
from homeport.enroll.errors import EnrollError
from homeport.enroll.formats.toml_read import parse
from homeport.enroll.host import Host

CONTAINERS = ("podman", "buildah", "skopeo", "crio")


@dataclass(frozen=True)
class Used:
    """A mirror of one engine. `ca` are the certificates that the engine adds to the system's,
    `certs` the file or folder where it has them; `verify` False: it does not look at them."""

    registry: str
    url: str
    ca: str = ""
    certs: str = ""
    verify: bool = True
    place: str = ""


def doors_of(host: Host, patient: Patient) -> "list[Used]":
    """Those of one engine; none where its files cannot be read (which is told elsewhere)."""
    find = {"docker": _docker, "containerd": _containerd}.get(patient.kind.name)
    if patient.kind.name in CONTAINERS:
        find = _containers
    if find is None:
        return []
    try:
        return list(find(host, patient))
    except EnrollError:
        return []


def proxies_of(host: Host, patient: Patient) -> Mapping[str, str]:
    """The proxies by which an engine goes out."""
    if patient.kind.name == "docker":
        found: Mapping[str, str] = patient.engine.facts.get("proxies") or {}
        return found
    return from_env(host.env)


def _docker(host: Host, patient: Patient) -> Iterator[Used]:
    engine = patient.engine
    registries = Registries((), (), ())
    if engine.running and engine.facts.get("socket"):
        registries = Daemon(host, str(engine.facts["socket"])).registries()
    for url in patient.mirrors.get("docker.io", ()):
        name = netloc(url)
        certs = f"{engine.facts.get('certs')}/{name}"
        verify = not is_loopback(url) and name not in registries.insecure
        ca = _authorities(host, certs)
        yield Used("docker.io", url.rstrip("/"), ca, certs, verify, engine.config or "")


def _containerd(host: Host, patient: Patient) -> Iterator[Used]:
    folder = str(patient.engine.facts["folder"])
    for registry, urls in patient.mirrors.items():
        path = f"{folder}/{registry}/hosts.toml"
        document = parse(host.text(path) or "", path)
        hosts = document.values.get("host")
        for url in urls:
            settings = hosts.get(url) if isinstance(hosts, dict) else None
            settings = settings if isinstance(settings, dict) else {}
            line, column = document.place("host", url)
            place = f"{path}:{line}:{column}"
            full = url if "://" in url else f"https://{url}"
            full = full.partition("/v2")[0] if settings.get("override_path") else full
            ca, certs = _named_authorities(host, settings)
            verify = settings.get("skip_verify") is not True
            yield Used(registry, full, ca, certs or path, verify, place)


def _named_authorities(host: Host, settings: Mapping[str, Any]) -> "tuple[str, str]":
    named = settings.get("ca")
    paths = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    paths = [path for path in paths if isinstance(path, str) and path.startswith("/")]
    return "\n".join(_certificate(host, path) for path in paths), ", ".join(paths)


def _containers(host: Host, patient: Patient) -> Iterator[Used]:
    layout = find_layout(host, patient.kind.name)
    folders = dict.fromkeys((layout.certificates, f"{host.home}/.config/containers/certs.d"))
    for table in load(host, layout).effective().values():
        for mirror in table.mirrors:
            location = str(mirror["location"])
            name = location.partition("/")[0]
            insecure = mirror.get("insecure") is True
            certs = [f"{folder}/{name}" for folder in folders]
            ca = "\n".join(_authorities(host, folder) for folder in certs)
            yield Used(
                table.prefix,
                f"{'http' if insecure else 'https'}://{name}",
                ca,
                certs[0],
                not insecure,
                table.place,
            )


def _authorities(host: Host, folder: str) -> str:
    names = [name for name in host.list(folder) if name.endswith(".crt")]
    return "\n".join(_certificate(host, f"{folder}/{name}") for name in names)


def _certificate(host: Host, path: str) -> str:
    try:
        text: Optional[str] = host.text(path)
    except EnrollError:
        return ""
    return text if text and "-----BEGIN CERTIFICATE-----" in text else ""
