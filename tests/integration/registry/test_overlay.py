"""Signatures and SBOMs of images that come from elsewhere are kept here, and nothing else is."""

import asyncio
import json
from typing import Any

from testbed.oci_client import Client, client
from testbed.oci_content import EXAMPLE, OCI_IMAGE, Content, digest_of

NAME = "upstream.example/o/image"
SUBJECT = {"mediaType": OCI_IMAGE, "digest": digest_of(b"an image of upstream"), "size": 20}


def run(mirror: Any, scenario: Any) -> None:
    async def work() -> None:
        async with client(f"http://{mirror.address}") as api:
            await scenario(api)

    asyncio.run(work())


async def put(api: Client, reference: str, content: bytes) -> Any:
    where = f"/v2/{NAME}/manifests/{reference}"
    return await api.ask("PUT", where, body=content, Content_Type=OCI_IMAGE)


def test_a_referrer_is_pushed_read_listed_and_deleted(own_mirror: Any) -> None:
    content = Content("referrer")
    content.artifact(subject=SUBJECT, annotations={"signed": "yes"})
    (pushed,) = content.manifests

    async def scenario(api: Client) -> None:
        for digest, blob in content.blobs.items():
            await api.is_created(await api.chunked(NAME, digest, blob), digest, blob)
        answer = await put(api, pushed.digest, pushed.content)
        await api.is_created(answer, pushed.digest, pushed.content)
        assert answer.headers["OCI-Subject"] == SUBJECT["digest"]
        await api.shows(NAME, pushed.digest, pushed)
        listed = (await api.referrers(NAME, SUBJECT["digest"])).json["manifests"]
        assert [each["digest"] for each in listed] == [pushed.digest]
        assert (listed[0]["artifactType"], listed[0]["annotations"]) == (EXAMPLE, {"signed": "yes"})
        where = f"/v2/{NAME}/manifests/{pushed.digest}"
        (await api.ask("DELETE", where)).is_one_of(202)
        # Nothing is left here, and the upstream cannot be asked.
        answer = await api.ask("GET", f"/v2/{NAME}/referrers/{SUBJECT['digest']}")
        answer.is_error(502, "UNAVAILABLE")

    run(own_mirror, scenario)


def test_an_image_is_not_pushed_there(own_mirror: Any) -> None:
    content = Content("image")
    content.image()
    (pushed,) = content.manifests
    tagged = Content("tagged")
    tagged.artifact(subject=SUBJECT)

    async def scenario(api: Client) -> None:
        for digest, blob in (content.blobs | tagged.blobs).items():
            (await api.post_put(NAME, digest, blob)).is_one_of(201)
        refused = [
            await put(api, pushed.digest, pushed.content),
            await put(api, "latest", pushed.content),
            await put(api, "latest", tagged.manifests[0].content),
        ]
        for answer in refused:
            message = json.loads(answer.is_error(403, "DENIED").body)["errors"][0]["message"]
            assert "upstream.example/o/image is a mirror" in message
            assert "local namespace" in message

    run(own_mirror, scenario)


def test_a_bare_name_of_the_default_upstream_takes_nothing(own_mirror: Any) -> None:
    async def scenario(api: Client) -> None:
        (await api.start("library/nginx")).is_error(403, "DENIED")
        (await api.ask("PUT", "/v2/library/nginx/manifests/v1", body=b"{}")).is_error(403, "DENIED")

    run(own_mirror, scenario)
