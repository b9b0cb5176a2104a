"""end-12: local, the upstream's, and both; filters and pages."""

import asyncio
import json
from typing import Any

import pytest

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.exchange import Reply
from homeport.mirror.model.record import Cache
from homeport.mirror.pull.referrers_index import entries_of, page_of, referrers_tag
from homeport.oci.digest import digest_of
from homeport.oci.error_code import ErrorCode
from homeport.oci.media_type import OCI_INDEX, OCI_MANIFEST
from homeport.remote.errors import (
    BusyError,
    DeniedError,
    FailedError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)
from testbed.reading import NGINX, TEAM, Reading, image, index, reading, signature

SUBJECT = digest_of(image())
SBOM = "application/spdx+json"
SIGNED = "application/vnd.example.signature"


def entries(reply: Reply) -> list[dict[str, Any]]:
    assert reply.status == 200
    assert isinstance(reply.body, bytes)
    assert reply.headers["Content-Type"] == OCI_INDEX
    assert reply.headers["Content-Length"] == str(len(reply.body))
    document = json.loads(reply.body)
    assert (document["schemaVersion"], document["mediaType"]) == (2, OCI_INDEX)
    return list(document["manifests"])


def digests(reply: Reply) -> list[str]:
    return [entry["digest"] for entry in entries(reply)]


def listed(*contents: bytes, **fields: Any) -> bytes:
    found = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": digest_of(content),
            "size": len(content),
            "artifactType": json.loads(content).get("artifactType"),
            **fields,
        }
        for content in contents
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}).encode()


async def error(world: Reading, *what: Any, **more: Any) -> RegistryError:
    try:
        await world.referrers(*what, **more)
    except RegistryError as raised:
        return raised
    raise AssertionError("answered")


@pytest.mark.parametrize("repository", [TEAM, NGINX])
def test_nothing_refers_to_what_is_unknown(repository: Any) -> None:
    async def scenario() -> None:
        async with reading() as world:
            for _ in range(2):
                assert entries(await world.referrers(SUBJECT, repository=repository)) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("digest", ["latest", "sha256:abc", "md5:" + "a" * 32, ""])
def test_malformed_digests(digest: str) -> None:
    async def scenario() -> None:
        async with reading() as world:
            for repository in (TEAM, NGINX):
                raised = await error(world, digest, repository=repository)
                assert (raised.status, raised.code) == (400, ErrorCode.DIGEST_INVALID)

    asyncio.run(scenario())


def test_local_referrers_with_their_types_and_annotations() -> None:
    async def scenario() -> None:
        async with reading() as world:
            signed = signature(image(), SIGNED, annotations={"who": "me"})
            sbom = signature(image(), SBOM)
            for content in (signed, sbom, image()):
                await world.push(content)
            reply = await world.referrers(SUBJECT, repository=TEAM)
            found = {entry["digest"]: entry for entry in entries(reply)}
            assert found[digest_of(signed)] == {
                "mediaType": OCI_MANIFEST,
                "digest": digest_of(signed),
                "size": len(signed),
                "artifactType": SIGNED,
                "annotations": {"who": "me"},
            }
            assert set(found) == {digest_of(signed), digest_of(sbom)}
            assert "OCI-Filters-Applied" not in reply.headers
            reply = await world.referrers(SUBJECT, {"artifactType": SBOM}, repository=TEAM)
            assert digests(reply) == [digest_of(sbom)]
            assert reply.headers["OCI-Filters-Applied"] == "artifactType"
            assert world.upstream.asked == []

    asyncio.run(scenario())


def test_the_referrers_tag_schema_is_merged_in() -> None:
    async def scenario() -> None:
        async with reading() as world:
            old, new = signature(image(), SIGNED), signature(image(), SBOM)
            await world.push(new)
            schema = listed(old, new)
            await world.push(schema, referrers_tag(SUBJECT))
            reply = await world.referrers(SUBJECT, repository=TEAM)
            assert digests(reply) == [digest_of(new), digest_of(old)]

    asyncio.run(scenario())


