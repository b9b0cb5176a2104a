"""Clients that leave in the middle, and a server that is started again."""

import asyncio
import contextlib
import secrets
import signal
from typing import Any

import aiohttp
import pytest

from testbed.oci_client import Checks, Client, client
from testbed.oci_content import OCTETS, Content, Pushed, digest_of


async def send_raw(api: Client, head: str, body: bytes) -> bytes:
    """Send a request that is never completed, see what comes within a moment, and leave."""
    assert api.url.host is not None
    reader, writer = await asyncio.open_connection(api.url.host, api.url.port)
    try:
        writer.write(head.encode() + body)
        await writer.drain()
        try:
            return await asyncio.wait_for(reader.read(4096), 0.2)
        except TimeoutError:
            return b""
    finally:
        writer.transport.abort()


def test_a_client_that_leaves_goes_on_where_it_was_cut(
    registry: Any, checks: Checks, conforms: Any
) -> None:
    name = registry.repository("cut")
    content = secrets.token_bytes(3_000_000)
    digest = digest_of(content)

    async def scenario(api: Client) -> None:
        where = (await api.start(name)).is_one_of(202).where()
        head = (
            f"PATCH {where.raw_path_qs} HTTP/1.1\r\nHost: {where.authority}\r\n"
            f"Content-Type: {OCTETS}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        with checks.of("what arrived is kept"):
            assert await send_raw(api, head, content[:2_500_000]) == b""
            arrived = 0
            for _ in range(50):
                status = (await api.ask("GET", where)).is_one_of(204)
                arrived = int(status.headers["Range"].removeprefix("0-")) + 1
                if arrived == 2_500_000:
                    break
                await asyncio.sleep(0.02)
            assert arrived == 2_500_000
        with checks.of("and gone on with"):
            rest = (arrived, len(content) - 1)
            answer = (await api.chunk("PATCH", where, content, *rest)).is_one_of(202)
            await api.is_created(await api.finish(answer.where(), digest), digest, content)

    conforms(scenario)


def test_a_single_post_that_is_cut_leaves_nothing(
    registry: Any, checks: Checks, conforms: Any
) -> None:
    name = registry.repository("cut")
    digest = digest_of(b"whole")

    async def scenario(api: Client) -> None:
        head = (
            f"POST /v2/{name}/blobs/uploads/?digest={digest} HTTP/1.1\r\n"
            f"Host: {api.url.authority}\r\nContent-Length: 5\r\n\r\n"
        )
        with checks.of("no answer, no blob"):
            assert await send_raw(api, head, b"who") == b""
            (await api.blob("HEAD", name, digest)).is_one_of(404)

    conforms(scenario)


def test_a_refused_body_is_not_waited_for(registry: Any, checks: Checks, conforms: Any) -> None:
    """A client that asks first (Expect) hears of a refusal before it has sent the content."""
    name = registry.repository("asks")

    async def scenario(api: Client) -> None:
        where = (await api.start(name)).is_one_of(202).where()
        for target, status in (
            (f"{where.raw_path_qs}?digest=sha256:nope", b" 400 "),
            (where.raw_path_qs, b" 100 "),
        ):
            head = (
                f"PUT {target} HTTP/1.1\r\nHost: {where.authority}\r\n"
                "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n"
            )
            if status == b" 100 ":
                head = head.replace("PUT", "PATCH")
            with checks.of(f"the first answer is{status.decode()}"):
                answer = await send_raw(api, head, b"")
                assert status in answer.partition(b"\r\n")[0], answer

    conforms(scenario)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stop", "kill"])
def test_uploads_and_images_survive_a_restart(own_mirror: Any, number: signal.Signals) -> None:
    content = secrets.token_bytes(100_000)
    digest = digest_of(content)
    name = "conformance/app"

    async def begin(api: Client) -> str:
        where = (await api.start(name)).is_one_of(202).where()
        sent = await api.chunk("PATCH", where, content, 0, 59_999)
        return sent.is_one_of(202).where().raw_path

    async def end(api: Client, path: str) -> None:
        where = api.url.with_path(path)
        status = (await api.ask("GET", where)).is_one_of(204)
        arrived = int(status.headers["Range"].removeprefix("0-")) + 1
        assert arrived == 60_000 or number is signal.SIGKILL
        start = 0 if arrived == 1 else arrived
        last = where.update_query(digest=digest)
        answer = await api.chunk("PUT", last, content, start, 99_999)
        await api.is_created(answer, digest, content)

    async def look(api: Client, path: str) -> None:
        assert (await api.blob("GET", name, digest)).body == content
        (await api.ask("GET", path)).is_one_of(404)

    async def work(scenario: Any, *more: str) -> Any:
        async with client(f"http://{own_mirror.address}") as api:
            return await scenario(api, *more)

    path = asyncio.run(work(begin))
    own_mirror.stop(number)
    own_mirror.start()
    asyncio.run(work(end, path))
    own_mirror.stop(number)
    own_mirror.start()
    asyncio.run(work(look, path))


def test_what_was_acknowledged_survives_kills(own_mirror: Any) -> None:
    """Eight clients push images without a pause; the server is killed among them, four times."""
    name = "conformance/killed"
    blobs: dict[str, bytes] = {}
    manifests: dict[str, Pushed] = {}

    async def push(api: Client) -> None:
        with contextlib.suppress(aiohttp.ClientError):
            while True:
                content = Content("image")
                content.image(tags=[secrets.token_hex(8)])
                for digest, blob in content.blobs.items():
                    (await api.chunked(name, digest, blob)).is_one_of(201)
                    blobs[digest] = blob
                (pushed,) = content.manifests
                where = f"/v2/{name}/manifests/{pushed.tags[0]}"
                kind = pushed.media_type
                answer = await api.ask("PUT", where, body=pushed.content, Content_Type=kind)
                answer.is_one_of(201)
                manifests[pushed.tags[0]] = pushed

    async def crowd(moment: float) -> None:
        async with client(f"http://{own_mirror.address}") as api:
            pushing = asyncio.gather(*(push(api) for _ in range(8)))
            await asyncio.sleep(moment)
            own_mirror.stop(signal.SIGKILL)
            await pushing

    async def look() -> None:
        async with client(f"http://{own_mirror.address}") as api:
            for digest, blob in blobs.items():
                assert (await api.blob("GET", name, digest)).is_one_of(200).body == blob
            for tag, pushed in manifests.items():
                await api.shows(name, tag, pushed)

    for moment in (0.15, 0.3, 0.2, 0.25):
        asyncio.run(crowd(moment))
        own_mirror.start()
        asyncio.run(look())
    assert len(manifests) > 8
