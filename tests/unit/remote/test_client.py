"""The client against a registry on loopback: what it asks, and what it makes of the answers."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256

import pytest

from homeport.oci.digest import Digest, digest_of
from homeport.oci.media_type import ACCEPT, DOCKER_V1_SIGNED, OCI_INDEX, OCI_MANIFEST
from homeport.remote.client import Access, Client
from homeport.remote.errors import (
    BusyError,
    CutError,
    DeniedError,
    FailedError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)
from testbed.fake_registry import FakeRegistry, Fault, busy, html

MANIFEST = b'{"schemaVersion":2,"manifests":[]}'
BLOB = bytes(range(256)) * 400
Scenario = Callable[[FakeRegistry, Client], Awaitable[None]]


def play(scenario: Scenario, *, prefix: str = "", path: str = "", **access: object) -> None:
    async def run() -> None:
        async with FakeRegistry(prefix=prefix) as registry:
            settings: dict[str, object] = {"answer_timeout": 5.0, "read_timeout": 5.0, **access}
            client = Client(
                Access(url=registry.url + path, **settings),  # type: ignore[arg-type]
                clock=time.monotonic,
            )
            try:
                await scenario(registry, client)
            finally:
                await client.close()

    asyncio.run(run())


async def read(client: Client, digest: Digest, **part: int) -> tuple[int, int | None, bytes]:
    async with client.open_blob("library/x", digest, **part) as download:
        content = b"".join([piece async for piece in download.chunks()])
        return download.start, download.size, content


def test_manifest_by_tag_is_what_was_sent() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = registry.add_manifest("library/x", MANIFEST, OCI_INDEX, tag="1")
        found = await client.get_manifest("library/x", "1")
        assert (found.content, found.media_type, found.digest) == (MANIFEST, OCI_INDEX, digest)
        head = await client.head_manifest("library/x", "1")
        assert (head.digest, head.media_type, head.size) == (digest, OCI_INDEX, len(MANIFEST))
        for seen in registry.seen:
            assert seen.path == "/v2/library/x/manifests/1"
            assert seen.headers["accept"].split(", ") == list(ACCEPT)
            assert seen.headers["accept-encoding"] == "identity"
            assert "authorization" not in seen.headers

    play(scenario)


def test_prefix_stands_before_every_name() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.auth = "bearer"
        registry.add_manifest("library/x", MANIFEST, tag="1")
        registry.add_tags("library/x", "2", "3")
        registry.page = 1
        await client.get_manifest("library/x", "1")
        assert await client.list_tags("library/x") == (("1", "2", "3"), False)
        assert registry.seen[-1].path == "/v2/proxy/hub/library/x/tags/list"
        scopes = {seen.query["scope"] for seen in registry.asked("/token")}
        assert scopes == {"repository:proxy/hub/library/x:pull"}

    play(scenario, prefix="proxy/hub", path="/v2/proxy/hub")


@pytest.mark.parametrize("path", ["", "/", "/v2", "/v2/"])
def test_url_with_and_without_v2_is_the_same(path: str) -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.add_manifest("library/x", MANIFEST, tag="1")
        await client.get_manifest("library/x", "1")

    play(scenario, path=path)


@pytest.mark.parametrize(
    ("fault", "expected", "words"),
    [
        (Fault(status=404, body=b'{"errors":[]}'), NotFoundError, "has no"),
        (Fault(status=401), DeniedError, "401"),
        (Fault(status=403), DeniedError, "403"),
        (Fault(status=500), FailedError, "500"),
        (Fault(status=503), FailedError, "503"),
        (Fault(status=418), FailedError, "418"),
        (busy(), BusyError, "too many"),
        (html(), FailedError, "web page"),
        (html(404), FailedError, "404"),
        (html(502), FailedError, "502"),
        (Fault(body=b"[1,2]"), FailedError, "something else"),
        (Fault(body=b"not json"), FailedError, "something else"),
        (Fault(body=b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), FailedError, "something"),
        (Fault(body=MANIFEST + b" "), FailedError, "does not mean"),
        (Fault(headers={"Content-Encoding": "gzip"}), FailedError, "encoded"),
        (Fault(headers={"X-Large": "x" * 40_000}), FailedError, "HTTP"),
        (Fault(cut=10), CutError, "cut"),
        (Fault(status=302), FailedError, "302"),
    ],
)
def test_answers_mean_what_they_mean(fault: Fault, expected: type[RemoteError], words: str) -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.add_manifest("library/x", MANIFEST, tag="1")
        registry.on("manifests", fault)
        with pytest.raises(expected, match=words) as caught:
            await client.get_manifest("library/x", "1")
        assert type(caught.value) is expected
        assert caught.value.host == client.host

    play(scenario)


@pytest.mark.parametrize(("fault", "expected"), [
    (Fault(status=404), NotFoundError),
    (html(404), FailedError),
    (html(200), FailedError),
    (busy("7"), BusyError),
])  # fmt: skip
def test_head_means_the_same(fault: Fault, expected: type[RemoteError]) -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.on("manifests", fault)
        with pytest.raises(expected):
            await client.head_manifest("library/x", "1")

    play(scenario)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "999999999"}, 86_400.0),
        ({"Retry-After": "99999999999999"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({}, None),
        (
            {
                "Date": "Tue, 24 Nov 2026 10:00:00 GMT",
                "Retry-After": "Tue, 24 Nov 2026 10:00:30 GMT",
            },
            30.0,
        ),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.on("manifests", Fault(status=429, headers=headers))
        with pytest.raises(BusyError) as caught:
            await client.get_manifest("library/x", "1")
        assert caught.value.retry_after == seconds

    play(scenario)


def test_detail_is_short_and_shows_no_secrets() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        message = "see https://cdn/x?X-Signature=topsecret with Bearer abcdefghijkl\r\n" + "y" * 900
        body = json.dumps({"errors": [{"code": "DENIED", "message": message}]}).encode()
        registry.on("manifests", Fault(status=403, body=body))
        with pytest.raises(DeniedError) as caught:
            await client.get_manifest("library/x", "1")
        detail = caught.value.detail
        assert detail.startswith("DENIED: see https://cdn/x?… with Bearer …")
        assert len(detail) <= 300
        assert detail.isprintable()

    play(scenario)


def test_error_body_without_end_is_not_read_to_its_end() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.on("manifests", Fault(status=500, body=b"x" * 4_000_000, stall=2_000_000))
        with pytest.raises(FailedError):
            await client.get_manifest("library/x", "1")

    play(scenario)


def test_error_body_that_drips_is_not_waited_for() -> None:
    """Each piece comes in time; the whole would take 80 seconds, and hold a connection."""

    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.on("blobs", Fault(status=500, body=b"x" * 4000, piece=1, pace=0.02))
        began = time.monotonic()
        with pytest.raises(FailedError):
            async with client.open_blob("library/x", digest_of(b"x")):
                pytest.fail("there is no blob")
        assert time.monotonic() - began < 2

    play(scenario, read_timeout=0.3)


@pytest.mark.parametrize(
    "text", ["a/b\\r\\nSet-Cookie: x", "a/b c", "a", "a/\\u00e9", "a/" + "b" * 300]
)
def test_media_type_of_a_document_breaks_no_header(text: str) -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        content = f'{{"schemaVersion":2,"mediaType":"{text}"}}'.encode()
        registry.add_manifest("library/x", content, "application/json", tag="1")
        with pytest.raises(FailedError, match="without a media type"):
            await client.get_manifest("library/x", "1")

    play(scenario)


def test_manifest_that_is_too_large_is_refused() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        large = b'{"manifests":[],"x":"' + b"x" * 2000 + b'"}'
        registry.add_manifest("library/x", large, tag="1")
        with pytest.raises(FailedError, match="more than 1000 bytes"):
            await client.get_manifest("library/x", "1")
        registry.on("manifests", Fault(no_length=True))
        with pytest.raises(FailedError, match="more than 1000 bytes"):
            await client.get_manifest("library/x", "1")

    play(scenario, manifest_bytes=1000)


def test_manifest_by_digest_must_be_it() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = registry.add_manifest("library/x", MANIFEST)
        assert (await client.get_manifest("library/x", digest)).digest == digest
        other = MANIFEST.replace(b"2", b"3")
        registry.on("manifests", Fault(body=other, headers={"Docker-Content-Digest": digest}))
        with pytest.raises(FailedError, match="other bytes"):
            await client.get_manifest("library/x", digest)

    play(scenario)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b'{"schemaVersion":2,"manifests":[]}', OCI_INDEX),
        (b'{"schemaVersion":2,"config":{},"layers":[]}', OCI_MANIFEST),
        (b'{"mediaType":"application/x.y+json"}', "application/x.y+json"),
        (b'{"fsLayers":[],"signatures":[]}', DOCKER_V1_SIGNED),
    ],
)
def test_media_type_that_is_not_said_is_read_from_the_manifest(
    content: bytes, media_type: str
) -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.add_manifest("library/x", content, "application/json; charset=utf-8", tag="1")
        assert (await client.get_manifest("library/x", "1")).media_type == media_type

    play(scenario)


def test_a_signed_manifest_of_schema_1_is_refused_by_its_name() -> None:
    content = b'{"schemaVersion":1,"fsLayers":[],"signatures":[{}]}'
    payload = digest_of(b'{"schemaVersion":1,"fsLayers":[]}')

    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.add_manifest("library/x", content, DOCKER_V1_SIGNED, tag="1")
        registry.add_manifest("library/x", content, DOCKER_V1_SIGNED, tag=payload)
        with pytest.raises(FailedError, match=r"schema 1.*push the image anew"):
            await client.get_manifest("library/x", payload)

    play(scenario)


def test_head_without_digest_says_so() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.add_manifest("library/x", MANIFEST, tag="1")
        registry.on("manifests", Fault(headers={"Docker-Content-Digest": "sha256:bad"}))
        assert (await client.head_manifest("library/x", "1")).digest is None

    play(scenario)


def test_blob_whole_and_in_parts() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = registry.add_blob("library/x", BLOB)
        assert await read(client, digest) == (0, len(BLOB), BLOB)
        assert await read(client, digest, start=1000) == (1000, len(BLOB), BLOB[1000:])
        assert await read(client, digest, start=5, stop=9) == (5, len(BLOB), BLOB[5:9])
        assert await read(client, digest, stop=10**6) == (0, len(BLOB), BLOB)
        assert await client.head_blob("library/x", digest) == len(BLOB)
        ranges = [seen.headers.get("range") for seen in registry.seen]
        assert ranges == [None, "bytes=1000-", "bytes=5-8", "bytes=0-999999", None]
        assert {seen.headers["accept-encoding"] for seen in registry.seen} == {"identity"}

    play(scenario)


def test_blob_of_a_registry_without_ranges_begins_at_its_beginning() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = registry.add_blob("library/x", BLOB)
        registry.on("blobs", Fault(no_range=True))
        assert await read(client, digest, start=1000) == (0, len(BLOB), BLOB)
        assert await read(client, digest, start=5, stop=9) == (0, len(BLOB), BLOB[:9])

    play(scenario)


def test_blob_without_length() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = registry.add_blob("library/x", BLOB)
        registry.on("blobs", Fault(no_length=True, no_range=True))
        assert await read(client, digest) == (0, None, BLOB)
        assert await read(client, digest, start=3) == (0, None, BLOB)
        assert await client.head_blob("library/x", digest) is None

    play(scenario)


@pytest.mark.parametrize(
    "said",
    [
        "bytes 11-102399/102400",
        "bytes 0-102399/102400",
        "bytes 10-102399/5000",
        "bytes 10-9/102400",
        "bytes 10-2000/102400",
        "items 10-102399/102400",
        "",
    ],
)
def test_wrong_content_range_is_refused(said: str) -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = registry.add_blob("library/x", BLOB)
        registry.on("blobs", Fault(headers={"Content-Range": said}))
        with pytest.raises(FailedError, match="part of"):
            await read(client, digest, start=10)

    play(scenario)


def test_partial_answer_that_nobody_asked_for_is_refused() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = registry.add_blob("library/x", BLOB)
        registry.on("blobs", Fault(status=206, body=b"x"))
        with pytest.raises(FailedError, match="without saying which"):
            await read(client, digest)

    play(scenario)


def test_less_than_asked_is_a_cut() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = registry.add_blob("library/x", BLOB)
        part = Fault(status=206, body=BLOB[10:20], headers={"Content-Range": "bytes 10-19/102400"})
        registry.on("blobs", part)
        got = bytearray()
        with pytest.raises(CutError, match="10 bytes"):  # noqa: PT012
            async with client.open_blob("library/x", digest, start=10) as download:
                async for piece in download.chunks():
                    got += piece
        assert got == BLOB[10:20]

    play(scenario)


def test_cut_and_stalled_downloads_give_what_came() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = registry.add_blob("library/x", BLOB)
        for fault, expected in (
            (Fault(cut=50_000), CutError),
            (Fault(stall=50_000), TimedOutError),
        ):
            registry.heal()
            registry.on("blobs", fault)
            got = bytearray()
            with pytest.raises(expected):  # noqa: PT012
                async with client.open_blob("library/x", digest) as download:
                    assert download.size == len(BLOB)
                    async for piece in download.chunks():
                        got += piece
            assert got == BLOB[:50_000]

    play(scenario, read_timeout=0.2)


def test_a_body_that_drips_is_given_up_though_each_piece_comes_in_time() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = registry.add_blob("library/x", BLOB)
        registry.on("blobs", Fault(piece=10, pace=0.02))
        got = bytearray()
        began = time.monotonic()
        with pytest.raises(TimedOutError, match="only"):  # noqa: PT012
            async with client.open_blob("library/x", digest) as download:
                async for piece in download.chunks():
                    got += piece
        assert 0.2 < time.monotonic() - began < 3
        assert got == BLOB[: len(got)] != b""

    play(scenario, read_timeout=0.2, min_rate=100_000)


def test_a_slow_but_steady_body_and_a_slow_reader_are_no_drip() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = registry.add_blob("library/x", BLOB)
        registry.on("blobs", Fault(piece=len(BLOB) // 10, pace=0.03))
        for pause in (0.0, 0.06):
            got = bytearray()
            async with client.open_blob("library/x", digest) as download:
                async for piece in download.chunks():
                    got += piece
                    await asyncio.sleep(pause)
            assert got == BLOB

    # 0.3 s for the body; read at half that rate it would be too slow, if reading counted.
    play(scenario, read_timeout=0.2, min_rate=len(BLOB))


def test_encoded_blob_is_refused() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = registry.add_blob("library/x", BLOB)
        registry.on("blobs", Fault(headers={"Content-Encoding": "gzip"}))
        with pytest.raises(FailedError, match="encoded"):
            await read(client, digest)

    play(scenario)


def test_sha512_blob() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        digest = digest_of(BLOB, "sha512")
        registry.on("blobs", Fault(status=200, body=BLOB))
        assert (await read(client, digest))[2] == BLOB

    play(scenario)


def test_black_hole_is_a_time_out() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.on("", Fault(black_hole=True))
        began = time.monotonic()
        with pytest.raises(TimedOutError, match=r"did not answer in 0\.2 seconds"):
            await client.get_manifest("library/x", "1")
        assert time.monotonic() - began < 2

    play(scenario, answer_timeout=0.2)


def test_refused_connection_is_named() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        await registry.stop()
        with pytest.raises(UnreachableError, match="connection refused"):
            await client.get_manifest("library/x", "1")
        with pytest.raises(UnreachableError):
            await client.ping()

    play(scenario)


def test_connection_closed_without_an_answer() -> None:
    async def scenario(_: FakeRegistry, __: Client) -> None:
        async def hang_up(___: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        other = Client(Access(url=f"http://127.0.0.1:{port}"), clock=time.monotonic)
        with pytest.raises(UnreachableError, match=r"no answer|without an answer"):
            await other.get_manifest("library/x", "1")
        await other.close()
        server.close()

    play(scenario)


def test_ping_sees_life_in_a_refusal() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.auth = "basic"
        await client.ping()
        registry.on("^/v2/$", Fault(status=502))
        with pytest.raises(FailedError):
            await client.ping()

    play(scenario)


def test_tags_in_pages() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        names = [f"t{number:02}" for number in range(10)]
        registry.add_tags("library/x", *names)
        registry.page = 4
        assert await client.list_tags("library/x") == (tuple(names), False)
        assert await client.list_tags("library/x", n=3) == (tuple(names[:3]), True)
        assert await client.list_tags("library/x", n=3, last="t06") == (tuple(names[7:]), False)
        assert await client.list_tags("library/x", n=6) == (tuple(names[:6]), True)
        assert await client.list_tags("library/x", n=10) == (tuple(names), False)
        with pytest.raises(NotFoundError):
            await client.list_tags("library/y")

    play(scenario)


def test_tags_of_a_registry_that_ignores_the_parameters() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        body = json.dumps({"name": "x", "tags": ["b", "a", "../evil", "c" * 200, "d", "c"]})
        registry.on("tags", Fault(status=200, body=body.encode()))
        assert await client.list_tags("library/x") == (("a", "b", "c", "d"), False)
        assert await client.list_tags("library/x", n=2) == (("a", "b"), True)
        assert await client.list_tags("library/x", n=2, last="b") == (("c", "d"), False)
        assert await client.list_tags("library/x", n=9, last="c") == (("d",), False)
        registry.heal()
        registry.on("tags", Fault(status=200, body=b'{"tags":["a","B","c"]}'), times=1)
        assert await client.list_tags("library/x", last="A") == (("a", "B", "c"), False)
        registry.on("tags", Fault(status=200, body=b'{"name":"x","tags":null}'))
        assert await client.list_tags("library/x") == ((), False)

    play(scenario)


def test_link_to_elsewhere_only_gives_its_query() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        link = {"Link": '<http://169.254.169.254/latest?last=b&n=2>; title="a, b"; rel="next"'}
        first = Fault(status=200, body=b'{"tags":["a","b"]}', headers=link)
        registry.on("tags", first, times=1)
        registry.add_tags("library/x", "a", "b", "c")
        assert await client.list_tags("library/x") == (("a", "b", "c"), False)
        assert registry.seen[-1].path == "/v2/library/x/tags/list"
        assert registry.seen[-1].query == {"last": "b", "n": "2"}

    play(scenario)


def test_link_in_a_circle_ends() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        link = {"Link": '</v2/library/x/tags/list?last=b>; rel="next"'}
        registry.on("tags", Fault(status=200, body=b'{"tags":["a","b"]}', headers=link))
        assert await client.list_tags("library/x") == (("a", "b"), False)
        assert len(registry.seen) == 2

    play(scenario)


def descriptor(number: int) -> dict[str, object]:
    return {"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:064}", "size": number}


def test_referrers_as_they_came() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        subject = digest_of(b"subject")
        registry.add_referrer("library/x", subject, descriptor(1))
        content = await client.get_referrers("library/x", subject)
        assert content is not None
        assert json.loads(content)["manifests"] == [descriptor(1)]

    play(scenario)


def test_referrers_by_the_tag_schema_where_there_is_no_api() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.has_referrers = False
        subject = digest_of(b"subject")
        assert await client.get_referrers("library/x", subject) is None
        index = json.dumps({"schemaVersion": 2, "manifests": [descriptor(2)]}).encode()
        tag = "sha256-" + sha256(b"subject").hexdigest()
        registry.add_manifest("library/x", index, OCI_INDEX, tag=tag)
        assert await client.get_referrers("library/x", subject) == index
        registry.on("referrers", Fault(status=405))
        assert await client.get_referrers("library/x", subject) == index

    play(scenario)


def test_referrers_of_several_pages_are_one_index() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        subject = digest_of(b"subject")
        pages = [
            json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(n)]})
            for n in (1, 2)
        ]
        link = {"Link": '<?page=2>; rel="next"'}
        registry.on("referrers", Fault(status=200, body=pages[0].encode(), headers=link), times=1)
        registry.on("referrers", Fault(status=200, body=pages[1].encode()), times=1)
        content = await client.get_referrers("library/x", subject)
        assert content is not None
        assert json.loads(content)["manifests"] == [descriptor(1), descriptor(2)]

    play(scenario)


def test_referrers_without_end_fill_no_memory() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        entries = [{**descriptor(1), "annotations": {"a": "x" * 4_000_000}}]
        body = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
        registry.on(
            "referrers", Fault(status=200, body=body, headers={"Link": '<?page=2>; rel="next"'})
        )
        with pytest.raises(FailedError, match="more than 16777216 bytes"):
            await client.get_referrers("library/x", digest_of(b"subject"))
        assert len(registry.seen) == 5

    play(scenario)


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(status=403), html(), busy()])
def test_failing_referrers_are_not_none(fault: Fault) -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.on("referrers", fault)
        with pytest.raises((FailedError, DeniedError, BusyError)):
            await client.get_referrers("library/x", digest_of(b"subject"))

    play(scenario)


def test_connections_are_used_again() -> None:
    async def scenario(registry: FakeRegistry, client: Client) -> None:
        registry.add_manifest("library/x", MANIFEST, tag="1")
        digest = registry.add_blob("library/x", BLOB)
        for _ in range(5):
            await client.head_manifest("library/x", "1")
            await client.get_manifest("library/x", "1")
            await read(client, digest)
            with pytest.raises(NotFoundError):
                await client.get_manifest("library/x", "2")
        assert registry.connections == 1

    play(scenario)
