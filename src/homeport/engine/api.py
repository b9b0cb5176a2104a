"""What homeport asks of a container engine; one contract suite holds every implementation to it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from homeport.engine.options import ContainerOptions
from homeport.errors import MissingError


class ContainerSpec(Struct, frozen=True, kw_only=True):
    """A container to create. None leaves the image's own value; `env` never appears in any argv.

    `entrypoint` `()` clears the image's entrypoint. `labels` mark what homeport made. `options`
    come from the user's own settings, never from a repository; a volume of theirs may also begin
    with the name of one that was created. `network` is the name of one that there is, or `host` or
    `none`; None is the engine's default. `aliases` are the container's further names in it,
    `hosts` are addresses by name, for `/etc/hosts`.
    """

    image: str
    name: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = {}
    user: str | None = None
    platform: str | None = None
    working_dir: str | None = None
    stdin: bool = False
    labels: Mapping[str, str] = {}
    options: ContainerOptions = ContainerOptions()
    network: str | None = None
    aliases: tuple[str, ...] = ()
    hosts: Mapping[str, str] = {}


class EngineInfo(Struct, frozen=True, kw_only=True):
    address: str
    name: str
    version: str
    api_version: str
    os: str
    architecture: str


class ImageInfo(Struct, frozen=True, kw_only=True):
    """An image that the engine holds; `platform` is `os/architecture`.

    `ports` are the exposed TCP ports, ascending.
    """

    id: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    user: str
    env: Mapping[str, str]
    platform: str = ""
    ports: tuple[int, ...] = ()


class ContainerState(Struct, frozen=True, kw_only=True):
    """A container as it is now. `address` is its own in its (first) network and `gateway` the
    engine's there, both empty while it does not run; `exit_code` is of a container that ended.
    `health` is the program of its image's HEALTHCHECK with its arguments, empty without one."""

    running: bool
    exit_code: int = 0
    address: str = ""
    gateway: str = ""
    health: tuple[str, ...] = ()


class Login(Struct, frozen=True, kw_only=True):
    """What a registry is told: a name with its password, or an identity token. Never shown."""

    server: str
    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Login(server={self.server!r}, …)"


class Marked(Struct, frozen=True, kw_only=True):
    """Something that an engine keeps and that carries labels; `kind` is `container`, `network` or
    `volume`, `id` what it is removed by."""

    kind: str
    id: str
    name: str
    labels: Mapping[str, str]


class PathInfo(Struct, frozen=True, kw_only=True):
    """What lies at a path of a container; `target` is where a symlink leads, absolute inside."""

    directory: bool
    symlink: bool
    target: str


class EngineError(MissingError):
    """The engine is not there, refused, or failed; the message carries its own words."""


class Stream(Protocol):
    """An attached container: write its stdin, then read its output until it ends."""

    def write(self, data: bytes) -> None: ...
    def close_write(self) -> None: ...
    def read(self, output: Callable[[bytes], None]) -> None:
        """Deliver stdout and stderr, demultiplexed, in order, until the stream ends."""
        ...

    def close(self) -> None: ...


class Terminal(Protocol):
    """A command in a container on a terminal of its own. `read` gives empty bytes at its end;
    `close` ends a `read` of another thread, `end` lets go of everything."""

    def read(self) -> bytes: ...
    def write(self, data: bytes) -> None: ...
    def resize(self, rows: int, columns: int) -> None: ...
    def close(self) -> None: ...
    def end(self) -> None: ...


class Engine(Protocol):
    """A container engine. Methods are thread-safe and raise `EngineError`; each has a timeout."""

    @property
    def mounts_early(self) -> bool:
        """Whether what is mounted in a container can be reached before it starts; known once the
        engine has answered."""
        ...

    def info(self) -> EngineInfo: ...
    def mirrors(self) -> Sequence[str]:
        """URLs of the mirrors of Docker Hub that the engine asks first, as far as it tells."""
        ...

    def image(self, reference: str) -> ImageInfo | None:
        """The image if the engine holds it, else None."""
        ...

    def pull(
        self,
        reference: str,
        platform: str | None,
        progress: Callable[[str], None],
        login: Login | None = None,
    ) -> None: ...
    def create(self, spec: ContainerSpec) -> str:
        """Create a container, not started; its id."""
        ...

    def attach(self, container: str) -> Stream: ...
    def start(self, container: str) -> None: ...
    def wait(self, container: str) -> int:
        """Wait for the end of a started container; its exit code."""
        ...

    def execute(self, container: str, command: Sequence[str], user: str) -> None:
        """Start a further command in a running container, detached, as `user`."""
        ...

    def check(self, container: str, command: Sequence[str], timeout: float) -> int:
        """Run a further command in a running container to its end; its exit code. Its output is
        dropped, and its input is empty. `EngineError` if it takes longer than `timeout` seconds."""
        ...

    def terminal(
        self, container: str, command: Sequence[str], *, folder: str, env: Mapping[str, str]
    ) -> Terminal:
        """Run a further command in a running container, in `folder`, on a terminal."""
        ...

    def state(self, container: str) -> ContainerState: ...
    def logs(
        self,
        container: str,
        output: Callable[[bytes], None],
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
    ) -> None:
        """Deliver what a container printed, its last `tail` lines or all; `follow` goes on until it
        ends."""
        ...

    def kill(self, container: str, signal: str) -> None:
        """Send a signal to the container's first process; one that does not run is fine."""
        ...

    def remove(self, container: str) -> None:
        """Remove a container, running or not, with its anonymous volumes; absent is fine."""
        ...

    def put_archive(self, container: str, path: str, chunks: Iterable[bytes]) -> None:
        """Extract a tar stream at `path` (which exists) of a container that need not run."""
        ...

    def get_archive(self, container: str, path: str) -> Iterator[bytes] | None:
        """The tar stream of `path` (its base name on top), or None if it does not exist."""
        ...

    def path_info(self, container: str, path: str) -> PathInfo | None:
        """What lies at `path`, its parents' symlinks followed, its own not; None if nothing."""
        ...

    def containers(self, labels: Mapping[str, str]) -> Sequence[str]:
        """Ids of all containers, running or not, with these labels."""
        ...

    def create_network(
        self, name: str, labels: Mapping[str, str], *, internal: bool = False
    ) -> None:
        """Create a network of this machine's, whose containers find each other by alias. From an
        `internal` one nothing else is reached."""
        ...

    def connect_network(self, name: str, container: str) -> None:
        """Put a container that does not run yet into a further network."""
        ...

    def remove_network(self, name: str) -> None:
        """Remove a network that no container is in; absent is fine."""
        ...

    def networks(self, labels: Mapping[str, str]) -> Sequence[str]:
        """Names of all networks with these labels."""
        ...

    def marked(self, label: str) -> Sequence[Marked]:
        """All containers, running or not, then networks and volumes that have a label of this
        name."""
        ...

    def create_volume(
        self, name: str, labels: Mapping[str, str], options: Mapping[str, str] = {}
    ) -> None:
        """Create an empty volume of this machine's, or what the options of mount(8) make of it; one
        of this name that there is is fine."""
        ...

    def volumes(self, labels: Mapping[str, str]) -> Sequence[str]:
        """Names of all volumes with these labels."""
        ...

    def remove_volume(self, name: str) -> None:
        """Remove a volume that no container uses; absent is fine."""
        ...

    def close(self) -> None:
        """Let go of the engine; calls under way in other threads end with an `EngineError`."""
        ...
