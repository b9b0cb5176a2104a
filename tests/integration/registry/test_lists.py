"""Lists, and what is asked for in vain: end-1, 3, 7, 8, 9 and 12."""

import asyncio
import secrets
from typing import Any

import pytest

from testbed.oci_client import Checks, Client
from testbed.oci_content import OCI_IMAGE, OCI_INDEX, Content, digest_of


async def send(api: Client, name: str, content: Content) -> None:
    for digest, blob in content.blobs.items():
        (await api.post_put(name, digest, blob)).is_one_of(201)
    for pushed in content.manifests:
        for reference in (pushed.digest, *pushed.tags):
            where = f"/v2/{name}/manifests/{reference}"
            kind = pushed.media_type
            (await api.ask("PUT", where, body=pushed.content, Content_Type=kind)).is_one_of(201)


def test_ping(checks: Checks, conforms: Any) -> None:
    async def scenario(api: Client) -> None:
        with checks.of("ping"):
            answer = (await api.ask("GET", "/v2/")).is_one_of(200)
            assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"

    conforms(scenario)


def test_a_repository_that_is_not_there(registry: Any, checks: Checks, conforms: Any) -> None:
    name = registry.repository("nothing")

    async def scenario(api: Client) -> None:
        with checks.of("tags"):
            (await api.tags(name)).is_error(404, "NAME_UNKNOWN")
        with checks.of("referrers"):
            answer = await api.referrers(name, digest_of(secrets.token_bytes(8)))
            assert answer.json["manifests"] == []
        for reference in ("missing", digest_of(b"missing")):
            with checks.of(f"manifest {reference[:10]}"):
                (await api.manifest("GET", name, reference)).is_error(
                    404, "MANIFEST_UNKNOWN", "NAME_UNKNOWN"
                )
                (await api.manifest("HEAD", name, reference)).is_one_of(404)
            with checks.of(f"delete {reference[:10]}"):
                where = f"/v2/{name}/manifests/{reference}"
                (await api.ask("DELETE", where)).is_error(404, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")

    conforms(scenario)


def test_manifests_that_are_refused(registry: Any, checks: Checks, conforms: Any) -> None:
    name = registry.repository("refused")

    async def scenario(api: Client) -> None:
        content = Content("image")
        content.image()
        (pushed,) = content.manifests
        await send(api, name, content)

        async def put(reference: str, body: bytes = pushed.content, kind: str = OCI_IMAGE) -> Any:
            where = f"/v2/{name}/manifests/{reference}"
            return await api.ask("PUT", where, body=body, Content_Type=kind)

        with checks.of("put of a digest that is none"):
            (await put("sha256:baddigeststring")).is_error(400, "DIGEST_INVALID")
        for method in ("GET", "DELETE"):
            with checks.of(f"{method} of a digest that is none"):
                where = f"/v2/{name}/manifests/sha256:baddigeststring"
                (await api.ask(method, where)).is_one_of(400, 404)
        with checks.of("another media type"):
            (await put("v1", kind=OCI_INDEX)).is_error(400, "MANIFEST_INVALID")
        for body in (b"", b"{", b"null", b"[]", b'{"schemaVersion":2,"schemaVersion":2}'):
            with checks.of(f"no manifest: {body!r}"):
                (await put("v1", body)).is_error(400, "MANIFEST_INVALID")
        with checks.of("a layer that was never pushed"):
            lacking = Content("lacking")
            lacking.image()
            body = lacking.manifests[0].content
            (await put("v1", body)).is_error(400, "MANIFEST_BLOB_UNKNOWN")
        with checks.of("a child that was never pushed"):
            sparse = Content("sparse")
            sparse.index(sparse.images())
            body = sparse.manifests[-1].content
            (await put("v1", body, OCI_INDEX)).is_error(400, "MANIFEST_BLOB_UNKNOWN")
        with checks.of("nothing was stored"):
            (await api.tags(name)).is_one_of(200, 404)
            (await api.manifest("GET", name, "v1")).is_one_of(404)
        with checks.of("over the limit"):
            large = b'{"schemaVersion":2,"x":"' + b"x" * 32 * 1024**2 + b'"}'
            (await put("v1", large)).is_one_of(413)

    conforms(scenario)


def test_tags_in_pages(registry: Any, checks: Checks, conforms: Any) -> None:
    name = registry.repository("pages")
    tags = ["0", "A", "B", "_x", "a", "b", "b.1", "b_1", "c"]

    async def scenario(api: Client) -> None:
        content = Content("tags")
        content.image(tags=reversed(tags))
        await send(api, name, content)
        with checks.of("all"):
            answer = (await api.tags(name)).is_one_of(200)
            assert answer.headers["Content-Type"].startswith("application/json")
            assert answer.json == {"name": name, "tags": tags}
            assert "Link" not in answer.headers
        with checks.of("n=0"):
            answer = (await api.tags(name, n="0")).is_one_of(200)
            assert answer.json["tags"] == []
            assert "Link" not in answer.headers
        with checks.of("n beyond the end"):
            answer = (await api.tags(name, n="100")).is_one_of(200)
            assert answer.json["tags"] == tags
            assert "Link" not in answer.headers
        with checks.of("n and last"):
            answer = (await api.tags(name, n="2", last="_x")).is_one_of(200)
            assert answer.json["tags"] == ["a", "b"]
        with checks.of("last at the end, and one that is no tag here"):
            assert (await api.tags(name, last="c")).json["tags"] == []
            assert (await api.tags(name, last="B0")).json["tags"] == tags[3:]
        for size in (1, 4, 9):
            with checks.of(f"links in pages of {size}"):
                assert await pages(api, name, size) == tags
        for text in ("-1", "x", "1.5"):
            with checks.of(f"n={text}"):
                (await api.tags(name, n=text)).is_one_of(400)

    conforms(scenario)


async def pages(api: Client, name: str, size: int) -> list[str]:
    """All tags, by following links."""
    found: list[str] = []
    answer = await api.tags(name, n=str(size))
    for _ in range(20):
        listed = answer.is_one_of(200).json["tags"]
        assert len(listed) <= size
        found += listed
        link = answer.headers.get("Link")
        if link is None:
            return found
        target, _, parameters = link.partition(">")
        assert parameters.replace(" ", "") == ';rel="next"', link
        answer = await api.ask("GET", target.removeprefix("<"))
    raise AssertionError("links without end")


def test_many_referrers(registry: Any, checks: Checks, conforms: Any) -> None:
    """Each is listed once, in however many pages."""
    name = registry.repository("referrers")

    async def scenario(api: Client) -> None:
        content = Content("referrers")
        subject = content.image()
        for number in range(30):
            content.artifact(subject=subject, annotations={"number": str(number)})
        await send(api, name, content)
        with checks.of("all pages"):
            wanted = {each["digest"] for each in content.referrers[subject["digest"]]}
            answer = await api.referrers(name, subject["digest"])
            found = [each["digest"] for each in answer.json["manifests"]]
            while (link := answer.headers.get("Link")) is not None:
                answer = await api.ask("GET", link.partition(">")[0].removeprefix("<"))
                found += [each["digest"] for each in answer.json["manifests"]]
            assert sorted(found) == sorted(wanted)
        with checks.of("another type"):
            answer = await api.referrers(name, subject["digest"], artifactType="a/nother")
            assert answer.json["manifests"] == []
        with checks.of("a digest that is none"):
            where = f"/v2/{name}/referrers/sha256:baddigeststring"
            (await api.ask("GET", where)).is_error(400, "DIGEST_INVALID")

    conforms(scenario)


def test_a_tag_moves(registry: Any, checks: Checks, conforms: Any) -> None:
    name = registry.repository("moves")

    async def scenario(api: Client) -> None:
        content = Content("moving")
        for _ in range(3):
            content.image(tags=["latest"])
        for digest, blob in content.blobs.items():
            (await api.post_put(name, digest, blob)).is_one_of(201)
        for pushed in content.manifests:
            with checks.of("pushed, and seen at once"):
                where = f"/v2/{name}/manifests/latest"
                answer = await api.ask(
                    "PUT", where, body=pushed.content, Content_Type=pushed.media_type
                )
                answer.is_one_of(201)
                await api.shows(name, "latest", pushed)
        for pushed in content.manifests:
            with checks.of("what it named before is kept"):
                await api.shows(name, pushed.digest, pushed)

    conforms(scenario)


@pytest.mark.parametrize("way", ["post+put", "post only", "stream", "chunked"])
def test_many_pushes_at_once(registry: Any, checks: Checks, conforms: Any, way: str) -> None:
    """Twenty clients push the same and other blobs; every one is there."""
    name = registry.repository("crowd")
    shared = secrets.token_bytes(200_000)

    async def scenario(api: Client) -> None:
        async def one(number: int) -> None:
            content = shared if number % 2 else secrets.token_bytes(50_000)
            digest = digest_of(content)
            answer = await api.ways[way](name, digest, content)
            with checks.of("pushed"):
                await api.is_created(answer, digest, content)

        await asyncio.gather(*(one(number) for number in range(20)))

    conforms(scenario)
