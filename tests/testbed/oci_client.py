"""A client of the distribution specification that checks every answer it gets.

One `Checks` collects what holds and what does not, so that one run tells all that a server does
wrong, and not only the first thing.
"""

import io
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from testbed.oci_content import OCI_IMAGE, OCI_INDEX, OCTETS, Descriptor, Pushed

CHUNK = 1024


class Unsupported(AssertionError):  # noqa: N818 - an outcome
    """The server declines what the specification leaves to it, in the way that it prescribes."""


class Answer(NamedTuple):
    """`fell_back` means that the first way was declined, and this answers the second."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    url: URL
    fell_back: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def where(self) -> URL:
        """The Location, made absolute."""
        location = self.headers.get("Location", "")
        assert location, "no Location"
        return self.url.join(URL(location, encoded=True))

    def is_one_of(self, *statuses: int) -> "Answer":
        assert self.status in statuses, f"{self.status}, not {statuses}: {self.body[:200]!r}"
        return self

    def is_supported(self, status: int, *declined: int) -> "Answer":
        """One of `declined` is allowed, and counted as such."""
        if self.status in declined:
            raise Unsupported(f"declined with {self.status}")
        return self.is_one_of(status)

    def is_error(self, status: int, *codes: str) -> "Answer":
        """A body as the specification's Error Codes say, with one of these."""
        self.is_one_of(status)
        if self.headers.get("Content-Type", "").startswith("application/json") and self.body:
            errors = self.json["errors"]
            assert errors, self.body
            assert all(error["code"] in codes for error in errors), errors
            assert all(isinstance(error["message"], str) for error in errors), errors
        else:
            raise AssertionError(f"the error is not told: {self.body[:200]!r}")
        return self


class Checks:
    """What was checked; `close` fails where anything failed or is not supported."""

    def __init__(self, count: Callable[[str], None]) -> None:
        self.failed: list[str] = []
        self._count = count

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """One check: it fails where the block asserts something that does not hold."""
        try:
            yield
        except Unsupported as error:
            self.failed.append(f"{name}: {error}")
            self._count("unsupported")
        except (AssertionError, aiohttp.ClientError, ValueError, KeyError) as error:
            self.failed.append(f"{name}: {error!s:.300}")
            self._count("failed")
        else:
            self._count("passed")

    def close(self) -> None:
        assert not self.failed, "\n".join(["", *self.failed])