def test_a_tag_of_that_name_which_is_no_index_harms_nobody() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await world.push(image("else"), referrers_tag(SUBJECT))
            assert digests(await world.referrers(SUBJECT, repository=TEAM)) == []

    asyncio.run(scenario())


def test_the_upstreams_come_first_then_the_overlay_each_once() -> None:
    async def scenario() -> None:
        async with reading() as world:
            theirs, ours = signature(image(), SIGNED), signature(image(), SBOM)
            world.upstream.referrers[SUBJECT] = listed(theirs, extra={"kept": [1]})
            await world.push(ours, repository=NGINX.overlay)
            await world.push(theirs, repository=NGINX.overlay)
            reply = await world.referrers(SUBJECT)
            assert digests(reply) == [digest_of(theirs), digest_of(ours)]
            assert entries(reply)[0]["extra"] == {"kept": [1]}
            assert digests(await world.referrers(SUBJECT, {"artifactType": SBOM})) == [
                digest_of(ours)
            ]

    asyncio.run(scenario())


def test_the_upstreams_answer_is_believed_as_long_as_a_tag() -> None:
    async def scenario() -> None:
        async with reading(tag_ttl=900.0) as world:
            world.upstream.referrers[SUBJECT] = None
            for seconds, asked in ((0, 1), (899, 1), (2, 2)):
                world.clock.pass_by(seconds)
                await world.referrers(SUBJECT)
                assert len(world.upstream.asked) == asked
            # What is pushed here is seen at once.
            ours = signature(image(), SBOM)
            await world.push(ours, repository=NGINX.overlay)
            assert digests(await world.referrers(SUBJECT)) == [digest_of(ours)]

    asyncio.run(scenario())


def test_those_who_ask_together_ask_once() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await asyncio.gather(*(world.referrers(SUBJECT) for _ in range(10)))
            assert len(world.upstream.asked) == 1

    asyncio.run(scenario())


FAILURES: list[tuple[RemoteError, int]] = [
    (BusyError("slow down"), 429),
    (UnreachableError("refused"), 502),
    (TimedOutError("late"), 504),
    (FailedError("broken", status=500), 502),
    (DeniedError("no", status=401), 403),
]


@pytest.mark.parametrize(("failure", "status"), FAILURES)
def test_nobody_says_none_who_could_not_ask(failure: RemoteError, status: int) -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.failure = failure
            for _ in range(2):
                assert (await error(world, SUBJECT)).status == status

    asyncio.run(scenario())


@pytest.mark.parametrize(("failure", "status"), FAILURES)
def test_what_is_known_is_served_with_a_warning(failure: RemoteError, status: int) -> None:
    async def scenario() -> None:
        async with reading(tag_ttl=900.0) as world:
            theirs, ours = signature(image(), SIGNED), signature(image(), SBOM)
            world.upstream.referrers[SUBJECT] = listed(theirs)
            await world.push(ours, repository=NGINX.overlay)
            await world.referrers(SUBJECT)
            world.clock.pass_by(1000)
            world.upstream.failure = failure
            reply = await world.referrers(SUBJECT)
            assert digests(reply) == [digest_of(theirs), digest_of(ours)]
            assert reply.headers["Warning"].startswith("299 - ")
            assert reply.headers["Age"] == "1000"
            assert reply.outcome is not None
            assert reply.outcome.cache is Cache.STALE
            # After a restart: what was pulled or pushed.
            world.manifests.reconfigured()
            await world.push(theirs, repository=NGINX)
            assert digests(await world.referrers(SUBJECT)) == [digest_of(theirs), digest_of(ours)]
            assert status >= 400

    asyncio.run(scenario())


def test_a_black_hole_does_not_hang_lists() -> None:
    async def scenario() -> None:
        async with reading(answer_timeout=0.2) as world:
            world.upstream.gate = asyncio.Event()
            for _ in range(3):
                assert (await error(world, SUBJECT)).status == 504
            assert len(world.upstream.asked) == 1  # the others did not wait

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_an_upstream_without_the_repository_has_no_referrers() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.failure = NotFoundError("unknown", status=404)
            assert entries(await world.referrers(SUBJECT)) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"manifests": 1}', b"[" * 5000])
