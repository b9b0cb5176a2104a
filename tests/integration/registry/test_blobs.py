"""Blobs by every way of pushing them: end-2, 4, 5, 6, 10, 11, 13 and 14."""

import re
import secrets
from typing import Any

import pytest

from testbed.oci_client import CHUNK, Checks, Client, spans
from testbed.oci_content import OCTETS, digest_of

ALGORITHMS = pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
SIZE = 3 * CHUNK - 5


def some(algorithm: str, size: int = SIZE) -> tuple[str, bytes]:
    content = secrets.token_bytes(size)
    return digest_of(content, algorithm), content


@ALGORITHMS
@pytest.mark.parametrize("way", ["post+put", "post only", "stream", "chunked"])
def test_push_pull_delete(
    registry: Any, checks: Checks, conforms: Any, algorithm: str, way: str
) -> None:
    name = registry.repository("ways")

    async def scenario(api: Client) -> None:
        for size in (512, SIZE):
            digest, content = some(algorithm, size)
            with checks.of("get-missing"):
                (await api.blob("GET", name, digest)).is_error(404, "BLOB_UNKNOWN")
                (await api.blob("HEAD", name, digest)).is_one_of(404)
            with checks.of(way):
                answer = await api.ways[way](name, digest, content)
                await api.is_created(answer, digest, content)
            await api.is_there(checks, name, digest, content)
            await api.is_deleted(checks, name, digest)
            with checks.of("delete-missing"):
                (await api.blob("DELETE", name, digest)).is_error(404, "BLOB_UNKNOWN")

    conforms(scenario)


@ALGORITHMS
def test_chunks_whose_last_comes_with_the_put(
    registry: Any, checks: Checks, conforms: Any, algorithm: str
) -> None:
    name = registry.repository("chunks")

    async def scenario(api: Client) -> None:
        digest, content = some(algorithm)
        with checks.of("chunked multi and put chunk"):
            answer = await api.chunked(name, digest, content, last_by_put=True)
            await api.is_created(answer, digest, content)
        await api.is_there(checks, name, digest, content)
        await api.is_deleted(checks, name, digest)

    conforms(scenario)


@ALGORITHMS
@pytest.mark.parametrize("last_by_put", [False, True])
def test_chunks_out_of_order(
    registry: Any, checks: Checks, conforms: Any, algorithm: str, last_by_put: bool
) -> None:
    name = registry.repository("order")

    async def scenario(api: Client) -> None:
        digest, content = some(algorithm)
        pieces = list(spans(SIZE))
        where = (await api.start(name)).is_one_of(202).where()
        for number, (start, stop) in enumerate(pieces):
            wrong = pieces[number + 1] if number + 1 < len(pieces) else pieces[0]
            method = "PUT" if last_by_put and wrong == pieces[-1] else "PATCH"
            with checks.of(f"chunk {number} out of order"):
                target = where.update_query(digest=digest) if method == "PUT" else where
                (await api.chunk(method, target, content, *wrong)).is_one_of(416)
            with checks.of(f"status after chunk {number} out of order"):
                status = (await api.ask("GET", where)).is_one_of(204)
                where = status.where()
                last = int(status.headers["Range"].removeprefix("0-"))
                assert last == (start - 1 if start else 0), status.headers["Range"]
            with checks.of(f"chunk {number} in order"):
                if last_by_put and (start, stop) == pieces[-1]:
                    target = where.update_query(digest=digest)
                    answer = await api.chunk("PUT", target, content, start, stop)
                    await api.is_created(answer, digest, content)
                else:
                    answer = (await api.chunk("PATCH", where, content, start, stop)).is_one_of(202)
                    assert answer.headers["Range"] == f"0-{stop}"
                    where = answer.where()
        if not last_by_put:
            with checks.of("closing put"):
                await api.is_created(await api.finish(where, digest), digest, content)
        await api.is_there(checks, name, digest, content)

    conforms(scenario)


