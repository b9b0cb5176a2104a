"""Every data set: push, list, head, pull, referrers, delete (end-3, 7, 8, 9 and 12)."""

from collections.abc import Callable
from typing import Any

import pytest

from testbed.oci_client import Checks, Client, is_listed, turns
from testbed.oci_content import SETS, Content, Pushed


@pytest.mark.parametrize("make", SETS, ids=lambda make: make().name)
def test_a_data_set(
    registry: Any, checks: Checks, conforms: Any, make: Callable[[], Content]
) -> None:
    content = make()
    name = registry.repository(content.name)

    async def scenario(api: Client) -> None:
        await push(api, checks, name, content)
        if not content.corrupt:
            await lists(api, checks, name, content)
            await pull(api, checks, name, content)
            await referrers(api, checks, name, content)
        await delete(api, checks, name, content)

    conforms(scenario)


async def push(api: Client, checks: Checks, name: str, content: Content) -> None:
    ways = turns(api.ways)
    for digest, blob in content.blobs.items():
        way, send = next(ways)
        with checks.of(f"push blob by {way}"):
            await api.is_created(await send(name, digest, blob), digest, blob)
    for pushed in content.manifests:
        tags = list(pushed.tags) if content.tag_parameters else []
        with checks.of(f"push manifest {pushed.digest[:20]}"):
            await put(api, name, pushed.digest, pushed, tags=tags, corrupt=content.corrupt)
        for tag in pushed.tags if not content.tag_parameters else ():
            with checks.of(f"push tag {tag}"):
                await put(api, name, tag, pushed)


async def put(
    api: Client,
    name: str,
    reference: str,
    pushed: Pushed,
    *,
    tags: list[str] | None = None,
    corrupt: bool = False,
) -> None:
    where = api.url / f"v2/{name}/manifests/{reference}"
    if tags:
        where = where.with_query([("tag", tag) for tag in tags])
    answer = await api.ask("PUT", where, body=pushed.content, Content_Type=pushed.media_type)
    if corrupt:
        answer.is_error(400, "DIGEST_INVALID")
        return
    answer.is_one_of(201)
    assert answer.headers.get("Docker-Content-Digest", pushed.digest) == pushed.digest
    assert answer.headers.get("OCI-Subject") == pushed.subject
    said = ",".join(answer.headers.getall("OCI-Tag", []))
    assert sorted(filter(None, map(str.strip, said.split(",")))) == sorted(tags or [])
    found = (await api.ask("GET", answer.where(), Accept=pushed.media_type)).is_one_of(200)
    assert found.body == pushed.content
    assert found.headers["Content-Type"] == pushed.media_type


async def lists(api: Client, checks: Checks, name: str, content: Content) -> None:
    with checks.of("tag list"):
        answer = (await api.tags(name)).is_one_of(*((200,) if content.tags else (200, 404)))
        if answer.status == 200:
            assert answer.json["name"] == name
            assert answer.json["tags"] == sorted(content.tags)
    ordered = sorted(content.tags)
    for number, last in enumerate(ordered):
        with checks.of(f"tags after {last}"):
            answer = (await api.tags(name, last=last)).is_one_of(200)
            assert answer.json["tags"] == ordered[number + 1 :]


async def pull(api: Client, checks: Checks, name: str, content: Content) -> None:
    for tag, pushed in content.tags.items():
        with checks.of(f"pull tag {tag}"):
            await api.shows(name, tag, pushed)
    for pushed in content.manifests:
        with checks.of(f"pull manifest {pushed.digest[:20]}"):
            await api.shows(name, pushed.digest, pushed)
    for digest, blob in content.blobs.items():
        await api.is_there(checks, name, digest, blob)


async def referrers(api: Client, checks: Checks, name: str, content: Content) -> None:
    for subject, wanted in content.referrers.items():
        with checks.of("referrers"):
            listed = (await api.referrers(name, subject)).json["manifests"]
            assert all(is_listed(each, listed) for each in wanted), listed
            assert len(listed) == len(wanted)
        for kind in {each["artifactType"] for each in wanted if "artifactType" in each}:
            with checks.of(f"referrers of {kind}"):
                answer = await api.referrers(name, subject, artifactType=kind)
                assert "artifactType" in answer.headers.get("OCI-Filters-Applied", "")
                expected = [each for each in wanted if each.get("artifactType") == kind]
                listed = answer.json["manifests"]
                assert all(is_listed(each, listed) for each in expected), listed
                assert len(listed) == len(expected)


async def delete(api: Client, checks: Checks, name: str, content: Content) -> None:
    for tag, pushed in content.tags.items():
        where = f"/v2/{name}/manifests/{tag}"
        with checks.of(f"delete tag {tag}"):
            answer = await api.ask("DELETE", where)
            answer.is_supported(202, 400, 405)
        if answer.status != 202:
            continue
        with checks.of(f"tag {tag} is gone at once"):
            (await api.manifest("HEAD", name, tag)).is_one_of(404)
        with checks.of(f"the manifest of {tag} stays"):
            await api.shows(name, pushed.digest, pushed)
    for pushed in reversed(content.manifests):
        where = f"/v2/{name}/manifests/{pushed.digest}"
        with checks.of(f"delete manifest {pushed.digest[:20]}"):
            (await api.ask("DELETE", where)).is_one_of(404 if content.corrupt else 202)
        with checks.of(f"manifest {pushed.digest[:20]} is gone at once"):
            (await api.manifest("HEAD", name, pushed.digest)).is_one_of(404)
    for subject in content.referrers:
        with checks.of("deleted referrers are not listed"):
            assert (await api.referrers(name, subject)).json["manifests"] == []
    for digest in content.blobs:
        await api.is_deleted(checks, name, digest)