def test_an_answer_that_is_no_index_is_a_failure(content: bytes) -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.referrers[SUBJECT] = content
            assert (await error(world, SUBJECT)).status == 502

    asyncio.run(scenario())


def test_hostile_entries_are_dropped() -> None:
    good = {"mediaType": OCI_MANIFEST, "digest": SUBJECT, "size": 1}
    bad: list[dict[str, Any]] = [
        {**good, "digest": "sha256:../../etc"},
        {**good, "digest": 1},
        {**good, "size": -1},
        {**good, "size": True},
        {**good, "size": "1"},
        {**good, "mediaType": None},
        {**good, "artifactType": ["x"]},
        {},
    ]
    content = json.dumps({"manifests": [*bad, good]}).encode()
    assert entries_of(content) == (good,)
    with pytest.raises(ValueError, match="more than"):
        entries_of(json.dumps({"manifests": [{}] * 10_001}).encode())
    with pytest.raises(ValueError, match="more than"):
        entries_of(b" " * (16 * 1024**2 + 1))


def test_large_lists_come_in_pages() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.manifests._referrer_lists._page_bytes = 2000
            contents = [signature(image(), SBOM, number=number) for number in range(50)]
            other = signature(image(), SIGNED)
            world.upstream.referrers[SUBJECT] = listed(*contents[:30], other)
            for content in contents[30:]:
                await world.push(content, repository=NGINX.overlay)
            seen: list[str] = []
            query = {"artifactType": SBOM}
            for _ in range(60):
                reply = await world.referrers(SUBJECT, query, namespace="docker.io")
                assert isinstance(reply.body, bytes)
                assert len(reply.body) < 2100
                seen += digests(reply)
                if "Link" not in reply.headers:
                    break
                last = digests(reply)[-1]
                assert reply.headers["Link"] == (
                    f"</v2/library/nginx/referrers/{SUBJECT}?artifactType=application%2Fspdx%2Bjson"
                    f'&last={last.replace(":", "%3A")}&ns=docker.io>; rel="next"'
                )
                query = {"artifactType": SBOM, "last": last}
            assert sorted(seen) == sorted(map(digest_of, contents))

    asyncio.run(scenario())


def test_a_page_has_at_least_one_entry_and_a_lost_place_is_said() -> None:
    found = [{"digest": str(number), "note": "x" * 100} for number in range(3)]
    first = page_of(found, artifact_type=None, after=None, limit=10)
    assert len(json.loads(first.content)["manifests"]) == 1
    assert first.next == "0"
    last = page_of(found, artifact_type=None, after="2", limit=10)
    assert (json.loads(last.content)["manifests"], last.next) == ([], None)
    with pytest.raises(ValueError, match="begin again"):
        page_of(found, artifact_type=None, after="9", limit=10)


def test_a_lost_place_and_a_long_type_are_400() -> None:
    async def scenario() -> None:
        async with reading() as world:
            for query in ({"last": SUBJECT}, {"artifactType": "x" * 256}):
                assert (await error(world, SUBJECT, query)).status == 400

    asyncio.run(scenario())


def test_what_upstreams_said_is_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr("homeport.mirror.pull.referrers.CACHE_BYTES", 10_000)
        async with reading() as world:
            lists = world.manifests._referrer_lists
            for number in range(50):
                await world.referrers(digest_of(str(number).encode()))
                assert lists._size <= 10_000
            assert lists._size == sum(known.size for known in lists._known.values())
            assert 5 < len(lists._known) < 50

    asyncio.run(scenario())


def test_children_are_not_referrers() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await world.push(image())
            await world.push(index(image()))
            assert entries(await world.referrers(SUBJECT, repository=TEAM)) == []

    asyncio.run(scenario())
