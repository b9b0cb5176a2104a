"""Clients that leave in the middle, and a server that is started again."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

from testbed.oci_client import Checks, Client, client
from testbed.oci_content import OCTETS, digest_of


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


def test_uploads_and_images_survive_a_restart(tmp_path: Path) -> None:
    from testbed.registry_parts import serve_registry

    content = secrets.token_bytes(100_000)
    digest = digest_of(content)
    paths: list[str] = []

    async def before(url: str) -> None:
        async with client(url) as api:
            where = (await api.start("conformance/app")).is_one_of(202).where()
            sent = await api.chunk("PATCH", where, content, 0, 59_999)
            paths.append(sent.is_one_of(202).where().raw_path)

    async def after(url: str) -> None:
        async with client(url) as api:
            where = api.url.join(api.url.with_path(paths[0]))
            status = (await api.ask("GET", where)).is_one_of(204)
            assert status.headers["Range"] == "0-59999"
            last = where.update_query(digest=digest)
            answer = await api.chunk("PUT", last, content, 60_000, 99_999)
            await api.is_created(answer, digest, content)

    async def later(url: str) -> None:
        async with client(url) as api:
            assert (await api.blob("GET", "conformance/app", digest)).body == content
            (await api.ask("GET", api.url.with_path(paths[0]))).is_one_of(404)

    for scenario in (before, after, later):
        with serve_registry(tmp_path, "conformance") as url:
            asyncio.run(scenario(url))
