"""What the flow gets of a request, and what the client gets of a reply."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from multidict import CIMultiDict

from homeport.mirror.errors import NoSpaceError, RegistryError
from homeport.mirror.model.config import LimitsConfig, ListenerConfig
from homeport.mirror.model.endpoint import Manifests
from homeport.mirror.model.exchange import Reply, Request
from homeport.oci.error_code import ErrorCode
from testbed.http_loopback import loopback

Run = Callable[[Any], None]


async def fine(request: Request) -> Reply:
    body = b""
    if request.body is not None:
        body = b"".join([part async for part in request.body])
    return Reply(status=200, headers={"X-Answer": "yes"}, body=body or b"fine")


def code_of(body: bytes) -> str:
    return str(json.loads(body)["errors"][0]["code"])


def test_a_request_as_the_flow_sees_it(run: Run) -> None:
    async def scenario() -> None:
        async with loopback(fine) as around:
            client = await around.connect()
            heard = await client.ask(
                "GET",
                "/v2/a/manifests/1?ns=docker.io&tag=a&tag=b&scope=c&scope=d+e",
                "Accept: one",
                "Accept: two",
                "User-Agent: \xff",
            )
            assert (heard.status, heard.body) == (200, b"fine")
            assert heard.headers["docker-distribution-api-version"] == "registry/2.0"
            assert heard.headers["content-length"] == "4"
            assert "server" not in heard.headers
            assert "connection" not in heard.headers
            [request] = around.flow.requests
            assert request.endpoint == Manifests("a", "1")
            assert request.query == {"ns": "docker.io", "tag": "a", "scope": "c"}
            assert request.tags == ("a", "b")
            assert request.scopes == ("c", "d e")
            assert request.headers["accept"] == "one, two"
            assert (request.address, request.scheme) == ("127.0.0.1", "http")
            assert (request.host, request.listener) == ("mirror.test", "test")
            assert (request.body, request.length, request.certificate) == (None, 0, None)
            assert heard.headers["x-request-id"] == request.id
            [done] = await around.flow.wait_finished()
            assert (done.sent, done.complete) == (4, True)
            again = await client.ask("GET", "/healthz")
            assert "docker-distribution-api-version" not in again.headers
            assert again.headers["x-request-id"] != heard.headers["x-request-id"]

    run(scenario())


def test_head_and_bodiless_statuses(run: Run) -> None:
    async def answer(request: Request) -> Reply:
        if request.method == "HEAD":
            return Reply(status=200, headers={"Content-Length": "1234"})
        return Reply(status=204, headers={"Range": "0-0"}, body=b"")

    async def scenario() -> None:
        async with loopback(answer) as around:
            client = await around.connect()
            heard = await client.ask("HEAD", "/v2/a/blobs/x")
            assert heard.headers["content-length"] == "1234"
            heard = await client.ask("GET", "/v2/a/blobs/uploads/x")
            assert heard.status == 204
            assert "content-length" not in heard.headers
            assert heard.headers["range"] == "0-0"
            heard = await client.ask("HEAD", "/v2/a/manifests/UPPER")
            assert heard.status == 200

    run(scenario())


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/UPPER/manifests/1", 400, "NAME_INVALID"),
        ("GET", "/nowhere", 404, "UNSUPPORTED"),
        ("GET", "/v2/a/../b/manifests/1", 404, "UNSUPPORTED"),
        ("POST", "/v2/a/manifests/1", 405, "UNSUPPORTED"),
        ("OPTIONS", "/v2/", 405, "UNSUPPORTED"),
        ("OPTIONS", "*", 400, "UNSUPPORTED"),
        ("GET", "/v2/a/manifests/1?x=%ff", 400, "UNSUPPORTED"),
    ],
)
def test_what_leads_nowhere(run: Run, method: str, path: str, status: int, code: str) -> None:
    async def scenario() -> None:
        async with loopback(fine) as around:
            client = await around.connect()
            heard = await client.ask(method, path)
            assert (heard.status, code_of(heard.body)) == (status, code)
            assert ("allow" in heard.headers) == (status == 405)
            assert around.flow.requests == []
            assert (await client.ask("GET", "/v2/")).status == 200

    run(scenario())


def test_defects_are_logged_and_not_told(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def answer(request: Request) -> Reply:
        match request.endpoint:
            case Manifests(reference="defect"):
                raise KeyError("a secret of ours")
            case Manifests(reference="full"):
                raise NoSpaceError("/var/lib/secret")
            case Manifests(reference="refused"):
                raise RegistryError(ErrorCode.DENIED, "no")
            case _:
                return Reply(status=200, headers={"X": "a\r\nSet-Cookie: b"}, body=b"x")

    async def scenario() -> None:
        async with loopback(answer) as around:
            client = await around.connect()
            for reference, status, code in (
                ("defect", 500, "UNKNOWN"),
                ("full", 507, "UNAVAILABLE"),
                ("refused", 403, "DENIED"),
                ("header", 500, "UNKNOWN"),
            ):
                if reference == "header":
                    client = await around.connect()
                heard = await client.ask("GET", f"/v2/a/manifests/{reference}")
                assert (heard.status, code_of(heard.body)) == (status, code)
                assert b"secret" not in heard.body
                assert "set-cookie" not in heard.headers
                if code == "UNKNOWN":
                    detail = json.loads(heard.body)["errors"][0]["detail"]
                    assert detail["request"] == heard.headers["x-request-id"]
            finished = await around.flow.wait_finished(4)
            assert [done.reply.status for done in finished] == [500, 507, 403, 500]

    with caplog.at_level(logging.ERROR, "homeport.mirror.http"):
        run(scenario())
    assert "a secret of ours" in caplog.text
    assert "Traceback" in caplog.text


def test_bodies_come_as_they_are_sent(run: Run) -> None:
    async def scenario() -> None:
        async with loopback(fine) as around:
            client = await around.connect()
            content = bytes(range(256)) * 4096
            heard = await client.ask("PUT", "/v2/a/manifests/1", body=content)
            assert heard.body == content
            assert around.flow.requests[0].length == len(content)
            client.send(
                b"PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\n"
                b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
                b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            )
            assert (await client.hear()).body == b"abcde"
            assert around.flow.requests[1].length is None
            assert (await client.ask("GET", "/v2/")).status == 200

    run(scenario())


def test_continue_is_said_when_the_body_is_wanted(run: Run) -> None:
    let_in = asyncio.Event()

    async def answer(request: Request) -> Reply:
        if request.headers.get("Authorization") is None:
            return Reply(status=401, body=b"who?")
        await let_in.wait()
        return await fine(request)

    async def scenario() -> None:
        async with loopback(answer) as around:
            client = await around.connect()
            head = b"PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
            client.send(head + b"Expect: 100-continue\r\nAuthorization: x\r\n\r\n")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.reader.readexactly(1), 0.1)
            let_in.set()
            assert (await client.hear()).status == 100
            client.send(b"abc")
            assert (await client.hear()).body == b"abc"
            # refused: no 100, and the connection ends, because nobody knows what comes next
            client.send(head + b"Expect: 100-continue\r\n\r\n")
            heard = await client.hear()
            assert (heard.status, heard.headers["connection"]) == (401, "close")

    run(scenario())


def test_an_early_answer_to_a_large_body_arrives(run: Run) -> None:
    async def answer(_: Request) -> Reply:
        return Reply(status=401, body=b"who?")

    async def scenario() -> None:
        async with loopback(answer) as around:
            client = await around.connect()
            client.send(
                b"PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n"
            )
            for _ in range(60):
                client.send(b"x" * 100_000)
            heard = await client.hear()
            assert (heard.status, heard.body) == (401, b"who?")
            assert heard.headers["connection"] == "close"
            # a small one is read and forgotten
            client = await around.connect()
            assert (await client.ask("PUT", "/v2/a/manifests/1", body=b"x" * 999)).status == 401
            assert (await client.ask("GET", "/v2/")).status == 401

    run(scenario())


@pytest.mark.parametrize(
    "rest", [b"zz\r\nabc\r\n", b"3\r\nabcdef\r\n0\r\n\r\n", b"ffffffffffffffffffff\r\n"]
)
def test_a_malformed_body_is_the_clients_fault(run: Run, rest: bytes) -> None:
    async def scenario() -> None:
        async with loopback(fine) as around:
            client = await around.connect()
            client.send(
                b"PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            await asyncio.sleep(0.05)
            client.send(rest)
            heard = await client.hear()
            assert (heard.status, code_of(heard.body)) == (400, "SIZE_INVALID")
            await client.ended()
            [done] = await around.flow.wait_finished()
            assert done.reply.status == 400

    run(scenario())


def test_a_client_that_leaves_cancels_a_pull_and_not_a_push(run: Run) -> None:
    started, ended = asyncio.Event(), []

    async def answer(request: Request) -> Reply:
        started.set()
        try:
            await asyncio.sleep(4 if request.method == "GET" else 0.3)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        ended.append("done")
        return Reply(status=201)

    async def scenario() -> None:
        async with loopback(answer, limits=LimitsConfig(header_timeout=0.2)) as around:
            for count, method in enumerate(("GET", "PUT"), 1):
                started.clear()
                client = await around.connect()
                client.send(f"{method} /v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                await started.wait()
                client.writer.transport.abort()
                await around.flow.wait_finished(count)
            assert ended == ["cancelled", "done"]
            pull, push = around.flow.finished
            assert (pull.reply.status, pull.complete, push.reply.status) == (499, False, 201)

    run(scenario())


def test_a_cut_upload_reaches_the_flow(run: Run) -> None:
    seen: list[str] = []

    async def answer(request: Request) -> Reply:
        assert request.body is not None
        try:
            async for part in request.body:
                seen.append(part.decode())  # noqa: PERF401 - seen while it comes
        except ConnectionError:
            seen.append("gone")
            raise
        return Reply(status=201)

    async def scenario() -> None:
        async with loopback(answer) as around:
            client = await around.connect()
            client.send(
                b"PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
            )
            async with asyncio.timeout(5):
                while not seen:
                    await asyncio.sleep(0.01)
            await client.close()
            [done] = await around.flow.wait_finished()
            assert seen == ["abc", "gone"]
            assert not done.complete

    run(scenario())


def test_trusted_proxies(run: Run) -> None:
    async def scenario() -> None:
        said = ("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Request-Id: given-1")
        async with loopback(fine, trusted_proxies=("127.0.0.0/8",)) as around:
            client = await around.connect()
            heard = await client.ask("GET", "/v2/", *said)
            [request] = around.flow.requests
            assert (request.address, request.scheme, request.id) == (
                "192.0.2.1",
                "https",
                "given-1",
            )
            assert heard.headers["x-request-id"] == "given-1"
            both = await client.ask("GET", "/v2/", *said, "Forwarded: for=192.0.2.2")
            assert both.status == 400
            bad = await client.ask("GET", "/v2/", "X-Request-Id: a b<script>")
            assert "script" not in bad.headers["x-request-id"]
        async with loopback(fine) as around:
            client = await around.connect()
            heard = await client.ask("GET", "/v2/", *said)
            [request] = around.flow.requests
            assert (request.address, request.scheme) == ("127.0.0.1", "http")
            assert heard.headers["x-request-id"] == request.id != "given-1"

    run(scenario())


def test_the_external_url_is_what_clients_are_told(run: Run) -> None:
    listener = ListenerConfig(
        name="test",
        address="127.0.0.1:0",
        external_url="https://registry.corp:8443/",
        virtual_hosts={"quay.corp": "quay.io"},
    )

    async def scenario() -> None:
        async with loopback(fine, listener=listener) as around:
            client = await around.connect()
            await client.ask("GET", "/v2/")
            client.send(b"GET http://elsewhere/v2/ HTTP/1.1\r\nHost: quay.corp\r\n\r\n")
            await client.hear()
            client.send(b"GET /v2/ HTTP/1.1\r\nHost: Quay.corp\r\n\r\n")
            await client.hear()
            seen = [(request.scheme, request.host) for request in around.flow.requests]
            assert seen == [
                ("https", "registry.corp:8443"),
                ("https", "registry.corp:8443"),
                ("https", "quay.corp"),
            ]
            client.send(b"GET /v2/ HTTP/1.1\r\nHost: a b\r\n\r\n")
            assert (await client.hear()).status == 400

    run(scenario())


def test_pipelined_requests_are_answered_in_turn(run: Run) -> None:
    async def answer(request: Request) -> Reply:
        assert isinstance(request.endpoint, Manifests)
        await asyncio.sleep(0)
        return Reply(status=200, body=request.endpoint.reference.encode())

    async def scenario() -> None:
        async with loopback(answer) as around:
            client = await around.connect()
            client.send(
                b"".join(
                    f"GET /v2/a/manifests/{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
                    for number in range(500)
                )
            )
            for number in range(500):
                assert (await client.hear()).body == str(number).encode()
            assert len(await around.flow.wait_finished(500)) == 500

    run(scenario())


def test_old_clients(run: Run) -> None:
    async def scenario() -> None:
        async with loopback(fine) as around:
            client = await around.connect()
            client.send(b"GET /v2/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert (await client.hear()).headers["connection"] == "keep-alive"
            client.send(b"GET /v2/ HTTP/1.0\r\n\r\n")
            heard = await client.hear()
            assert heard.headers["connection"] == "close"
            assert await client.ended() == b""
            assert around.flow.requests[0].host.startswith("127.0.0.1")
            client = await around.connect()
            client.send(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert (await client.hear()).headers["connection"] == "close"
            assert await client.ended() == b""

    run(scenario())


def test_a_reply_may_repeat_a_header(run: Run) -> None:
    async def answer(_: Request) -> Reply:
        return Reply(status=201, headers=CIMultiDict([("OCI-Tag", "a"), ("OCI-Tag", "b")]))

    async def scenario() -> None:
        async with loopback(answer) as around:
            client = await around.connect()
            client.send(b"PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\n\r\n")
            text = await client.reader.readuntil(b"\r\n\r\n")
            assert text.count(b"OCI-Tag: ") == 2

    run(scenario())


def test_a_client_that_closes_its_sending_half_gets_its_answer(run: Run) -> None:
    async def answer(_: Request) -> Reply:
        await asyncio.sleep(0.1)
        return Reply(status=200, body=b"late")

    async def scenario() -> None:
        async with loopback(answer, limits=LimitsConfig()) as around:
            client = await around.connect()
            client.send(b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")
            client.writer.write_eof()
            assert (await client.hear()).body == b"late"
            assert await client.ended() == b""

    run(scenario())
