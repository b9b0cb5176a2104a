"""`homeport run --mirror`: jobs that bring an engine of their own are led to the mirror.

A pure step from plan to plan: it adds words to commands of services, variables, and files that lie
in a container before it starts. What cannot be added is said in the job's log.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from homeport.pipeline.model.config import Service
from homeport.pipeline.model.plan import JobPlan, Plan, Runs, ScopedVariable
from homeport.pipeline.plan.own_engine import (
    Tool,
    expanded,
    is_kaniko,
    is_rootless,
    service_tool,
    used_in,
)
from homeport.settings.model import Settings

_LOOPBACK = ("localhost", "127.", "[::1]")
_DOCKER_CERTIFICATES = "/etc/docker/certs.d"
_BUILDKIT = "/etc/buildkit"
_CONTAINERS = "/etc/containers"
_KANIKO = "/kaniko/ssl/certs"  # SSL_CERT_DIR of kaniko's image: Go reads every file in it
_KANIKO_VARIABLE = "KANIKO_REGISTRY_MIRROR"
_KANIKO_MAP = "KANIKO_REGISTRY_MAP"
_HUB = "docker.io"
_AUTHORITY = "homeport-mirror.crt"


class Mirror(Struct, frozen=True, kw_only=True):
    """`url` is `http[s]://HOST[:PORT]`; `certificates` is the PEM of its own authority, if any.
    `registries` are those that it has beside Docker Hub, each below its name."""

    url: str
    certificates: str = ""
    registries: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """`HOST[:PORT]`."""
        return self.url.partition("://")[2]

    @property
    def plain(self) -> bool:
        return self.url.startswith("http://")

    @property
    def locations(self) -> dict[str, str]:
        """Where it has each registry: `HOST[:PORT][/PATH]`."""
        others = {name: f"{self.host}/{name.replace(':', '_')}" for name in self.registries}
        return {_HUB: self.host, **others}

    @property
    def is_loopback(self) -> bool:
        return self.host.startswith(_LOOPBACK)

    def authority(self, path: str) -> dict[str, str]:
        """The file of its certificates, where there are some to trust."""
        return {path: self.certificates} if self.certificates and not self.plain else {}


def mirror_of(settings: Settings) -> Mirror | None:
    if settings.mirror_url is None:
        return None
    mirror = Mirror(url=settings.mirror_url.rstrip("/"), certificates=settings.mirror_certificates)
    own = (_HUB, mirror.host)
    names = dict.fromkeys(name for name in settings.mirror_registries if name not in own)
    return structs.replace(mirror, registries=tuple(names))


def through_mirror(plan: Plan, mirror: Mirror | None) -> Plan:
    """The plan whose jobs' own engines pull through the mirror, as far as that can be had."""
    if mirror is None:
        return plan
    return structs.replace(plan, jobs=tuple(_job(job, mirror) for job in plan.jobs))


class _Change:
    """What is added to one job, and what is said about it; `values` are its variables so far."""

    def __init__(self, mirror: Mirror, values: Mapping[str, str]) -> None:
        self.mirror = mirror
        self.values = values
        self.notes: list[str] = []
        self.placed: dict[str, str] = {}
        self.variables: list[ScopedVariable] = []

    def done(self, what: str, others: Sequence[str] = ()) -> None:
        """`others` are the registries, beside Docker Hub, that it also pulls through the mirror."""
        names = f"{', '.join((_HUB, *others))} " if others else ""
        self.notes.append(f"{what} pulls {names}through {self.mirror.url} (--mirror)")

    def for_all(self, what: str) -> None:
        self.done(what, self.mirror.registries)

    def missing(self, what: str) -> None:
        self.notes.append(f"WARNING: {what}")


def _job(job: JobPlan, mirror: Mirror) -> JobPlan:
    if job.runs is not Runs.CONTAINER:
        return job
    change = _Change(mirror, {each.key: each.value for each in (*job.variables, *job.overrides)})
    services = tuple(_service(service, change) for service in job.services)
    _own(job, change)
    if not change.notes:
        return job
    if mirror.is_loopback:
        change.missing(
            f"{mirror.host} is the container itself for an engine in a container: it will not find "
            "the mirror there; name one by an address that containers reach"
        )
    return structs.replace(
        job,
        services=services,
        variables=(*job.variables, *change.variables),
        placed={**job.placed, **change.placed},
        notes=(*job.notes, *change.notes),
    )


def _service(service: Service, change: _Change) -> Service:
    name = expanded(service.name, change.values)
    match service_tool(name):
        case Tool.DIND:
            return _dind(service, name, change)
        case Tool.BUILDKIT:
            return _buildkit(service, name, change)
        case _:
            return service


def _dind(service: Service, image: str, change: _Change) -> Service:
    """As its entry point takes them, words that begin with `-` are options of dockerd."""
    mirror, name = change.mirror, f"service {image}"
    command = service.command or ()
    if any("--registry-mirror" in word for word in (*command, *(service.entrypoint or ()))):
        change.notes.append(f"{name} names a registry mirror itself, which is left as it is")
        return service
    if not _takes_options(service):
        change.missing(
            f"{name} has a command of its own that takes no options of dockerd: add "
            f"--registry-mirror={mirror.url} to it"
        )
        return service
    placed: Mapping[str, str] = {}
    if is_rootless(image):
        if mirror.authority(""):
            change.missing(f"{name} is rootless: the mirror's certificate cannot be put into it")
    else:
        placed = mirror.authority(f"{_DOCKER_CERTIFICATES}/{mirror.host}/ca.crt")
    change.done(name)
    if mirror.registries:
        change.missing(
            f"{name} asks {', '.join(mirror.registries)} directly: a mirror of dockerd stands for "
            "Docker Hub alone"
        )
    return structs.replace(
        service, command=(*command, f"--registry-mirror={mirror.url}"), placed=placed
    )