@ALGORITHMS
def test_mounts(registry: Any, checks: Checks, conforms: Any, algorithm: str) -> None:
    name, other = registry.repository("mount-to"), registry.repository("mount-from")

    async def scenario(api: Client) -> None:
        for source in ({"from": other}, {}):
            digest, content = some(algorithm, 512)
            (await api.post_put(other, digest, content)).is_one_of(201)
            with checks.of(f"mount {'from' if source else 'anonymous'}"):
                answer = await api.mount(name, digest, content, **source)
                await api.is_created(answer, digest, content)
            await api.is_there(checks, name, digest, content)
            await api.is_deleted(checks, name, digest)
            await api.is_there(checks, other, digest, content)
            await api.is_deleted(checks, other, digest)

    conforms(scenario)


@ALGORITHMS
def test_a_mount_of_what_is_missing(
    registry: Any, checks: Checks, conforms: Any, algorithm: str
) -> None:
    name, other = registry.repository("mount-to"), registry.repository("mount-from")

    async def scenario(api: Client) -> None:
        digest, content = some(algorithm, 512)
        with checks.of("mount missing"):
            answer = (await api.start(name, mount=digest, **{"from": other})).is_one_of(202)
            answer = await api.finish(answer.where(), digest, content)
            await api.is_created(answer, digest, content)
        await api.is_there(checks, name, digest, content)

    conforms(scenario)


def test_a_cancelled_upload(registry: Any, checks: Checks, conforms: Any) -> None:
    name = registry.repository("cancel")

    async def scenario(api: Client) -> None:
        for begun in (False, True):
            where = (await api.start(name)).is_one_of(202).where()
            if begun:
                where = (await api.ask("PATCH", where, body=b"some")).is_one_of(202).where()
            with checks.of("post cancel"):
                (await api.ask("DELETE", where)).is_one_of(204)
            with checks.of("cancelled is gone"):
                (await api.ask("GET", where)).is_error(404, "BLOB_UPLOAD_UNKNOWN")

    conforms(scenario)


RANGES = (
    ("bytes=500-1499", 500, 1500),
    ("bytes=500-", 500, 2048),
    ("bytes=-500", 1548, 2048),
    ("bytes=2000-5000", 2000, 2048),
    ("bytes=0-0", 0, 1),
    ("bytes=-5000", 0, 2048),
)


@ALGORITHMS
def test_ranges(registry: Any, checks: Checks, conforms: Any, algorithm: str) -> None:
    name = registry.repository("ranges")

    async def scenario(api: Client) -> None:
        digest, content = some(algorithm, 2048)
        (await api.post_put(name, digest, content)).is_one_of(201)
        for text, start, stop in RANGES:
            with checks.of(f"range {text}"):
                answer = (await api.blob("GET", name, digest, Range=text)).is_supported(206, 200)
                assert answer.body == content[start:stop]
                assert answer.headers["Content-Length"] == str(stop - start)
                said = answer.headers["Content-Range"]
                assert re.fullmatch(rf"bytes {start}-{stop - 1}/(2048|\*)", said), said
        for text in ("bytes=500-0", "bytes=5000-10000"):
            with checks.of(f"range {text}"):
                (await api.blob("GET", name, digest, Range=text)).is_supported(416, 200)
        await api.is_deleted(checks, name, digest)

    conforms(scenario)


@ALGORITHMS
@pytest.mark.parametrize("content", [b"", b"{}"])
def test_well_known_content(
    registry: Any, checks: Checks, conforms: Any, algorithm: str, content: bytes
) -> None:
    name = registry.repository("known")

    async def scenario(api: Client) -> None:
        digest = digest_of(content, algorithm)
        for way, push in api.ways.items():
            with checks.of(f"{way} of {content!r}"):
                await api.is_created(await push(name, digest, content), digest, content)
            await api.is_there(checks, name, digest, content)
            await api.is_deleted(checks, name, digest)

    conforms(scenario)


