"""The contract of `Metadata`: every implementation behaves like this."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import (
    BACKUP,
    Change,
    Hold,
    ImmutableTagError,
    Kind,
    Metadata,
    UploadRow,
)
from homeport.oci.digest import Digest, digest_of
from homeport.oci.manifest import Descriptor, Manifest
from homeport.oci.media_type import FOREIGN_LAYER, OCI_INDEX, OCI_MANIFEST
from testbed.stores import (
    CONFIG,
    LOCAL,
    NGINX,
    OTHER,
    blob,
    image,
    index,
    link,
    memory_metadata,
    put,
    sqlite_metadata,
)

Opened = Callable[[Path], AbstractAsyncContextManager[Metadata]]


@pytest.fixture(params=[sqlite_metadata, memory_metadata], ids=["sqlite", "memory"])
def opened(request: pytest.FixtureRequest) -> Opened:
    found: Opened = request.param
    return found


def run(scenario: Awaitable[None]) -> None:
    async def main() -> None:
        await scenario

    asyncio.run(main())


def test_a_manifest_comes_back_as_it_went_in_and_only_where_it_is_linked(
    opened: Opened, tmp_path: Path
) -> None:
    async def scenario() -> None:
        manifest = image("a", "one", "two", "one")
        async with opened(tmp_path) as metadata:
            assert await metadata.manifest(NGINX, manifest.digest) is None
            assert not await metadata.has_repository(NGINX)
            await put(metadata, NGINX, manifest, "1.0", "latest", at=5.0)
            assert await metadata.manifest(NGINX, manifest.digest) == manifest
            assert await metadata.manifest(OTHER, manifest.digest) is None
            row = await metadata.tag(NGINX, "latest")
            assert row is not None
            assert (row.digest, row.media_type) == (manifest.digest, OCI_MANIFEST)
            assert (row.size, row.checked, row.gone) == (len(manifest.content), 5.0, None)
            assert await metadata.tag(OTHER, "latest") is None
            assert await metadata.has_repository(NGINX)
            await put(metadata, OTHER, manifest)
            assert await metadata.manifest(OTHER, manifest.digest) == manifest

    run(scenario())


def test_one_repository_does_not_change_anothers_media_type(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        content = b'{"schemaVersion": 2, "manifests": [], "layers": []}'
        mine = Manifest(digest=digest_of(content), media_type=OCI_INDEX, content=content)
        evil = Manifest(digest=digest_of(content), media_type=OCI_MANIFEST, content=content)
        async with opened(tmp_path) as metadata:
            await put(metadata, NGINX, mine, "latest")
            await put(metadata, LOCAL, evil, "latest")
            assert await metadata.manifest(NGINX, mine.digest) == mine
            assert await metadata.manifest(LOCAL, mine.digest) == evil
            await metadata.delete_manifest(LOCAL, mine.digest)
            await metadata.forget(mine.digest, now=1.0)
            assert await metadata.manifest(NGINX, mine.digest) == mine

    run(scenario())


def test_tags_are_checked_marked_moved_and_deleted(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        old, new = image("old"), image("new")
        async with opened(tmp_path) as metadata:
            await put(metadata, NGINX, old, "latest")
            await metadata.mark_gone(NGINX, "latest", at=8.0)
            row = await metadata.tag(NGINX, "latest")
            assert row is not None
            assert (row.checked, row.gone) == (1.0, 8.0)
            await metadata.confirm_tag(NGINX, "latest", at=9.0)
            row = await metadata.tag(NGINX, "latest")
            assert row is not None
            assert (row.checked, row.gone) == (9.0, None)
            await metadata.confirm_tag(NGINX, "unknown", at=9.0)
            assert await metadata.tag(NGINX, "unknown") is None
            await metadata.mark_gone(NGINX, "latest", at=9.5)
            await put(metadata, NGINX, new, "latest", at=10.0)
            row = await metadata.tag(NGINX, "latest")
            assert row is not None
            assert (row.digest, row.checked, row.gone) == (new.digest, 10.0, None)
            assert await metadata.tags_of(NGINX, old.digest) == []
            assert await metadata.tags_of(NGINX, new.digest) == ["latest"]
            assert await metadata.delete_tag(NGINX, "latest")
            assert not await metadata.delete_tag(NGINX, "latest")
            assert not await metadata.delete_tag(OTHER, "latest")
            assert await metadata.manifest(NGINX, new.digest) == new

    run(scenario())


def test_lists_are_in_ascii_order_and_go_on(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        names = ["A", "Z", "_x", "a", "a-1", "a.1", "b"]
        async with opened(tmp_path) as metadata:
            for name in reversed(names):
                await put(metadata, NGINX, image(name), name)
            await put(metadata, LOCAL, image("l"))
            await link(metadata, OTHER, "only-a-blob")
            assert list(await metadata.tags(NGINX, after="", limit=99)) == sorted(names)
            assert list(await metadata.tags(NGINX, after="_x", limit=2)) == ["a", "a-1"]
            assert list(await metadata.tags(NGINX, after="b", limit=2)) == []
            assert list(await metadata.tags(NGINX, after="", limit=0)) == []
            assert list(await metadata.tags(OTHER, after="", limit=9)) == []
            every: list[Repository] = [NGINX, LOCAL]
            assert list(await metadata.repositories(after=None, limit=9)) == every
            assert list(await metadata.repositories(after=NGINX, limit=9)) == [LOCAL]
            assert list(await metadata.repositories(after=None, limit=1)) == [NGINX]
            found = await metadata.repositories(after=None, limit=9, upstream="local")
            assert list(found) == [LOCAL]
            digests = sorted(image(name).digest for name in names)
            assert list(await metadata.linked(NGINX, after="", limit=99)) == digests
            assert list(await metadata.linked(NGINX, after=digests[4], limit=1)) == digests[5:6]

    run(scenario())


def test_an_immutable_tag_stays_and_nothing_else_is_stored(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        old, new = image("old"), image("new")
        async with opened(tmp_path) as metadata:
            await put(metadata, LOCAL, old, "v1")
            with pytest.raises(ImmutableTagError) as caught:
                await metadata.put_manifest(
                    LOCAL,
                    new,
                    tags=("free", "v1"),
                    at=2.0,
                    durable=True,
                    immutable=lambda tag: tag.startswith("v"),
                )
            assert caught.value.args == ("v1",)
            assert await metadata.manifest(LOCAL, new.digest) is None
            assert await metadata.tag(LOCAL, "free") is None
            await metadata.put_manifest(
                LOCAL, old, tags=("v1", "v2"), at=3.0, durable=True, immutable=lambda _: True
            )
            assert list(await metadata.tags(LOCAL, after="", limit=9)) == ["v1", "v2"]

    run(scenario())


def test_deleting_a_manifest_takes_its_tags_along(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        gone, stays = image("gone"), image("stays")
        async with opened(tmp_path) as metadata:
            await put(metadata, LOCAL, gone, "a", "b")
            await put(metadata, LOCAL, stays, "c")
            await put(metadata, NGINX, gone, "a")
            assert await metadata.delete_manifest(LOCAL, gone.digest)
            assert not await metadata.delete_manifest(LOCAL, gone.digest)
            assert await metadata.manifest(LOCAL, gone.digest) is None
            assert list(await metadata.tags(LOCAL, after="", limit=9)) == ["c"]
            assert await metadata.manifest(NGINX, gone.digest) == gone
            assert await metadata.has_repository(LOCAL)

    run(scenario())


def test_referrers_are_described(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        subject = image("subject")
        one = image("one", subject=subject, artifact_type="application/x-sbom")
        two = image("two", subject=subject)
        async with opened(tmp_path) as metadata:
            assert list(await metadata.referrers(NGINX, subject.digest)) == []
            for each in (one, two, image("three", subject=one)):
                await put(metadata, NGINX, each)
            await put(metadata, OTHER, image("four", subject=subject))
            found = await metadata.referrers(NGINX, subject.digest)
            expected = [
                Descriptor(
                    media_type=OCI_MANIFEST,
                    digest=each.digest,
                    size=len(each.content),
                    artifact_type=artifact_type,
                    annotations=each.annotations,
                )
                for each, artifact_type in ((one, "application/x-sbom"), (two, CONFIG))
            ]
            assert list(found) == sorted(expected, key=lambda each: each.digest)
            await metadata.delete_manifest(NGINX, one.digest)
            found = await metadata.referrers(NGINX, subject.digest)
            assert [each.digest for each in found] == [two.digest]

    run(scenario())


def test_a_blob_is_shown_where_it_is_linked_or_proven(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as metadata:
            await link(metadata, NGINX, "direct")
            assert await metadata.blob(NGINX, blob("direct")) == 100
            assert await metadata.blob(OTHER, blob("direct")) is None
            assert list(await metadata.blob_homes(blob("direct"))) == [NGINX]

            await put(metadata, OTHER, image("a", "layer", "direct"))
            assert await metadata.blob(OTHER, blob("layer")) == 10  # not here: as it is described
            assert await metadata.blob(OTHER, blob("direct")) == 100
            assert list(await metadata.blob_homes(blob("direct"))) == [NGINX]

            foreign = image("f", "private", media_type=FOREIGN_LAYER)
            await link(metadata, LOCAL, "private")
            await put(metadata, NGINX, foreign)
            assert await metadata.blob(NGINX, blob("private")) is None

            evil = Repository("local", "evil/app")
            await put(metadata, evil, image("e", "private"))
            assert await metadata.blob(evil, blob("private")) is None

            assert await metadata.unlink_blob(NGINX, blob("direct"))
            assert not await metadata.unlink_blob(NGINX, blob("direct"))
            assert await metadata.blob(NGINX, blob("direct")) is None

    run(scenario())


def test_what_a_push_lacks_is_told_in_its_order(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        child = image("child", "x")
        async with opened(tmp_path) as metadata:
            await link(metadata, LOCAL, "here")
            await link(metadata, NGINX, "elsewhere")
            await put(metadata, LOCAL, child)
            await put(metadata, NGINX, image("n", "elsewhere", "not-fetched"))
            asked = [blob("z"), blob("here"), blob("elsewhere"), child.digest, blob("x"), blob("b")]
            missing = await metadata.missing(LOCAL, asked)
            assert list(missing) == [blob("z"), blob("elsewhere"), blob("x"), blob("b")]
            asked = [blob("elsewhere"), blob("not-fetched")]
            assert list(await metadata.missing(NGINX, asked)) == [blob("not-fetched")]
            assert list(await metadata.missing(Repository("local", "new"), asked)) == asked
            assert list(await metadata.unknown([blob("q"), blob("here")])) == [blob("q")]

    run(scenario())


def test_uploads_and_leases(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as metadata:
            rows = [
                UploadRow(session="s1", repository=LOCAL, started=1.0),
                UploadRow(session="s2", repository=NGINX, started=2.0, algorithm="sha512"),
            ]
            for row in rows:
                await metadata.put_upload(row)
            assert list(await metadata.uploads()) == rows
            assert await metadata.upload("s2") == rows[1]
            assert await metadata.upload("s3") is None
            assert await metadata.delete_upload("s1")
            assert not await metadata.delete_upload("s1")

            take = metadata.take_lease
            assert await take("sweep", "a", now=0.0, until=10.0)
            assert not await take("sweep", "b", now=9.0, until=20.0)
            assert await take("sweep", "a", now=9.0, until=20.0)
            assert not await take("sweep", "b", now=19.0, until=30.0)
            assert await take("sweep", "b", now=20.0, until=30.0)
            await metadata.release_lease("sweep", "a")
            assert not await take("sweep", "a", now=21.0, until=30.0)
            await metadata.release_lease("sweep", "b")
            assert await take("sweep", "a", now=21.0, until=30.0)

    run(scenario())


def test_changes_are_told_before_the_call_returns(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        subject = image("s")
        manifest = image("m", "layer", subject=subject)
        async with opened(tmp_path) as metadata:
            seen: list[Change] = []
            metadata.subscribe(seen.append)

            def told() -> set[tuple[Kind, str]]:
                found = {(change.kind, change.key) for change in seen}
                assert all(change.repository == NGINX for change in seen)
                seen.clear()
                return found

            whole = {
                (Kind.MANIFEST, manifest.digest),
                (Kind.BLOB, blob("layer")),
                (Kind.BLOB, blob("config-m")),
                (Kind.REFERRERS, subject.digest),
                (Kind.TAG, "t"),
            }
            await put(metadata, NGINX, manifest, "t")
            assert told() == whole
            for call in (metadata.confirm_tag, metadata.mark_gone):
                await call(NGINX, "t", at=2.0)
                assert told() == {(Kind.TAG, "t")}
            await metadata.delete_manifest(NGINX, manifest.digest)
            assert told() == whole
            await metadata.delete_tag(NGINX, "t")
            assert told() == set()
            await link(metadata, NGINX, "b")
            assert told() == {(Kind.BLOB, blob("b"))}
            await metadata.unlink_blob(NGINX, blob("b"))
            assert told() == {(Kind.BLOB, blob("b"))}
            await link(metadata, NGINX, "b")
            await metadata.lose_blob(blob("b"))
            assert told() == {(Kind.BLOB, blob("b"))}
            await put(metadata, NGINX, manifest, "t")
            told()
            await put(metadata, NGINX, image("new"), "t")
            assert (Kind.TAG, "t") in told()

            with pytest.raises(ImmutableTagError):
                await metadata.put_manifest(
                    NGINX, manifest, tags=["t"], at=1.0, durable=True, immutable=lambda _: True
                )
            assert told() == set()

    run(scenario())


def test_a_batch_is_seen_whole_or_not_at_all(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as metadata:
            seen: list[Change] = []
            metadata.subscribe(seen.append)
            inside, outside = asyncio.Event(), asyncio.Event()

            async def other() -> None:
                await inside.wait()
                assert await metadata.blob(NGINX, blob("a")) is None
                outside.set()
                await link(metadata, NGINX, "c")  # waits for the batch
                assert await metadata.blob(NGINX, blob("b")) == 100

            async with asyncio.TaskGroup() as group:
                group.create_task(other())
                async with metadata.batch():
                    await link(metadata, NGINX, "a")
                    assert await metadata.blob(NGINX, blob("a")) == 100
                    assert seen == []
                    inside.set()
                    await outside.wait()
                    async with metadata.batch():
                        await link(metadata, NGINX, "b")
                    await put(metadata, NGINX, image("x"), "t")
                    with pytest.raises(ImmutableTagError):
                        await metadata.put_manifest(
                            NGINX,
                            image("y"),
                            tags=["t"],
                            at=1.0,
                            durable=False,
                            immutable=lambda _: True,
                        )
                    assert await metadata.tag(NGINX, "t") is not None
                assert [each.key for each in seen if each.kind is Kind.BLOB][:2] == [
                    blob("a"),
                    blob("b"),
                ]
            seen.clear()

            async def fail() -> None:
                async with metadata.batch():
                    await link(metadata, NGINX, "lost")
                    raise KeyError

            with pytest.raises(KeyError):
                await fail()
            assert await metadata.blob(NGINX, blob("lost")) is None
            assert seen == []
            await link(metadata, NGINX, "after")
            assert await metadata.blob(NGINX, blob("after")) == 100

    run(scenario())


def test_a_cancelled_batch_is_undone_and_blocks_nobody(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as metadata:
            begun = asyncio.Event()

            async def hang() -> None:
                async with metadata.batch():
                    await link(metadata, NGINX, "lost")
                    begun.set()
                    await asyncio.sleep(60)

            task = asyncio.create_task(hang())
            await begun.wait()
            task.cancel()
            await link(metadata, NGINX, "kept")
            assert await metadata.blob(NGINX, blob("lost")) is None
            assert await metadata.blob(NGINX, blob("kept")) == 100

    run(scenario())


def test_many_at_once(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as metadata:

            async def one(number: int) -> None:
                manifest = image(f"m{number}", f"l{number}")
                await put(metadata, LOCAL, manifest, f"t{number}")
                assert await metadata.manifest(LOCAL, manifest.digest) == manifest
                async with metadata.batch():
                    await link(metadata, LOCAL, f"l{number}", f"k{number}")
                    assert await metadata.blob(LOCAL, blob(f"k{number}")) == 100
                if number % 3 == 0:
                    assert await metadata.delete_manifest(LOCAL, manifest.digest)

            async with asyncio.TaskGroup() as group:
                for number in range(60):
                    group.create_task(one(number))
            assert len(await metadata.tags(LOCAL, after="", limit=99)) == 40
            assert len(await metadata.held_blobs(after="", limit=999)) == 120

    run(scenario())


async def garbage(metadata: Metadata, now: float = 1.0) -> set[Digest]:
    return {digest for digest, _ in await metadata.garbage(now=now, limit=99)}


def test_garbage_is_what_nothing_reaches(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        manifest = image("a", "layer")
        async with opened(tmp_path) as metadata:
            await link(metadata, LOCAL, "layer", "config-a", "loose")
            await put(metadata, LOCAL, manifest, "t")
            assert await garbage(metadata) == set()
            await metadata.unlink_blob(LOCAL, blob("layer"))
            assert await garbage(metadata) == set()  # the manifest still needs it
            await metadata.unlink_blob(LOCAL, blob("loose"))
            assert list(await metadata.garbage(now=1.0, limit=9)) == [(blob("loose"), 100)]
            assert await metadata.forget(blob("loose"), now=1.0)
            await metadata.buried(blob("loose"))
            assert not await metadata.forget(blob("layer"), now=1.0)
            await metadata.delete_manifest(LOCAL, manifest.digest)
            assert await garbage(metadata) == {manifest.digest, blob("layer")}
            for digest in (manifest.digest, blob("layer")):
                assert await metadata.forget(digest, now=1.0)
                await metadata.buried(digest)
            assert await garbage(metadata) == set()
            assert await metadata.blob(LOCAL, blob("config-a")) == 100
            held = await metadata.held_blobs(after="", limit=9)
            assert list(held) == [(blob("config-a"), 100)]
            assert list(await metadata.held_manifests(after="", limit=9)) == []

    run(scenario())


def test_a_hold_keeps_a_manifest_and_all_below_it(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        child = image("c", "layer")
        parent = index(child)
        async with opened(tmp_path) as metadata:
            await link(metadata, NGINX, "layer", "config-c", "loose")
            for each in (child, parent):
                await put(metadata, NGINX, each)
            await metadata.hold([parent.digest], Hold.SERVED, until=50.0)
            await metadata.hold([parent.digest], Hold.SERVED, until=20.0)
            for each in (parent, child):
                await metadata.delete_manifest(NGINX, each.digest)
            for name in ("layer", "config-c", "loose"):
                await metadata.unlink_blob(NGINX, blob(name))
            whole = {parent.digest, child.digest, blob("layer"), blob("config-c")}
            assert await garbage(metadata, 49.0) == {blob("loose")}
            for digest in whole:
                assert not await metadata.forget(digest, now=49.0)
            await metadata.hold([blob("layer")], Hold.FILL, until=90.0)
            assert await garbage(metadata, 50.0) == (whole | {blob("loose")}) - {blob("layer")}
            await metadata.unhold([blob("layer")], Hold.UPLOAD)
            assert not await metadata.forget(blob("layer"), now=60.0)
            await metadata.unhold([blob("layer")], Hold.FILL)
            assert await metadata.forget(blob("layer"), now=60.0)

    run(scenario())


def test_a_hold_of_unknown_content_counts_when_it_comes(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as metadata:
            await metadata.hold([blob("new")], Hold.UPLOAD, until=50.0)
            assert not await metadata.forget(blob("new"), now=1.0)
            await link(metadata, LOCAL, "new")
            await metadata.unlink_blob(LOCAL, blob("new"))
            assert await garbage(metadata, 1.0) == set()

    run(scenario())


def test_a_hold_waits_for_the_burial(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as metadata:
            assert await metadata.forget(blob("x"), now=1.0)  # bytes without a row
            assert not await metadata.forget(blob("x"), now=1.0)
            holding = asyncio.create_task(
                metadata.hold([blob("x"), blob("y")], Hold.UPLOAD, until=9.0)
            )
            await asyncio.wait((holding,), timeout=0.05)
            assert not holding.done()
            await metadata.buried(blob("x"))
            await asyncio.wait_for(holding, 5)
            assert not await metadata.forget(blob("x"), now=1.0)
            await metadata.hold([blob("x")], Hold.UPLOAD, until=9.0)  # a refusal leaves no grave

    run(scenario())


def test_the_condemned_are_not_written_until_they_are_buried(
    opened: Opened, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as metadata:
            await metadata.hold([blob("x")], Hold.UPLOAD, until=9.0)
            await metadata.hold([blob("y")], Hold.SERVED, until=9.0)
            assert not await metadata.condemn(blob("x"), now=8.0)
            await metadata.hold([blob("x")], Hold.UPLOAD, until=9.0)
            assert await metadata.condemn(blob("x"), now=9.0)
            assert await metadata.condemn(blob("y"), now=8.0)
            assert not await metadata.condemn(blob("y"), now=8.0)
            holding = asyncio.create_task(metadata.hold([blob("y")], Hold.FILL, until=99.0))
            await asyncio.wait((holding,), timeout=0.05)
            assert not holding.done()
            await metadata.buried(blob("y"))
            await asyncio.wait_for(holding, 5)

    run(scenario())


def test_nothing_is_forgotten_during_a_backup(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as metadata:
            await metadata.take_lease(BACKUP, "me", now=1.0, until=10.0)
            assert not await metadata.forget(blob("x"), now=9.0)
            await metadata.release_lease(BACKUP, "me")
            assert await metadata.forget(blob("x"), now=9.0)

    run(scenario())


def test_old_links_without_a_manifest_expire(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as metadata:
            await link(metadata, LOCAL, "old", "held", "needed", at=1.0)
            await link(metadata, NGINX, "needed", at=1.0)
            await link(metadata, LOCAL, "new", at=20.0)
            await put(metadata, LOCAL, image("a", "needed"))
            await metadata.hold([blob("held")], Hold.UPLOAD, until=50.0)
            seen: list[Change] = []
            metadata.subscribe(seen.append)
            assert await metadata.expire_links(before=10.0, now=10.0, limit=9) == 2
            assert {(c.repository, c.key) for c in seen} == {
                (LOCAL, blob("old")),
                (NGINX, blob("needed")),
            }
            assert await metadata.blob(LOCAL, blob("old")) is None
            for name in ("held", "needed", "new"):
                assert await metadata.blob(LOCAL, blob(name)) == 100
            assert await metadata.expire_links(before=10.0, now=60.0, limit=9) == 1

    run(scenario())


def test_what_a_collection_would_take_is_told_and_stays(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        unlinked = image("b", "shared", "alone")
        async with opened(tmp_path) as metadata:
            await link(metadata, LOCAL, "old", "held", "needed", "shared", "alone", at=1.0)
            await link(metadata, NGINX, "needed", at=1.0)
            await link(metadata, LOCAL, "new", at=20.0)
            await link(metadata, OTHER, "shared", at=20.0)
            await put(metadata, LOCAL, image("a", "needed"))
            await put(metadata, LOCAL, unlinked)
            await metadata.delete_manifest(LOCAL, unlinked.digest)
            await metadata.hold([blob("held")], Hold.UPLOAD, until=50.0)
            links, digests = await metadata.collectable(before=10.0, now=10.0)
            assert links == 4
            assert set(digests) == {blob("old"), blob("alone"), unlinked.digest}
            assert await metadata.blob(LOCAL, blob("old")) == 100
            assert await metadata.expire_links(before=10.0, now=10.0, limit=99) == links
            assert await garbage(metadata, 10.0) == set(digests)

    run(scenario())


def test_lost_content_is_unlinked_everywhere(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        manifest = image("a", "layer")
        async with opened(tmp_path) as metadata:
            await link(metadata, LOCAL, "layer")
            await put(metadata, LOCAL, manifest, "t")
            await put(metadata, NGINX, manifest, "t")
            assert list(await metadata.lose_blob(blob("layer"))) == [NGINX, LOCAL]
            assert await metadata.blob(LOCAL, blob("layer")) is None
            assert await metadata.blob(NGINX, blob("layer")) == 10  # to be fetched again
            assert list(await metadata.missing(NGINX, [blob("layer")])) == [blob("layer")]
            assert list(await metadata.held_blobs(after="", limit=9)) == []
            assert list(await metadata.lose_manifest(manifest.digest)) == [NGINX, LOCAL]
            assert await metadata.tag(LOCAL, "t") is None
            assert await metadata.manifest(NGINX, manifest.digest) is None
            assert list(await metadata.held_manifests(after="", limit=9)) == []
            assert list(await metadata.lose_manifest(manifest.digest)) == []

    run(scenario())


def test_the_coldest_go_first_and_never_what_is_needed(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        child, other = image("child"), image("other")
        parent = index(child)
        pinned, held, used, mine = image("pinned"), image("held"), image("used"), image("mine")

        def pins(repository: Repository, name: str) -> bool:
            return repository == NGINX and name in ("pin", other.digest)

        async def coldest(
            metadata: Metadata, limit: int = 99
        ) -> Sequence[tuple[Repository, Digest]]:
            return list(await metadata.coldest(now=50.0, limit=limit, pinned=pins))

        async with opened(tmp_path) as metadata:
            await put(metadata, NGINX, pinned, "pin", "x", at=1.0)
            await put(metadata, NGINX, other, at=1.0)
            await put(metadata, OTHER, other, at=2.0)
            await put(metadata, NGINX, held, at=1.0)
            await metadata.hold([held.digest], Hold.SERVED, until=60.0)
            await put(metadata, LOCAL, mine, at=1.0)
            await put(metadata, NGINX, child, at=3.0)
            await put(metadata, NGINX, parent, at=4.0)
            await put(metadata, NGINX, used, at=1.0)
            await metadata.used([(NGINX, used.digest), (OTHER, used.digest)], at=9.0)
            await metadata.used([(NGINX, used.digest)], at=5.0)
            first = [(OTHER, other.digest), (NGINX, parent.digest), (NGINX, used.digest)]
            assert await coldest(metadata) == first
            assert await coldest(metadata, 1) == first[:1]
            assert list(await metadata.parents(NGINX, child.digest)) == [parent.digest]
            assert list(await metadata.parents(OTHER, child.digest)) == []
            await metadata.delete_manifest(NGINX, parent.digest)
            assert (await coldest(metadata))[1] == (NGINX, child.digest)
            await put(metadata, NGINX, parent, at=2.5)  # before its child: both may go
            assert (await coldest(metadata))[1:3] == [
                (NGINX, parent.digest),
                (NGINX, child.digest),
            ]

    run(scenario())


def test_the_size_of_a_namespace_counts_a_blob_once(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as metadata:
            for name in ("team/a", "team/b", "team", "teams/c", "tea"):
                await link(metadata, Repository("local", name), "shared", f"own-{name}")
            await put(metadata, LOCAL, image("m", "not-here"))
            assert await metadata.size_of("local", "team") == 400
            assert await metadata.size_of("local", "team/a") == 200
            assert await metadata.size_of("local", "") == 600
            assert await metadata.size_of("docker.io", "team") == 0
            assert await metadata.size_of("local", "none") == 0

    run(scenario())