def _takes_options(service: Service) -> bool:
    words = (*(service.entrypoint or ()), *(service.command or ()))
    words = tuple(word for word in words if word)
    if not words or words[0].startswith("-"):
        return True
    program = words[0].rpartition("/")[2]
    if program == "env":  # GitLab's own examples: env -u DOCKER_HOST dockerd-entrypoint.sh
        program = next((word for word in words if word.startswith("dockerd")), "")
    return program in ("dockerd", "dockerd-entrypoint.sh")


def _buildkit(service: Service, image: str, change: _Change) -> Service:
    name = f"service {image}"
    if is_rootless(image) or any("--config" in word for word in service.command or ()):
        change.missing(f"{name} reads a configuration of its own: add the mirror there")
        return service
    change.for_all(name)
    return structs.replace(service, placed=_buildkitd(_BUILDKIT, "buildkitd.toml", change.mirror))


def _own(job: JobPlan, change: _Change) -> None:
    """The tools that the job itself runs."""
    image = expanded(job.image.name, change.values) if job.image else ""
    used = {found.tool: found.words for found in used_in((*job.before_script, *job.script))}
    if is_kaniko(image):
        _kaniko(job, change)
    elif Tool.KANIKO in used:
        change.missing(f"image {image} is none of kaniko's own: give kaniko --registry-mirror")
    if Tool.BUILDX in used:
        _buildx(job, change)
    if Tool.CONTAINERS in used:
        change.placed |= _registries(change.mirror)
        change.for_all(used[Tool.CONTAINERS])


def _kaniko(job: JobPlan, change: _Change) -> None:
    mirror = change.mirror
    if _KANIKO_VARIABLE in change.values:
        change.notes.append(f"{_KANIKO_VARIABLE} is set, and is left as it is")
        return
    if any("--registry-mirror" in command for command in (*job.before_script, *job.script)):
        change.notes.append("kaniko is given a registry mirror, which is left as it is")
        return
    change.variables.append(ScopedVariable(key=_KANIKO_VARIABLE, value=mirror.host, raw=True))
    change.placed |= mirror.authority(f"{_KANIKO}/{_AUTHORITY}")
    change.done("kaniko", _kaniko_map(job, change))
    if mirror.plain:
        change.missing(
            "kaniko asks a mirror by https: no variable tells it that this one speaks http; add "
            f"--insecure-registry={mirror.host} to its options"
        )


def _kaniko_map(job: JobPlan, change: _Change) -> tuple[str, ...]:
    """The registries that kaniko is told of by its map, which it reads from 1.23 on."""
    registries = change.mirror.registries
    if not registries:
        return ()
    commands = (*job.before_script, *job.script)
    if _KANIKO_MAP in change.values or any("--registry-map" in command for command in commands):
        change.notes.append("kaniko is given a map of registries, which is left as it is")
        return ()
    places = change.mirror.locations
    value = ";".join(f"{name}={places[name]}" for name in registries)
    change.variables.append(ScopedVariable(key=_KANIKO_MAP, value=value, raw=True))
    return registries


def _buildx(job: JobPlan, change: _Change) -> None:
    folder = _buildx_folder(job, change.values)
    if folder is None:
        change.missing(
            "docker buildx create reads buildkitd.default.toml from a folder that the job names "
            "only while it runs: give it --buildkitd-config"
        )
        return
    change.placed |= _buildkitd(folder, "buildkitd.default.toml", change.mirror)
    change.for_all("a builder that docker buildx create makes")


def _buildx_folder(job: JobPlan, given: Mapping[str, str]) -> str | None:
    """Where buildx looks for its default: BUILDX_CONFIG, DOCKER_CONFIG/buildx, ~/.docker/buildx."""
    for name, suffix in (("BUILDX_CONFIG", ""), ("DOCKER_CONFIG", "/buildx")):
        if name in given:
            folder = given[name].rstrip("/")
            clean = folder.startswith("/") and "$" not in folder and ".." not in folder
            return f"{folder}{suffix}" if clean else None
    user = job.image.docker_user if job.image else None
    return "/root/.docker/buildx" if user in (None, "", "root", "0") else None


def _buildkitd(folder: str, name: str, mirror: Mirror) -> dict[str, str]:
    """BuildKit's configuration for the registries; buildx copies the authority into a builder."""
    authority = f"{folder}/{_AUTHORITY}"
    lines = []
    for registry, location in mirror.locations.items():
        lines += [f'[registry."{registry}"]', f'  mirrors = ["{location}"]']
    if mirror.plain:
        lines += [f'[registry."{mirror.host}"]', "  http = true"]
    elif mirror.certificates:
        lines += [f'[registry."{mirror.host}"]', f'  ca = ["{authority}"]']
    return {f"{folder}/{name}": "\n".join((*lines, "")), **mirror.authority(authority)}


def _registries(mirror: Mirror) -> dict[str, str]:
    """A drop-in of containers-registries.conf(5) for these registries."""
    lines = []
    for registry, location in mirror.locations.items():
        lines += [
            "[[registry]]",
            f'prefix = "{registry}"',
            f'location = "{registry}"',
            "[[registry.mirror]]",
            f'location = "{location}"',
            *(("insecure = true",) if mirror.plain else ()),
        ]
    return {
        f"{_CONTAINERS}/registries.conf.d/99-homeport.conf": "\n".join((*lines, "")),
        **mirror.authority(f"{_CONTAINERS}/certs.d/{mirror.host}/ca.crt"),
    }