@ALGORITHMS
def test_bytes_of_another_digest(
    registry: Any, checks: Checks, conforms: Any, algorithm: str
) -> None:
    name = registry.repository("bad")

    async def scenario(api: Client) -> None:
        for way, push in (*api.ways.items(), ("chunked and put chunk", None)):
            digest, content = some(algorithm)
            wrong = content + b"oh no"
            with checks.of(f"bad digest {way}"):
                if push is None:
                    answer = await api.chunked(name, digest, wrong, last_by_put=True)
                else:
                    answer = await push(name, digest, wrong)
                answer.is_error(400, "DIGEST_INVALID")
            with checks.of(f"nothing is stored by {way}"):
                (await api.blob("HEAD", name, digest)).is_one_of(404)

    conforms(scenario)


@pytest.mark.parametrize(
    "digest", ["sha256:nope", "md5:" + "0" * 32, "sha256:" + "A" * 64, "nonsense"]
)
def test_digests_that_are_none(registry: Any, checks: Checks, conforms: Any, digest: str) -> None:
    name = registry.repository("bad")

    async def scenario(api: Client) -> None:
        with checks.of("put"):
            where = (await api.start(name)).is_one_of(202).where()
            (await api.finish(where, digest, b"x")).is_error(400, "DIGEST_INVALID")
        with checks.of("the upload goes on"):
            (await api.ask("GET", where)).is_one_of(204)
        with checks.of("post"):
            (await api.post_only(name, digest, b"x")).is_error(400, "DIGEST_INVALID")
        with checks.of("mount"):
            (await api.start(name, mount=digest)).is_error(400, "DIGEST_INVALID")
        for method in ("GET", "DELETE"):
            with checks.of(method):
                (await api.blob(method, name, digest)).is_one_of(400, 404)

    conforms(scenario)


def test_the_algorithm_of_an_upload(registry: Any, checks: Checks, conforms: Any) -> None:
    name = registry.repository("algorithm")

    async def scenario(api: Client) -> None:
        digest, content = some("sha512")
        with checks.of("digest-algorithm=sha512"):
            answer = (await api.start(name, **{"digest-algorithm": "sha512"})).is_one_of(202)
            answer = await api.finish(answer.where(), digest, content)
            await api.is_created(answer, digest, content)
        with checks.of("an unknown algorithm"):
            (await api.start(name, **{"digest-algorithm": "crc32"})).is_one_of(400)

    conforms(scenario)


def test_headers_of_an_upload(registry: Any, checks: Checks, conforms: Any) -> None:
    name = registry.repository("headers")

    async def scenario(api: Client) -> None:
        answer = (await api.start(name)).is_one_of(202)
        session = answer.headers.get("Docker-Upload-UUID", "")
        with checks.of("a session with a UUID"):
            assert re.fullmatch(r"[0-9a-f-]{36}", session), session
            assert session in answer.headers["Location"]
        with checks.of("a range of nothing"):
            assert answer.headers["Range"] == "0-0"
        with checks.of("two uploads are two"):
            assert (await api.start(name)).where() != answer.where()
        with checks.of("an upload of another repository"):
            other = registry.repository("elsewhere")
            moved = str(answer.where()).replace(name, other)
            (await api.ask("PATCH", moved, body=b"x", Content_Type=OCTETS)).is_one_of(404)
        with checks.of("an unknown upload"):
            unknown = str(answer.where()).replace(session, "6f0f8bd2-8b3c-4b1c-9d3c-3f2f1f8f0a11")
            (await api.ask("GET", unknown)).is_error(404, "BLOB_UPLOAD_UNKNOWN")
        for text in ("bytes 0-0", "0-0/1", "1-0", "x"):
            with checks.of(f"Content-Range: {text}"):
                sent = await api.ask("PATCH", answer.where(), body=b"x", Content_Range=text)
                sent.is_one_of(400, 416)

    conforms(scenario)
