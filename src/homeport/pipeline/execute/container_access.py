"""What the containers of a job get of the machine, as the user's own settings say: options,
networks, volumes, certificates, the SSH agent."""

import io
import tarfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from homeport.engine.api import Engine, EngineError
from homeport.engine.options import ContainerOptions
from homeport.pipeline.execute.container_workspace import BUILDS_DIR
from homeport.pipeline.execute.placed_files import place

if TYPE_CHECKING:
    from homeport.pipeline.execute.container_layers import JobLayer

_AGENT = "/run/homeport-ssh-agent"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian, Alpine and what is made of them have their certificates in one file; Go and Python
read it on others, too."""
_MOST_CERTIFICATES = 4 * 1024 * 1024


class HostAccess(Struct, frozen=True, kw_only=True):
    """From the user's own settings, never a repository's.

    `networks` are names, or `host` or `none` alone. `certificates` are PEM, to be trusted beside
    those of the image. `ssh_agent` is the path of an agent's socket on the engine's machine.
    """

    options: ContainerOptions = ContainerOptions()
    networks: tuple[str, ...] = ()
    certificates: str = ""
    ssh_agent: str | None = None

    @property
    def env(self) -> Mapping[str, str]:
        return {} if self.ssh_agent is None else {"SSH_AUTH_SOCK": _AGENT}

    @property
    def closed(self) -> bool:
        """Whether containers shall reach nothing but each other."""
        return self.networks == ("none",)

    @property
    def of_host(self) -> bool:
        """Whether a job has the machine's own network, or another container's: it can be in no
        further one."""
        return any(name == "host" or name.startswith("container:") for name in self.networks)

    def join(self, engine: Engine, container: str, first: str | None) -> None:
        """Put a container, created in the network `first`, into the others that it shall be in."""
        for name in () if self.closed or self.of_host else self.networks:
            if name != first:
                engine.connect_network(name, container)

    def trust(self, engine: Engine, container: str) -> None:
        """Add the certificates to those that a container has, before it starts."""
        if self.certificates:
            own = _read(engine, container, _CERTIFICATES).rstrip()
            text = f"{own}\n{self.certificates}" if own else self.certificates
            place(engine, container, {_CERTIFICATES: text})


NO_ACCESS = HostAccess()


class JobVolumes:
    """The volumes of one attempt that have no place on the machine: made empty, shared by the job
    and its services, removed with them."""

    def __init__(
        self,
        engine: Engine,
        access: HostAccess,
        *,
        name: str,
        labels: Mapping[str, str],
        builds: bool = False,
        layer: "JobLayer | None" = None,
    ) -> None:
        """`name` is the job's container's. With `builds` the folder of projects is a volume, too,
        as the Runner has it: so services see the job's workspace. With `layer` it is that folder.
        Nothing is made before `create`.
        """
        self.layer = layer
        self._engine = engine
        self._labels = labels
        self._access = access
        self._paths = access.options.volumes
        if (builds or layer is not None) and not self.holds(BUILDS_DIR):
            self._paths += (BUILDS_DIR,)
        self._names: dict[str, str] = {}
        for path in self._paths:
            if ":" not in path:
                self._names[path] = f"{name}-volume-{len(self._names)}"

    def holds(self, folder: str) -> bool:
        """Whether something is mounted at just this place."""
        return mounts_at(self._paths, folder)

    def create(self) -> None:
        for path, name in self._names.items():
            layer = self.layer if path == BUILDS_DIR else None
            options = {} if layer is None else layer.options
            self._engine.create_volume(name, self._labels, options)

    @property
    def of_service(self) -> ContainerOptions:
        """The options of the job's services."""
        return structs.replace(self._access.options.for_service(), volumes=self._binds())

    @property
    def of_job(self) -> ContainerOptions:
        """The options of the job's own container."""
        agent = self._access.ssh_agent
        mounts = () if agent is None else (f"{agent}:{_AGENT}",)
        return structs.replace(self._access.options, volumes=(*self._binds(), *mounts))

    def _binds(self) -> tuple[str, ...]:
        return tuple(self._bind(path) if path in self._names else path for path in self._paths)

    def _bind(self, path: str) -> str:
        # What an image has at this place would be copied into the volume, which mounts it.
        mode = ":nocopy" if self.layer is not None and path == BUILDS_DIR else ""
        return f"{self._names[path]}:{path}{mode}"

    def remove(self) -> None:
        """What the engine refuses now the executor tries again by the labels."""
        for name in self._names.values():
            with suppress(EngineError):
                self._engine.remove_volume(name)
        if self.layer is not None:
            self.layer.remove()


def mounts_at(volumes: Iterable[str], folder: str) -> bool:
    """Whether one of the volumes is mounted at just this place."""
    return folder in (volume.split(":")[1] if ":" in volume else volume for volume in volumes)


def _read(engine: Engine, container: str, path: str) -> str:
    """The text of a file of an image; empty for a link, and where there is none."""
    chunks = engine.get_archive(container, path)
    data = b"".join(chunks) if chunks is not None else b""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            member = archive.next()
            file = archive.extractfile(member) if member is not None and member.isreg() else None
            return file.read(_MOST_CERTIFICATES).decode("utf-8", "replace") if file else ""
    except tarfile.TarError:
        return ""
