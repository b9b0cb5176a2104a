"""The services of one job: a network of its own, a container each, and whether they are ready.

As in GitLab Runner's docker executor with FF_NETWORK_PER_BUILD: services and job find each other by
alias. A service that does not become ready, or ends, is a warning with its log; the job runs.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from homeport.engine.api import ContainerSpec, Engine, EngineError
from homeport.engine.options import ContainerOptions
from homeport.pipeline.execute.api import ExecutorError, JobSpec, ServiceSpec, Stop
from homeport.pipeline.execute.container_access import HostAccess
from homeport.pipeline.execute.container_image import Images
from homeport.pipeline.execute.placed_files import place
from homeport.pipeline.execute.service_names import assign_aliases, is_host_name
from homeport.pipeline.execute.service_ready import Asked, probe_command, wait_until_ready

Note = Callable[[str], None]
LOG_LINES = 200
_LOG_BYTES = 64 * 1024
_PAUSE = 0.2


class _Started(Struct, frozen=True, kw_only=True):
    image: str
    aliases: tuple[str, ...]
    asked: Asked


class JobServices:
    """Starts the services of one attempt. `name` is the job's container's; `labels` mark all;
    `options` are those of `access` with the volumes of this job.

    `close` removes everything, also after a `start` that failed. `service_log` takes whole lines
    on threads of the services' own.
    """

    def __init__(
        self,
        engine: Engine,
        images: Images,
        spec: JobSpec,
        *,
        name: str,
        labels: Mapping[str, str],
        access: HostAccess,
        options: ContainerOptions,
        note: Note,
        service_log: Note,
    ) -> None:
        self._engine = engine
        self._images = images
        self._spec = spec
        self._labels = labels
        self._access = access
        self._options = options
        self._note = note
        self._service_log = service_log
        self._name = name
        self._started: list[_Started] = []
        self._others: list[str] = []
        self._followers: list[threading.Thread] = []
        self.network = f"{name}-net"

    def start(self, stop: Stop) -> Mapping[str, str]:
        """Start all and wait until each is ready or its time is over; addresses by alias.

        Raises `ExecutorError` for an image that is not to be had or a container that does not
        start, and soon when `stop` is requested.
        """
        assigned = assign_aliases(self._spec.services)
        for service, aliases in assigned:
            for alias in aliases:
                if not is_host_name(alias):
                    raise ExecutorError(f"service {service.image} has an impossible alias {alias}")
        try:
            self._engine.create_network(self.network, self._labels, internal=self._access.closed)
        except EngineError as error:
            raise ExecutorError(
                f"cannot create a network for the services of the job: {error}"
            ) from error
        for number, (service, aliases) in enumerate(assigned):
            if not aliases:
                self._note(f"WARNING: Service {service.image} is already created. Ignoring.")
                continue
            self._start_one(number, service, aliases, stop)
        self._wait(stop)
        return self._hosts()

    def _start_one(
        self, number: int, service: ServiceSpec, aliases: tuple[str, ...], stop: Stop
    ) -> None:
        self._note(f"Starting service {service.image}")
        image = self._images.ensure(
            service.image,
            service.platform,
            service.pull_policy,
            self._note,
            stop,
            job=self._spec.env,
        )
        try:
            container = self._engine.create(
                ContainerSpec(
                    image=self._images.name(service.image),
                    name=f"{self._name}-service-{number}",
                    command=service.command,
                    entrypoint=service.entrypoint or None,
                    env=service.env,
                    user=service.user,
                    platform=service.platform,
                    labels=self._labels,
                    options=self._options,
                    network=self.network,
                    aliases=aliases,
                )
            )
            asked = Asked(
                container=container,
                ports=image.ports,
                env={**image.env, **service.env},
            )
            self._started.append(_Started(image=service.image, aliases=aliases, asked=asked))
            self._access.join(self._engine, container, self.network)
            self._access.trust(self._engine, container)
            place(self._engine, container, service.placed)
            self._engine.start(container)
        except EngineError as error:
            raise ExecutorError(f"cannot start service {service.image}: {error}") from error
        if self._spec.debug_services:
            self._follow(container, aliases)

    def _wait(self, stop: Stop) -> None:
        limit = self._spec.services_timeout
        stopped = threading.Event()
        unsubscribe = stop.subscribe(stopped.set)
        try:
            if limit > 0 and self._started and stop.reason is None:
                self._note(
                    f"Waiting for services to be up and running (timeout {limit:g} seconds)..."
                )
                self._wait_for_all(limit, stopped)
        finally:
            unsubscribe()
        if stop.reason is not None:
            raise ExecutorError(f"the services were not waited for: {stop.reason}")

    def _wait_for_all(self, limit: float, stopped: threading.Event) -> None:
        told: dict[int, str | None] = {}

        def wait(number: int, service: _Started) -> None:
            try:
                told[number] = wait_until_ready(
                    self._engine,
                    service.asked,
                    lambda address, ports, give_up: self._probe(number, address, ports, give_up),
                    limit=limit,
                    stopped=stopped,
                )
            except EngineError as error:
                told[number] = str(error)

        threads = [
            threading.Thread(target=wait, args=pair, daemon=True)
            for pair in enumerate(self._started)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if stopped.is_set():
            return
        for number, service in enumerate(self._started):
            reason = told.get(number)
            if reason is not None:
                self._warn(service, reason)

    def _warn(self, service: _Started, reason: str) -> None:
        """As the Runner words it, with the service's own last words."""
        log = self._last_words(service.asked.container)
        self._note(
            f"*** WARNING: Service {service.image} probably didn't start properly.\n"
            f"Health check error:\n{reason}\n"
            f"Service container logs:\n{log.rstrip() or '(nothing)'}\n*********"
        )

    def _last_words(self, container: str) -> str:
        parts: list[bytes] = []
        try:
            self._engine.logs(container, parts.append, tail=LOG_LINES)
        except EngineError as error:
            return f"(not to be had: {error})"
        return b"".join(parts)[-_LOG_BYTES:].decode("utf-8", "replace")

    def _probe(
        self, number: int, address: str, ports: object, give_up: Callable[[], bool]
    ) -> int | None:
        """Try ports from a container of the job's image; see `service_ready.Probe`."""
        image = self._spec.image
        if image is None or not isinstance(ports, tuple):
            return -1
        container = self._engine.create(
            ContainerSpec(
                image=self._images.name(image.name),
                name=f"{self._name}-probe-{number}",
                command=probe_command(address, ports),
                entrypoint=(),
                user=image.docker_user,
                platform=image.docker_platform,
                labels=self._labels,
                network=self.network,
            )
        )
        self._others.append(container)
        try:
            self._engine.start(container)
            while (state := self._engine.state(container)).running:
                if give_up():
                    return None
                time.sleep(_PAUSE)
            return state.exit_code
        finally:
            self._engine.remove(container)

    def _hosts(self) -> Mapping[str, str]:
        """For engines whose networks have no names (Podman without its DNS plugin)."""
        hosts: dict[str, str] = {}
        for service in self._started:
            try:
                address = self._engine.state(service.asked.container).address
            except EngineError:
                continue
            if address:
                hosts |= dict.fromkeys(service.aliases, address)
        return hosts

    def _follow(self, container: str, aliases: tuple[str, ...]) -> None:
        """CI_DEBUG_SERVICES: what a service prints goes into the job's log as it comes."""
        lines = _Lines(f"[service:{'-'.join(aliases)}] ", self._service_log)

        def follow() -> None:
            try:
                self._engine.logs(container, lines.take, follow=True, timestamps=True)
            except EngineError:
                return
            finally:
                lines.end()

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        self._followers.append(thread)

    def close(self) -> None:
        """Remove all; what the engine refuses now the executor tries again by the labels."""
        for container in (*(service.asked.container for service in self._started), *self._others):
            _try(lambda container=container: self._engine.remove(container))  # type: ignore[misc]
        for thread in self._followers:
            thread.join(5.0)
        _try(lambda: self._engine.remove_network(self.network))


class _Lines:
    """Makes whole lines of output in any cut; a line without end is cut."""

    def __init__(self, prefix: str, sink: Note) -> None:
        self._prefix = prefix
        self._sink = sink
        self._rest = b""

    def take(self, data: bytes) -> None:
        *whole, self._rest = re.split(rb"\r?\n", self._rest + data)
        for line in whole:
            self._give(line)
        if len(self._rest) > _LOG_BYTES:
            self.end()

    def end(self) -> None:
        if self._rest:
            self._give(self._rest)
            self._rest = b""

    def _give(self, line: bytes) -> None:
        try:
            self._sink(self._prefix + line.decode("utf-8", "replace"))
        except (OSError, ValueError):
            return  # the job's log is full or closed: the job itself tells


def _try(step: Callable[[], None]) -> None:
    try:
        step()
    except EngineError:
        return
