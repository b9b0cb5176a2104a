"""Jobs in containers, through an engine's API alone: no helper image, no command line.

One container of the job's own image is one session: created, filled, started for the script and
once more for the after_script, read, removed. It is filled and read by the archive API, so that it
works on an engine of another machine just as well; one that sees our files may find its workspace
in a folder (`container_layers.py`). Entry points and the shell are as in GitLab Runner's
docker executor (docs/executors/docker.md, "Configure a Docker ENTRYPOINT").
"""

import re
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from homeport.engine.api import ContainerSpec, Engine, EngineError
from homeport.pipeline.execute.api import (
    ExecutorError,
    JobSpec,
    Session,
    Stop,
    unheard,
)
from homeport.pipeline.execute.container_access import (
    NO_ACCESS,
    HostAccess,
    JobVolumes,
    mounts_at,
)
from homeport.pipeline.execute.container_git import RepositoryPacks
from homeport.pipeline.execute.container_image import Images
from homeport.pipeline.execute.container_session import ContainerSession
from homeport.pipeline.execute.container_workspace import BUILDS_DIR, container_project_dir
from homeport.pipeline.execute.placed_files import place
from homeport.pipeline.execute.snapshot import git_environment
from homeport.pipeline.model.config import Image
from homeport.pipeline.plan.registry_prefix import NO_PREFIXES, RegistryPrefixes

if TYPE_CHECKING:
    from homeport.pipeline.execute.container_layers import JobLayer, Layers
    from homeport.pipeline.execute.services import JobServices

RUN_LABEL = "homeport.run"
JOB_LABEL = "homeport.job"
STATE_LABEL = "homeport.state"
_SHELL = (
    "exec 2>&1; for s in /usr/local/bin/bash /usr/bin/bash /bin/bash; do "
    "[ -x $s ] && exec $s; done; exec sh"
)
"""The best shell of the image, which then reads the script from its standard input.

Its errors go where its output goes: an engine carries two streams in no certain order.
"""
_COMMAND = ("sh", "-c", _SHELL)
_GRACE = 5.0
"""Seconds between asking a job to end and ending it."""


class Network(Struct, frozen=True, kw_only=True):
    """Where a job's container is put: a network with services, and their addresses by alias."""

    name: str | None = None
    aliases: tuple[str, ...] = ()
    hosts: Mapping[str, str] = {}


