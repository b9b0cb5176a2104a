"""The Docker Engine API, versions 1.41 up, which Podman's service speaks too.

Source: Docker Engine API v1.41 reference (Docker 20.10), Podman's compatibility API.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from homeport.engine.address import Address, parse_address
from homeport.engine.api import (
    ContainerSpec,
    ContainerState,
    EngineError,
    EngineInfo,
    ImageInfo,
    Login,
    Marked,
    PathInfo,
)
from homeport.engine.docker_values import (
    as_container,
    as_health,
    as_mapping,
    as_marked,
    as_path_info,
    as_ports,
    as_words,
    labelled,
    network_of,
    registry_auth,
)
from homeport.engine.http import TIMEOUT, Client, Reply
from homeport.engine.stream import AttachedStream, read_frames
from homeport.engine.terminal import ExecTerminal

OLDEST = (1, 41)
NEWEST = (1, 47)
_TRANSFER_TIMEOUT = 600.0
"""Seconds of silence while an engine extracts, packs or pulls something big."""
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}


def connect(address: str, certificates: str | None = None) -> "DockerEngine":
    """The engine at an address (see `parse_address`); nothing is sent before the first call."""
    return DockerEngine(parse_address(address, certificates))


class DockerEngine:
    """`engine.api.Engine` over a socket; thread-safe, each call on a connection of its own."""

    def __init__(self, address: Address) -> None:
        self._client = Client(address)
        self._lock = threading.Lock()
        self.mounts_early = True

    @property
    def address(self) -> str:
        return str(self._client.address)

    def ping(self, timeout: float) -> None:
        """Ask whether the engine is there and agree on a version; raises `EngineError`."""
        reply = self._client.call("GET", "/_ping", timeout=timeout)
        offered = reply.header("Api-Version")
        self.mounts_early = not reply.header("Libpod-Api-Version")  # Podman mounts at the start
        reply.close()
        version = _version(offered)
        if version < OLDEST:
            raise EngineError.of(
                f"the container engine at {self.address} speaks API version {offered or 'unknown'},"
                f" too old: {OLDEST[0]}.{OLDEST[1]} is needed",
                code="engine-too-old",
                hint="Docker 20.10 or newer, or Podman 4 or newer",
            )
        self._client.prefix = "/v{}.{}".format(*min(version, NEWEST))

    def info(self) -> EngineInfo:
        told = as_mapping(self._call("GET", "/version").body())
        parts = [as_mapping(part) for part in told.get("Components") or ()]
        name = str(parts[0].get("Name", "")) if parts else ""
        return EngineInfo(
            address=self.address,
            name="Podman" if "podman" in name.lower() else "Docker",
            version=str(told.get("Version", "")),
            api_version=str(told.get("ApiVersion", "")),
            os=str(told.get("Os", "")),
            architecture=str(told.get("Arch", "")),
        )

    def mirrors(self) -> Sequence[str]:
        told = as_mapping(self._call("GET", "/info").body())
        return as_words(as_mapping(told.get("RegistryConfig")).get("Mirrors"))

    def image(self, reference: str) -> ImageInfo | None:
        reply = self._call("GET", f"/images/{reference}/json", allowed=(404,))
        told = as_mapping(reply.body())
        if reply.status == 404:
            return None
        config = as_mapping(told.get("Config"))
        pairs = (str(entry).partition("=") for entry in config.get("Env") or ())
        return ImageInfo(
            id=str(told.get("Id", "")),
            entrypoint=as_words(config.get("Entrypoint")),
            command=as_words(config.get("Cmd")),
            user=str(config.get("User") or ""),
            env={key: value for key, _, value in pairs},
            platform=f"{told.get('Os', '')}/{told.get('Architecture', '')}",
            ports=as_ports(as_mapping(config.get("ExposedPorts"))),
        )

    def pull(
        self,
        reference: str,
        platform: str | None,
        progress: Callable[[str], None],
        login: Login | None = None,
    ) -> None:
        # Imported by who pulls: most runs find their images here.
        from homeport.engine.pull_progress import PullProgress

        name, tag = split_reference(reference)
        query = {"fromImage": name, "tag": tag}
        if platform:
            query["platform"] = platform
        headers = {} if login is None else {"X-Registry-Auth": registry_auth(login)}
        reply = self._call(
            "POST", "/images/create", query, headers=headers, timeout=_TRANSFER_TIMEOUT
        )
        told = PullProgress()
        for line in reply.lines():
            detail = as_mapping(line.get("errorDetail")).get("message") or line.get("error")
            if detail:
                raise EngineError.of(str(detail).strip(), code="engine-pull")
            for words in told.lines(line):
                progress(words)

    def create(self, spec: ContainerSpec) -> str:
        query = {"name": spec.name}
        if spec.platform:
            query["platform"] = spec.platform
        reply = self._call("POST", "/containers/create", query, content=as_container(spec))
        identity = as_mapping(reply.body()).get("Id")
        if not isinstance(identity, str) or not identity:
            raise EngineError.of("the engine gave a new container no id", code="engine-refused")
        return identity

    def attach(self, container: str) -> AttachedStream:
        query = dict.fromkeys(("stream", "stdin", "stdout", "stderr"), "1")
        reply = self._call("POST", f"/containers/{container}/attach", query, headers=_UPGRADE)
        return AttachedStream(self._client, reply)

    def start(self, container: str) -> None:
        self._call("POST", f"/containers/{container}/start").close()

    def wait(self, container: str) -> int:
        reply = self._call("POST", f"/containers/{container}/wait", timeout=None)
        told = as_mapping(reply.body())
        failure = as_mapping(told.get("Error")).get("Message")
        if failure or not isinstance(told.get("StatusCode"), int):
            raise EngineError.of(str(failure or "the container's exit code is not known"))
        return int(told["StatusCode"])

    def execute(self, container: str, command: Sequence[str], user: str) -> None:
        content = {"Cmd": list(command), "User": user}
        reply = self._call("POST", f"/containers/{container}/exec", content=content)
        identity = str(as_mapping(reply.body()).get("Id", ""))
        self._call("POST", f"/exec/{identity}/start", content={"Detach": True}).close()

    def terminal(
        self, container: str, command: Sequence[str], *, folder: str, env: Mapping[str, str]
    ) -> ExecTerminal:
        content = {
            **dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr", "Tty"), True),
            "Cmd": list(command),
            "Env": [f"{name}={value}" for name, value in env.items()],
            "WorkingDir": folder,
        }
        reply = self._call("POST", f"/containers/{container}/exec", content=content)
        path = f"/exec/{as_mapping(reply.body()).get('Id', '')}"
        start = {"Detach": False, "Tty": True}
        reply = self._call("POST", f"{path}/start", content=start, headers=_UPGRADE)

        def resize(rows: int, columns: int) -> None:
            size = {"h": str(rows), "w": str(columns)}
            self._call("POST", f"{path}/resize", size).close()

        return ExecTerminal(self._client, reply, resize)

    def check(self, container: str, command: Sequence[str], timeout: float) -> int:
        content = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True}
        reply = self._call("POST", f"/containers/{container}/exec", content=content)
        identity = str(as_mapping(reply.body()).get("Id", ""))
        path, start = f"/exec/{identity}/start", {"Detach": False}
        # Its output ends when it does.
        cut = threading.Event()

        def end() -> None:
            cut.set()
            reply.cut()

        # The timer is first, also where nothing at all is heard: then it is the command that hangs.
        reply = self._call("POST", path, content=start, timeout=timeout + 2.0)
        timer = threading.Timer(timeout, end)
        timer.daemon = True
        timer.start()
        try:
            for _ in reply.chunks():
                pass
        except EngineError:
            if not cut.is_set():
                raise
        finally:
            timer.cancel()
        told = as_mapping(self._call("GET", f"/exec/{identity}/json").body())
        code = told.get("ExitCode")
        # A command that prints nothing for so long is `cut` as well.
        if cut.is_set() or told.get("Running") or not isinstance(code, int):
            raise EngineError.of(f"{command[0]} did not end in time", code="engine-refused")
        return code

    def state(self, container: str) -> ContainerState:
        told = as_mapping(self._call("GET", f"/containers/{container}/json").body())
        state = as_mapping(told.get("State"))
        network = network_of(told)
        return ContainerState(
            running=bool(state.get("Running")),
            exit_code=int(state.get("ExitCode") or 0),
            address=str(network.get("IPAddress") or ""),
            gateway=str(network.get("Gateway") or ""),
            # Of the container, because Podman does not tell it of an image.
            health=as_health(as_mapping(as_mapping(told.get("Config")).get("Healthcheck"))),
        )

    def logs(
        self,
        container: str,
        output: Callable[[bytes], None],
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
    ) -> None:
        query = {"stdout": "1", "stderr": "1", "tail": "all" if tail is None else str(tail)}
        query |= {"follow": "1"} if follow else {}
        query |= {"timestamps": "1"} if timestamps else {}
        with self._call(
            "GET", f"/containers/{container}/logs", query, timeout=None if follow else TIMEOUT
        ) as reply:
            read_frames(reply.chunks(), output)

    def kill(self, container: str, signal: str) -> None:
        path = f"/containers/{container}/kill"
        reply = self._call("POST", path, {"signal": signal}, allowed=(404, 409, 500))
        # Podman has no status of its own for a container that does not run.
        words = reply.refusal() if reply.status == 500 else ""
        reply.close()
        if words and "state improper" not in words:
            raise EngineError.of(words, code="engine-refused")

    def remove(self, container: str) -> None:
        query = {"force": "1", "v": "1"}
        self._call("DELETE", f"/containers/{container}", query, allowed=(404, 409)).close()

    def put_archive(self, container: str, path: str, chunks: Iterable[bytes]) -> None:
        self._call(
            "PUT",
            f"/containers/{container}/archive",
            {"path": path},
            chunks=chunks,
            timeout=_TRANSFER_TIMEOUT,
        ).close()

    def get_archive(self, container: str, path: str) -> Iterator[bytes] | None:
        reply = self._call(
            "GET",
            f"/containers/{container}/archive",
            {"path": path},
            timeout=_TRANSFER_TIMEOUT,
            allowed=(404,),
        )
        if reply.status == 404:
            reply.close()
            return None
        return reply.chunks()

    def path_info(self, container: str, path: str) -> PathInfo | None:
        target = f"/containers/{container}/archive"
        reply = self._call("HEAD", target, {"path": path}, allowed=(404,))
        with reply:
            return None if reply.status == 404 else as_path_info(reply)

    def containers(self, labels: Mapping[str, str]) -> Sequence[str]:
        found = self._call("GET", "/containers/json", {"all": "1", **labelled(labels)}).body()
        return tuple(str(entry["Id"]) for entry in found or ())

    def create_network(
        self, name: str, labels: Mapping[str, str], *, internal: bool = False
    ) -> None:
        content = {
            "Name": name,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "Internal": internal,
            "Labels": dict(labels),
        }
        self._call("POST", "/networks/create", content=content).close()

    def connect_network(self, name: str, container: str) -> None:
        content = {"Container": container}
        self._call("POST", f"/networks/{name}/connect", content=content).close()

    def remove_network(self, name: str) -> None:
        self._call("DELETE", f"/networks/{name}", allowed=(404,)).close()

    def networks(self, labels: Mapping[str, str]) -> Sequence[str]:
        found = self._call("GET", "/networks", labelled(labels)).body()
        return tuple(str(entry["Name"]) for entry in found or ())

    def marked(self, label: str) -> Sequence[Marked]:
        from json import dumps

        query = {"filters": dumps({"label": [label]})}
        containers = self._call("GET", "/containers/json", {"all": "1", **query}).body() or ()
        networks = self._call("GET", "/networks", query).body() or ()
        volumes = (self._call("GET", "/volumes", query).body() or {}).get("Volumes") or ()
        return (
            *(
                as_marked("container", one["Id"], (one.get("Names") or [one["Id"]])[0], one)
                for one in containers
            ),
            *(as_marked("network", one["Name"], one["Name"], one) for one in networks),
            *(as_marked("volume", one["Name"], one["Name"], one) for one in volumes),
        )

    def create_volume(
        self, name: str, labels: Mapping[str, str], options: Mapping[str, str] = {}
    ) -> None:
        content = {"Name": name, "Labels": dict(labels), "DriverOpts": dict(options)}
        self._call("POST", "/volumes/create", content=content).close()

    def volumes(self, labels: Mapping[str, str]) -> Sequence[str]:
        found = as_mapping(self._call("GET", "/volumes", labelled(labels)).body())
        volumes = found.get("Volumes") or ()
        # Podman (4.3) gives those that have any of the labels.
        return tuple(
            str(entry["Name"])
            for entry in volumes
            if labels.items() <= as_mapping(entry.get("Labels")).items()
        )

    def remove_volume(self, name: str) -> None:
        self._call("DELETE", f"/volumes/{name}", allowed=(404,)).close()

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, path: str, query: Mapping[str, str] = {}, **more: Any) -> Reply:
        if not self._client.prefix:
            with self._lock:
                if not self._client.prefix:
                    self.ping(10.0)
        return self._client.call(method, path, query, **more)


def split_reference(reference: str) -> tuple[str, str]:
    """The name and its digest or tag (`latest` without one), as `/images/create` wants them."""
    name, at, digest = reference.partition("@")
    if at:
        return name, digest
    head, slash, last = reference.rpartition("/")
    last, _, tag = last.partition(":")
    return head + slash + last, tag or "latest"


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)