class Client:
    """Requests to one registry; `name` is a repository in every method."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = URL(url)
        self._http = http

    async def ask(
        self,
        method: str,
        where: URL | str,
        *,
        body: bytes | None = None,
        stream: bool = False,
        **headers: str,
    ) -> Answer:
        """One request. Header names have `_` for `-`; `stream` sends the body chunked."""
        url = where if isinstance(where, URL) else self.url.join(URL(where, encoded=True))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent: Any = body if body is None else _pieces(body) if stream else io.BytesIO(body)
        async with self._http.request(
            method, url, data=sent, headers=named, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.read(), url)

    async def blob(self, method: str, name: str, digest: str, **headers: str) -> Answer:
        return await self.ask(method, f"/v2/{name}/blobs/{digest}", **headers)

    async def manifest(self, method: str, name: str, reference: str) -> Answer:
        accept = f"{OCI_INDEX}, {OCI_IMAGE}"
        return await self.ask(method, f"/v2/{name}/manifests/{reference}", Accept=accept)

    async def start(self, name: str, **query: str) -> Answer:
        where = self.url / f"v2/{name}/blobs/uploads/"
        return await self.ask("POST", where.with_query(query), Content_Length="0")

    async def finish(self, where: URL, digest: str, body: bytes = b"", **headers: str) -> Answer:
        query = where.update_query(digest=digest)
        return await self.ask("PUT", query, body=body, Content_Type=OCTETS, **headers)

    # the four ways of pushing a blob

    async def post_put(self, name: str, digest: str, content: bytes) -> Answer:
        where = (await self.start(name)).is_one_of(202).where()
        return await self.finish(where, digest, content)

    async def post_only(self, name: str, digest: str, content: bytes) -> Answer:
        where = (self.url / f"v2/{name}/blobs/uploads/").with_query(digest=digest)
        answer = await self.ask("POST", where, body=content, Content_Type=OCTETS)
        if answer.status != 202:
            return answer
        return (await self.finish(answer.where(), digest, content))._replace(fell_back=True)

    async def mount(self, name: str, digest: str, content: bytes, **source: str) -> Answer:
        answer = await self.start(name, mount=digest, **source)
        if answer.status != 202:
            return answer
        return (await self.finish(answer.where(), digest, content))._replace(fell_back=True)

    async def stream(self, name: str, digest: str, content: bytes) -> Answer:
        where = (await self.start(name)).is_one_of(202).where()
        sent = await self.ask("PATCH", where, body=content, stream=True, Content_Type=OCTETS)
        return await self.finish(sent.is_one_of(202).where(), digest)

    async def chunked(
        self, name: str, digest: str, content: bytes, *, last_by_put: bool = False
    ) -> Answer:
        where = (await self.start(name)).is_one_of(202).where()
        pieces = list(spans(len(content)))
        last = pieces.pop() if last_by_put and pieces else None
        for start, stop in pieces:
            sent = await self.chunk("PATCH", where, content, start, stop)
            assert sent.headers.get("Range") == f"0-{stop}", sent.headers.get("Range")
            where = sent.is_one_of(202).where()
        if last is None:
            return await self.finish(where, digest)
        return await self.chunk("PUT", where.update_query(digest=digest), content, last[0], last[1])

    async def chunk(self, method: str, where: URL, content: bytes, start: int, stop: int) -> Answer:
        return await self.ask(
            method,
            where,
            body=content[start : stop + 1],
            Content_Type=OCTETS,
            Content_Range=f"{start}-{stop}",
        )

    @property
    def ways(self) -> dict[str, Callable[[str, str, bytes], Any]]:
        return {
            "post+put": self.post_put,
            "post only": self.post_only,
            "stream": self.stream,
            "chunked": self.chunked,
        }

    # what must hold afterwards

    async def is_there(self, checks: Checks, name: str, digest: str, content: bytes) -> None:
        for method in ("HEAD", "GET"):
            with checks.of(f"blob-{method.lower()} {digest[:20]}"):
                answer = (await self.blob(method, name, digest)).is_one_of(200)
                assert answer.headers.get("Content-Length") == str(len(content))
                assert answer.headers.get("Docker-Content-Digest", digest) == digest
                assert answer.body == (b"" if method == "HEAD" else content)

    async def is_deleted(self, checks: Checks, name: str, digest: str) -> None:
        with checks.of(f"blob-delete {digest[:20]}"):
            (await self.blob("DELETE", name, digest)).is_one_of(202)
        with checks.of(f"blob-delete-atomic {digest[:20]}"):
            (await self.blob("HEAD", name, digest)).is_one_of(404)

    async def is_created(self, answer: Answer, digest: str, content: bytes) -> None:
        """A 201 whose Location leads to the content."""
        answer.is_one_of(201)
        assert answer.headers.get("Docker-Content-Digest", digest) == digest
        found = (await self.ask("GET", answer.where())).is_one_of(200)
        assert found.body == content
        if answer.fell_back:
            raise Unsupported("the server asked for a PUT instead")

    async def shows(self, name: str, reference: str, pushed: Pushed) -> None:
        for method in ("HEAD", "GET"):
            answer = (await self.manifest(method, name, reference)).is_one_of(200)
            assert answer.headers.get("Content-Type") == pushed.media_type
            assert answer.headers.get("Content-Length") == str(len(pushed.content))
            assert answer.headers.get("Docker-Content-Digest", pushed.digest) == pushed.digest
            assert answer.body == (b"" if method == "HEAD" else pushed.content)

    async def tags(self, name: str, **query: str) -> Answer:
        where = self.url / f"v2/{name}/tags/list"
        return await self.ask("GET", where.with_query(query) if query else where)

    async def referrers(self, name: str, digest: str, **query: str) -> Answer:
        where = self.url / f"v2/{name}/referrers/{digest}"
        answer = (await self.ask("GET", where.with_query(query) if query else where)).is_one_of(200)
        assert answer.headers.get("Content-Type") == OCI_INDEX, answer.headers
        document = answer.json
        assert (document["mediaType"], document["schemaVersion"]) == (OCI_INDEX, 2), document
        return answer


def spans(size: int, step: int = CHUNK) -> Iterator[tuple[int, int]]:
    """Chunks of a content, both ends inclusive."""
    return ((start, min(start + step, size) - 1) for start in range(0, size, step))


def is_listed(wanted: Descriptor, listed: list[Descriptor]) -> bool:
    """Whether the descriptor is among those of a referrers list, annotations included."""
    return any(
        all(each.get(name) == wanted.get(name) for name in ("mediaType", "digest", "size"))
        and each.get("artifactType") == wanted.get("artifactType")
        and wanted.get("annotations", {}).items() <= each.get("annotations", {}).items()
        for each in listed
    )


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=20)
    headers: Mapping[str, str] = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http:
        yield Client(url, http)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 4096):
        yield body[start : start + 4096]


def turns(ways: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Endlessly, so that every way is used in turn."""
    return itertools.cycle(ways.items())