class ContainerExecutor:
    """`execute.api.Executor` on a container engine, for one run. It does not close the engine."""

    def __init__(
        self,
        engine: Engine,
        access: HostAccess = NO_ACCESS,
        grace: float = _GRACE,
        *,
        state: str = "",
        env: Mapping[str, str] = {},
        prefixes: RegistryPrefixes = NO_PREFIXES,
        layers: "Layers | None" = None,
    ) -> None:
        """`state` says whose the containers are: an engine may serve many users and machines.
        `env` is the user's environment, where logins of registries are looked for; `prefixes` say
        under which names images are pulled; `layers` are for workspaces in folders, where the
        engine sees them."""
        self._engine = engine
        self._state = state
        self._lost = threading.Event()  # set when the engine did not answer any more
        self._access = access
        self._grace = grace
        self._images = Images(engine, env, prefixes)
        self._packs = RepositoryPacks()
        self._layers = layers
        self._runs: set[str] = set()
        self._networked = False  # whether any job had services
        self._volumes = any(":" not in volume for volume in access.options.volumes)

    def project_dir(self, run: str, job: str, attempt: int, project_path: str) -> str:
        del run, job, attempt  # each session has a file system of its own
        return container_project_dir(project_path)

    def open(
        self,
        spec: JobSpec,
        note: Callable[[str], None],
        stop: Stop | None = None,
        *,
        service_log: Callable[[str], None] = unheard,
        phase: Callable[[str], None] = unheard,
    ) -> Session:
        image, stop = spec.image, stop or Stop()
        if image is None:
            raise ExecutorError(f"job {spec.job} has no image to make a container of")
        self._runs.add(spec.run)
        labels = {RUN_LABEL: spec.run, JOB_LABEL: spec.job, STATE_LABEL: self._state}
        try:
            self._images.ensure(
                image.name, image.docker_platform, spec.pull_policy, note, stop, job=spec.env
            )
        except EngineError as error:
            raise ExecutorError(
                f"cannot create a container of image {image.name}: {error}"
            ) from error
        volumes = self._volumes_of(spec, labels, self._layer_for(spec))
        services, network = None, self._network(None, {})
        if spec.services:
            self._networked = self._volumes = True
            phase("services")
            services = self._services(spec, labels, volumes, note, service_log)
        try:
            _create_volumes(volumes)
            if services is not None:
                network = self._network(services.network, services.start(stop))
            phase("workspace")
            container = self._create(spec, image, labels, network, volumes)
            if volumes.layer is not None and not self._works(container, volumes.layer):
                self._remove(container, volumes)
                volumes = self._volumes_of(spec, labels, None)
                _create_volumes(volumes)
                container = self._create(spec, image, labels, network, volumes)
            self._furnish(spec, image, container, network)
        except BaseException:
            if services is not None:
                services.close()
            volumes.remove()
            raise
        return ContainerSession(
            self._engine,
            container,
            spec=spec,
            packs=self._packs,
            grace=self._grace,
            lost=self._lost,
            services=services,
            volumes=volumes,
        )

    def _network(self, own: str | None, hosts: Mapping[str, str]) -> Network:
        """Where the job goes, beside its services in their network `own` unless the user wants
        another than any (`host`): those it reaches by their addresses."""
        if self._access.of_host or own is None:
            return Network(name=next(iter(self._access.networks), None), hosts=hosts)
        return Network(name=own, aliases=("build",), hosts=hosts)

    def _create(
        self,
        spec: JobSpec,
        image: Image,
        labels: Mapping[str, str],
        network: Network,
        volumes: JobVolumes,
    ) -> str:
        try:
            container = self._engine.create(
                ContainerSpec(
                    image=self._images.name(image.name),
                    name=container_name(spec),
                    command=_COMMAND,
                    # As in the Runner an empty list is no override, and [""] clears.
                    entrypoint=_entrypoint(image.entrypoint),
                    env={
                        **self._access.env,
                        **spec.env,
                        **git_environment(spec.env, container_project_dir(spec.project_path)),
                    },
                    user=image.docker_user,
                    platform=image.docker_platform,
                    stdin=True,
                    labels=labels,
                    options=volumes.of_job,
                    network=network.name,
                    aliases=network.aliases,
                    hosts=network.hosts,
                )
            )
        except EngineError as error:
            raise ExecutorError(
                f"cannot create a container of image {image.name}: {error}"
            ) from error
        return container

    def _furnish(self, spec: JobSpec, image: Image, container: str, network: Network) -> None:
        try:
            self._access.join(self._engine, container, network.name)
            self._access.trust(self._engine, container)
            place(self._engine, container, spec.placed)
        except EngineError as error:
            raise ExecutorError(
                f"cannot prepare the container of image {image.name}: {error}"
            ) from error

    def _layer_for(self, spec: JobSpec) -> "JobLayer | None":
        """A folder for the job, unless services are to have its workspace mounted before it is
        filled, or the user mounts something there."""
        if self._layers is None or spec.services or not self._engine.mounts_early:
            return None
        if mounts_at(self._access.options.volumes, BUILDS_DIR):
            return None
        return self._layers.for_job(spec.sources)

    def _works(self, container: str, layer: "JobLayer") -> bool:
        return self._layers is not None and self._layers.works(self._engine, container, layer)

    def _volumes_of(
        self, spec: JobSpec, labels: Mapping[str, str], layer: "JobLayer | None"
    ) -> JobVolumes:
        self._volumes = self._volumes or layer is not None
        return JobVolumes(
            self._engine,
            self._access,
            name=container_name(spec),
            labels=labels,
            builds=bool(spec.services),
            layer=layer,
        )

    def _remove(self, container: str, volumes: JobVolumes) -> None:
        try:
            self._engine.remove(container)
        except EngineError as error:
            raise ExecutorError(f"cannot remove a container: {error}") from error
        volumes.remove()

    def _services(
        self,
        spec: JobSpec,
        labels: Mapping[str, str],
        volumes: JobVolumes,
        note: Callable[[str], None],
        service_log: Callable[[str], None],
    ) -> "JobServices":
        # Imported by who has services: a run without any shall not pay for it.
        from homeport.pipeline.execute.services import JobServices

        return JobServices(
            self._engine,
            self._images,
            spec,
            name=container_name(spec),
            labels=labels,
            access=self._access,
            options=volumes.of_service,
            note=note,
            service_log=service_log,
        )

    def remove_orphans(self, live: Callable[[], Iterable[str]]) -> None:
        """Remove the containers, networks and volumes of runs that were killed; `live` names those
        that go on.

        It is asked after the engine, so that no run that begins meanwhile is taken for dead.
        """
        mine = {STATE_LABEL: self._state}
        try:
            orphans = set(self._engine.containers(mine))
            networks = set(self._engine.networks(mine))
            volumes = set(self._engine.volumes(mine))
            for run in live() if orphans or networks or volumes else ():
                own = {**mine, RUN_LABEL: run}
                orphans -= set(self._engine.containers(own)) if orphans else set()
                networks -= set(self._engine.networks(own)) if networks else set()
                volumes -= set(self._engine.volumes(own)) if volumes else set()
            for container in orphans:
                self._engine.remove(container)
            for network in networks:
                self._engine.remove_network(network)
            for volume in volumes:
                self._engine.remove_volume(volume)
        except EngineError:
            # Whatever is wrong with the engine, the first job will tell.
            return

    def close(self) -> None:
        self._packs.close()
        if self._lost.is_set():
            return
        for run in tuple(self._runs):
            try:
                remove_labelled(
                    self._engine,
                    {RUN_LABEL: run},
                    networks=self._networked,
                    volumes=self._volumes,
                )
            except EngineError:
                # An engine that is gone keeps nothing that could be removed now.
                return


def remove_labelled(
    engine: Engine, labels: Mapping[str, str], *, networks: bool = True, volumes: bool = True
) -> None:
    """Remove the containers with these labels, and the networks and volumes, if there may be any.
    Raises `EngineError`."""
    for container in engine.containers(labels):
        engine.remove(container)
    for network in engine.networks(labels) if networks else ():
        engine.remove_network(network)
    for volume in engine.volumes(labels) if volumes else ():
        engine.remove_volume(volume)


def _create_volumes(volumes: JobVolumes) -> None:
    try:
        volumes.create()
    except EngineError as error:
        raise ExecutorError(f"cannot create a volume for the job: {error}") from error


def container_name(spec: JobSpec) -> str:
    """A name that says which job it is, and is one of its own: names are cut and simplified."""
    simple = re.sub(r"[^a-z0-9]+", "-", spec.job.lower()).strip("-")[:40]
    own = zlib.crc32(f"{spec.run}\0{spec.job}".encode("utf-8", "surrogateescape"))
    run = re.sub(r"[^A-Za-z0-9]+", "-", spec.run)[:40]
    return f"homeport-{run}-{simple}-{own:08x}-{spec.attempt}"


def _entrypoint(words: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if not words:
        return None
    return () if words == ("",) else words
