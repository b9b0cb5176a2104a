"""An `Upstream` in memory that does exactly what the test says, request by request."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from homeport.mirror.upstream.api import ManifestAnswer, ManifestHead, UpstreamState
from homeport.oci.digest import Digest
from homeport.remote.errors import CutError, NotFoundError, RemoteError, UnreachableError


class Gate:
    """The download waits here: `reached` says that it came, `open()` lets it go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._opened = asyncio.Event()

    def open(self) -> None:
        self._opened.set()

    async def passed(self) -> None:
        self.reached.set()
        await self._opened.wait()


class Scene:
    """One answer to a download. Offsets are those of the blob.

    `error` instead of an answer; `content` instead of the right bytes; `ranges` False begins at 0
    whatever was asked; `says_size` False leaves the size out, a number lies; `cut` raises CutError
    there, `end` ends there without a word; `gates` wait; `chunk` is the size of a piece; `wait`
    comes before the answer.
    """

    def __init__(
        self,
        *,
        source: str = "one.example",
        error: RemoteError | None = None,
        content: bytes | None = None,
        ranges: bool = True,
        says_size: bool | int = True,
        cut: int | None = None,
        end: int | None = None,
        gates: Mapping[int, Gate] | None = None,
        chunk: int = 16 * 1024,
        wait: Gate | None = None,
    ) -> None:
        self.source = source
        self.error = error
        self.content = content
        self.ranges = ranges
        self.says_size = says_size
        self.cut = cut
        self.end = end
        self.gates = dict(gates or {})
        self.chunk = chunk
        self.wait = wait


class Asked(NamedTuple):
    """A request that the upstream saw."""

    method: str
    repository: str
    digest: Digest
    start: int = 0
    stop: int | None = None
    avoid: frozenset[str] = frozenset()


class _Stream:
    def __init__(self, scene: Scene, content: bytes, start: int, stop: int | None) -> None:
        self.start = start if scene.ranges else 0
        size = scene.says_size
        self.size: int | None = size if type(size) is int else (len(content) if size else None)
        self.source = scene.source
        self._scene = scene
        self._content = content
        self._stop = len(content) if stop is None or not scene.ranges else stop

    async def chunks(self) -> AsyncIterator[bytes]:
        scene, position = self._scene, self.start
        marks = sorted({*scene.gates, *(m for m in (scene.cut, scene.end) if m is not None)})
        while True:
            if position in scene.gates:
                await scene.gates[position].passed()
            if scene.cut is not None and position >= scene.cut:
                raise CutError("cut", host=scene.source)
            if position >= min(self._stop, len(self._content)):
                return
            if scene.end is not None and position >= scene.end:
                return
            ahead = [mark for mark in marks if mark > position]
            stop = min([position + scene.chunk, self._stop, *ahead])
            yield self._content[position:stop]
            position = min(stop, len(self._content))


class ScriptedUpstream:
    """`blobs` are (repository, digest) → bytes. Each download takes the next of `scenes`, then
    `default`; sources in `avoid` are passed over. `asked` are all requests, in order."""

    def __init__(self, name: str = "docker.io") -> None:
        self.name = name
        self.blobs: dict[tuple[str, Digest], bytes] = {}
        self.scenes: list[Scene] = []
        self.default = Scene()
        self.asked: list[Asked] = []
        self.active = 0
        self.most_active = 0
        self.head_error: RemoteError | None = None
        self.head_says_size = True
        self.head_gate: Gate | None = None

    def gets(self) -> list[Asked]:
        return [each for each in self.asked if each.method == "GET"]

    def heads(self) -> list[Asked]:
        return [each for each in self.asked if each.method == "HEAD"]

    async def head_blob(
        self,
        repository: str,
        digest: Digest,
        *,
        deadline: float | None = None,  # noqa: ARG002
        owner: str = "",  # noqa: ARG002
    ) -> int | None:
        self.asked.append(Asked("HEAD", repository, digest))
        if self.head_gate is not None:
            await self.head_gate.passed()
        if self.head_error is not None:
            raise self.head_error
        size = len(self._content(repository, digest))
        return size if self.head_says_size else None

    @asynccontextmanager
    async def open_blob(
        self,
        repository: str,
        digest: Digest,
        *,
        start: int = 0,
        stop: int | None = None,
        avoid: frozenset[str] = frozenset(),
        late: frozenset[str] = frozenset(),  # noqa: ARG002
        owner: str = "",  # noqa: ARG002
    ) -> AsyncIterator[_Stream]:
        self.asked.append(Asked("GET", repository, digest, start, stop, avoid))
        scene = self._next(avoid)
        await asyncio.sleep(0)
        if scene.wait is not None:
            await scene.wait.passed()
        if scene.error is not None:
            raise scene.error
        content = self._content(repository, digest)
        if scene.content is not None:
            content = scene.content
        if scene.ranges and start >= len(content) and (start or stop):
            raise RemoteError("beyond the end", host=scene.source, status=416)
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            yield _Stream(scene, content, start, stop)
        finally:
            self.active -= 1

    def _next(self, avoid: frozenset[str]) -> Scene:
        for index, scene in enumerate(self.scenes):
            if scene.source not in avoid:
                return self.scenes.pop(index)
        if self.default.source in avoid:
            raise UnreachableError("every source gave wrong bytes", host=self.name)
        return self.default

    def _content(self, repository: str, digest: Digest) -> bytes:
        try:
            return self.blobs[repository, digest]
        except KeyError:
            raise NotFoundError("no such blob", host=self.name, status=404) from None

    async def head_manifest(
        self, repository: str, reference: str, *, deadline: float | None = None, owner: str = ""
    ) -> ManifestHead:
        raise NotImplementedError

    async def get_manifest(
        self, repository: str, reference: str, *, deadline: float | None = None, owner: str = ""
    ) -> ManifestAnswer:
        raise NotImplementedError

    async def list_tags(
        self, repository: str, *, n: int | None, last: str | None, deadline: float | None = None
    ) -> tuple[tuple[str, ...], bool]:
        raise NotImplementedError

    async def get_referrers(
        self, repository: str, digest: Digest, *, deadline: float | None = None
    ) -> bytes | None:
        raise NotImplementedError

    def state(self) -> UpstreamState:
        return UpstreamState(name=self.name, healthy=True, active=self.active, waiting=0)

    async def close(self) -> None:
        """Nothing is held."""
