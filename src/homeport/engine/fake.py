"""An engine in memory, for tests: it keeps files and plays programs instead of running them.

It passes the contract suite of engines as far as that needs no kernel. `calls` counts what was
asked, by method.
"""

import io
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy

from homeport.engine.api import (
    ContainerSpec,
    ContainerState,
    EngineError,
    EngineInfo,
    ImageInfo,
    Login,
    Marked,
    PathInfo,
    Terminal,
)
from homeport.engine.fake_container import SIGNALS, FakeContainer, FakeStream, play, send_signal

Program = Callable[[FakeContainer, str], int]
"""Plays a container's program with its whole stdin; adds to `output`; the exit code."""


class FakeEngine:
    """`engine.api.Engine` in memory. `remote` are the images that a pull finds, `logins` what
    their registry was told at each pull, `pull_error` what is said where it finds none;
    `held_networks` and `held_volumes` are labels by name."""

    def __init__(
        self,
        images: Mapping[str, ImageInfo] = {},
        remote: Mapping[str, ImageInfo] = {},
        program: Program | None = None,
    ) -> None:
        self.images = dict(images)
        self.remote = dict(remote)
        self.program = program or play
        self.held: dict[str, FakeContainer] = {}
        self.held_networks: dict[str, dict[str, str]] = {}
        self.held_volumes: dict[str, dict[str, str]] = {}
        self.internal: set[str] = set()
        self.hub_mirrors: list[str] = []
        self.pull_error = ""
        self.logins: list[Login | None] = []
        self.calls: Counter[str] = Counter()
        self.dead: str | None = None
        self.mounts_early = True
        self._lock = threading.Lock()
        self._number = 0

    def info(self) -> EngineInfo:
        self._called("info")
        return EngineInfo(
            address="memory",
            name="Fake",
            version="1",
            api_version="1.41",
            os="linux",
            architecture="amd64",
        )

    def mirrors(self) -> Sequence[str]:
        self._called("mirrors")
        return tuple(self.hub_mirrors)

    def image(self, reference: str) -> ImageInfo | None:
        self._called("image")
        return self.images.get(_tagged(reference))

    def pull(
        self,
        reference: str,
        platform: str | None,
        progress: Callable[[str], None],
        login: Login | None = None,
    ) -> None:
        self._called("pull")
        self.logins.append(login)
        found = self.remote.get(_tagged(reference))
        if found is None or (platform and found.platform and platform != found.platform):
            words = self.pull_error or f"manifest for {reference} not found"
            raise EngineError.of(words, code="engine-pull")
        progress(f"Pulling {reference}")
        self.images[_tagged(reference)] = found

    def create(self, spec: ContainerSpec) -> str:
        self._called("create")
        if _tagged(spec.image) not in self.images:
            raise EngineError.of(f"No such image: {spec.image}", code="engine-refused")
        there = (None, "host", "none", *self.held_networks)
        if spec.network not in there:
            raise EngineError.of(f"network {spec.network} not found", code="engine-refused")
        with self._lock:
            if any(spec.name == other.spec.name for other in self.held.values()):
                raise EngineError.of(f"the name {spec.name} is in use", code="engine-refused")
            self._number += 1
            identity = f"{self._number:064x}"
            self.held[identity] = FakeContainer(spec)
        return identity

    def attach(self, container: str) -> FakeStream:
        self._called("attach")
        found = self._find(container)
        if not found.running:
            found.stdin.clear()
            for event in (found.stdin_closed, found.started, found.ended, found.signalled):
                event.clear()
            found.output, found.signal = [], None
        return FakeStream(found)

    def start(self, container: str) -> None:
        self._called("start")
        found = self._find(container)
        words = found.spec.command or ()
        if words[:1] not in ((), ("sh",), ("/bin/sh",)):
            raise EngineError.of(f'exec: "{words[0]}": executable file not found in $PATH')
        found.started.set()
        threading.Thread(target=self._run, args=(found,), daemon=True).start()

    def wait(self, container: str) -> int:
        self._called("wait")
        found = self._find(container)
        found.ended.wait()
        self._check()
        return found.exit_code

    def execute(self, container: str, command: Sequence[str], user: str) -> None:  # noqa: ARG002
        self._called("execute")
        found = self._find(container)
        if not found.running:
            raise EngineError.of(f"container {container} is not running", code="engine-refused")
        found.executed.append(tuple(command))
        if tuple(command) == ("sh", "-c", "kill -TERM -1"):
            send_signal(found, "SIGTERM")

    def check(self, container: str, command: Sequence[str], timeout: float) -> int:  # noqa: ARG002
        self._called("check")
        found = self._find(container)
        if not found.running:
            raise EngineError.of(f"container {container} is not running", code="engine-refused")
        return found.checks(tuple(command))

    def state(self, container: str) -> ContainerState:
        self._called("state")
        found = self._find(container)
        number = int(container, 16)
        return ContainerState(
            running=found.running,
            exit_code=found.exit_code,
            address=f"192.0.2.{number}" if found.running else "",
            gateway="192.0.2.254" if found.running else "",
            health=found.health,
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
        self._called("logs")
        found = self._find(container)
        if follow:
            found.ended.wait()
        lines = b"".join(found.output).splitlines(keepends=True)
        for line in lines if tail is None else lines[-tail:]:
            output(b"2026-01-02T03:04:05.000000000Z " * timestamps + line)

    def kill(self, container: str, signal: str) -> None:
        self._called("kill")
        found = self.held.get(container)
        if found is not None and found.running:
            send_signal(found, signal)

    def remove(self, container: str) -> None:
        self._called("remove")
        with self._lock:
            found = self.held.pop(container, None)
        if found is not None and found.running:
            send_signal(found, "SIGKILL")

    def put_archive(self, container: str, path: str, chunks: Iterable[bytes]) -> None:
        self._called("put_archive")
        found = self._find(container)
        data = b"".join(chunks)
        prefix = path.strip("/")
        if prefix and prefix not in found.files:
            raise EngineError.of(f"Could not find the file {path}", code="engine-refused")
        try:
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isfile() else None
                    name = "/".join(part for part in (prefix, member.name.strip("/")) if part)
                    found.files[name] = (member, content.read() if content else b"")
        except tarfile.TarError as error:
            raise EngineError.of(f"broken archive: {error}", code="engine-refused") from error

    def get_archive(self, container: str, path: str) -> Iterator[bytes] | None:
        self._called("get_archive")
        files = self._find(container).files
        top = path.strip("/")
        if top not in files:
            return None
        parent = top.rpartition("/")[0]
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name in sorted(files):
                if name == top or name.startswith(f"{top}/"):
                    member, content = files[name]
                    # Not TarInfo.replace, which the oldest Python of the 3.11 series lacks.
                    entry = copy(member)
                    entry.name = name.removeprefix(parent).lstrip("/")
                    archive.addfile(entry, io.BytesIO(content))
        return iter((out.getvalue(),))

    def path_info(self, container: str, path: str) -> PathInfo | None:
        self._called("path_info")
        found = self._find(container).files.get(path.strip("/"))
        if found is None:
            return None
        member = found[0]
        target = member.linkname
        if target and not target.startswith("/"):
            target = f"/{path.strip('/').rpartition('/')[0]}/{target}"
        return PathInfo(directory=member.isdir(), symlink=member.issym(), target=target)

    def containers(self, labels: Mapping[str, str]) -> Sequence[str]:
        self._called("containers")
        wanted = labels.items()
        return tuple(
            key for key, found in self.held.items() if wanted <= dict(found.spec.labels).items()
        )

    def create_network(
        self, name: str, labels: Mapping[str, str], *, internal: bool = False
    ) -> None:
        self._called("create_network")
        with self._lock:
            if name in self.held_networks:
                raise EngineError.of(f"network {name} already exists", code="engine-refused")
            self.held_networks[name] = dict(labels)
            if internal:
                self.internal.add(name)

    def connect_network(self, name: str, container: str) -> None:
        self._called("connect_network")
        if name not in self.held_networks:
            raise EngineError.of(f"network {name} not found", code="engine-refused")
        self._find(container).joined.append(name)

    def remove_network(self, name: str) -> None:
        self._called("remove_network")
        if any(found.spec.network == name for found in self.held.values()):
            raise EngineError.of(f"network {name} has active endpoints", code="engine-refused")
        self.held_networks.pop(name, None)

    def networks(self, labels: Mapping[str, str]) -> Sequence[str]:
        self._called("networks")
        wanted = labels.items()
        return tuple(name for name, own in self.held_networks.items() if wanted <= own.items())

    def terminal(
        self, container: str, command: Sequence[str], *, folder: str, env: Mapping[str, str]
    ) -> Terminal:
        del container, command, folder, env
        self._called("terminal")
        raise EngineError.of("this engine has no terminals", code="engine-refused")

    def marked(self, label: str) -> Sequence[Marked]:
        self._called("marked")
        held = [
            *(("container", id_, one.spec.name, one.spec.labels) for id_, one in self.held.items()),
            *(("network", name, name, own) for name, own in self.held_networks.items()),
            *(("volume", name, name, own) for name, own in self.held_volumes.items()),
        ]
        return tuple(
            Marked(kind=kind, id=id_, name=name, labels=labels)
            for kind, id_, name, labels in held
            if label in labels
        )

    def create_volume(
        self, name: str, labels: Mapping[str, str], options: Mapping[str, str] = {}
    ) -> None:
        del options  # it mounts nothing
        self._called("create_volume")
        self.held_volumes.setdefault(name, dict(labels))

    def volumes(self, labels: Mapping[str, str]) -> Sequence[str]:
        self._called("volumes")
        wanted = labels.items()
        return tuple(name for name, own in self.held_volumes.items() if wanted <= own.items())

    def remove_volume(self, name: str) -> None:
        self._called("remove_volume")
        if any(
            v.startswith(f"{name}:") for c in self.held.values() for v in c.spec.options.volumes
        ):
            raise EngineError.of(f"volume {name} is in use", code="engine-refused")
        self.held_volumes.pop(name, None)

    def close(self) -> None:
        self.die("it is no longer used")

    def die(self, reason: str) -> None:
        """From now on fail every call, those under way among them."""
        self.dead = reason
        for found in tuple(self.held.values()):
            found.signalled.set()
            found.ended.set()

    def _run(self, found: FakeContainer) -> None:
        if found.spec.stdin:
            found.stdin_closed.wait()
        code = self.program(found, found.stdin.decode())
        found.exit_code = 128 + SIGNALS[found.signal] if found.signal else code
        found.ended.set()

    def _find(self, container: str) -> FakeContainer:
        found = self.held.get(container)
        if found is None:
            raise EngineError.of(f"No such container: {container}", code="engine-refused")
        return found

    def _called(self, method: str) -> None:
        with self._lock:
            self.calls[method] += 1
        self._check()

    def _check(self) -> None:
        if self.dead is not None:
            raise EngineError.of(
                f"the container engine at memory does not answer: {self.dead}",
                code="engine-unreachable",
            )


def _tagged(reference: str) -> str:
    if "@" in reference or ":" in reference.rpartition("/")[2]:
        return reference
    return f"{reference}:latest"
