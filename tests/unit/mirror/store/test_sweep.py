"""Collection and eviction: what is needed stays, what is not goes, whatever happens meanwhile."""

import asyncio
from collections.abc import Awaitable

import pytest

from homeport.mirror.model.config import StoreConfig
from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import BACKUP, HOLD_FOR, Hold, UploadRow
from homeport.mirror.store.memory.blobs import MemoryBlobs
from homeport.mirror.store.memory.metadata import MemoryMetadata
from homeport.mirror.store.sweep import LEASE, Sweep, pins
from homeport.oci.digest import digest_of
from testbed.stores import LOCAL, NGINX, OTHER, image, index, put_blob

DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """Memory stores, a sweep over them, and a clock that is set by hand."""

    def __init__(self, config: StoreConfig | None = None) -> None:
        self.clock = Clock()
        self.blobs = MemoryBlobs(clock=self.clock)
        self.metadata = MemoryMetadata(clock=self.clock)
        self.sweep = Sweep(self.blobs, self.metadata, config or StoreConfig(), self.clock)

    async def image(self, home: Repository, name: str, *layers: str, tag: str = "t") -> str:
        """An image whose config and layers (100 bytes each) are here and linked."""
        manifest = image(name, *layers)
        contents = [f"config-{name}".encode(), *(layer.encode() for layer in layers)]
        for content in contents:
            digest = digest_of(content)
            self.blobs.put(digest, content)
            await self.metadata.link_blob(home, digest, 100, at=self.clock(), durable=False)
        await self.metadata.put_manifest(home, manifest, tags=[tag], at=self.clock(), durable=False)
        return manifest.digest

    def kept(self) -> set[bytes]:
        return set(self.blobs.content.values())


def run(scenario: Awaitable[None]) -> None:
    async def main() -> None:
        await scenario

    asyncio.run(main())


def test_only_what_nothing_reaches_goes() -> None:
    async def scenario() -> None:
        store = Store()
        first = await store.image(LOCAL, "a", "shared", "alone", tag="a")
        await store.image(LOCAL, "b", "shared", tag="b")
        await store.metadata.delete_manifest(LOCAL, first)
        report = await store.sweep.collect()
        assert (report.digests, report.freed) == (1, 0)  # the manifest; its blobs are still linked
        store.clock.now += DAY + 1
        report = await store.sweep.collect()
        assert (report.links, report.digests) == (2, 2)
        assert report.freed == len(b"alone") + len(b"config-a")
        assert store.kept() == {b"shared", b"config-b"}
        assert await store.metadata.blob(LOCAL, digest_of(b"shared")) == 100

    run(scenario())


def test_a_survey_tells_what_a_collection_then_takes() -> None:
    async def scenario() -> None:
        store = Store()
        first = await store.image(LOCAL, "a", "shared", "alone", tag="a")
        await store.image(LOCAL, "b", "shared", tag="b")
        await store.metadata.delete_manifest(LOCAL, first)
        await put_blob(store.blobs, b"orphan")
        staged = await store.blobs.stage("fill-x")
        await staged.append(b"part")
        await staged.close()
        store.clock.now += DAY + 1
        kept = store.kept()
        told = await store.sweep.survey()
        assert store.kept() == kept
        assert told == await store.sweep.collect()
        assert (told.links, told.digests, told.staged_bytes) == (2, 4, 4)
        assert told.freed == len(b"alone") + len(b"config-a") + len(b"orphan")

    run(scenario())


def test_bytes_without_a_row_go_after_an_hour_unless_they_are_held() -> None:
    async def scenario() -> None:
        store = Store()
        orphan, fill = await put_blob(store.blobs, b"orphan"), await put_blob(store.blobs, b"fill")
        assert (await store.sweep.collect()).digests == 0
        store.clock.now += 3601
        until = store.clock() + HOLD_FOR[Hold.FILL]
        await store.metadata.hold([fill], Hold.FILL, until=until)
        report = await store.sweep.collect()
        assert (report.digests, report.freed) == (1, 6)
        assert await store.blobs.stat(orphan) is None
        assert await store.blobs.stat(fill) == 4

    run(scenario())


def test_rows_without_bytes_are_lost_at_the_start() -> None:
    async def scenario() -> None:
        store = Store()
        await store.image(NGINX, "a", "layer", "other")
        del store.blobs.content[digest_of(b"layer")]
        assert list(await store.sweep.reconcile()) == [digest_of(b"layer")]
        # The manifest proves it, but the bytes are to be fetched again.
        missing = await store.metadata.missing(NGINX, [digest_of(b"layer"), digest_of(b"other")])
        assert list(missing) == [digest_of(b"layer")]
        assert list(await store.sweep.reconcile()) == []

    run(scenario())


def test_old_staged_content_goes_with_its_upload() -> None:
    async def scenario() -> None:
        store = Store()
        row = UploadRow(session="s", repository=LOCAL, started=0.0)
        await store.metadata.put_upload(row)
        for key in ("upload-s", "fill-x", "upload-open"):
            staged = await store.blobs.stage(key)
            await staged.append(b"abc")
            if key != "upload-open":
                await staged.close()
        store.clock.now += DAY - 1
        assert (await store.sweep.collect()).staged == 0
        store.clock.now += 2
        report = await store.sweep.collect()
        assert (report.staged, report.staged_bytes) == (2, 6)
        assert [info.key for info in await store.blobs.staged()] == ["upload-open"]
        assert await store.metadata.upload("s") is None

    run(scenario())


def test_eviction_takes_the_coldest_and_spares_pins_holds_and_local_images() -> None:
    async def scenario() -> None:
        store = Store(StoreConfig(pins=("docker.io/library/nginx:pin*",)))
        await store.image(LOCAL, "mine", "local")
        await store.image(NGINX, "pinned", "pinned", tag="pin-1")
        held = await store.image(NGINX, "held", "held", tag="held")
        await store.image(OTHER, "cold", "cold", "shared", tag="cold")
        store.clock.now += 1
        await store.image(OTHER, "warm", "warm", "shared", tag="warm")
        until = store.clock() + HOLD_FOR[Hold.SERVED]
        await store.metadata.hold([held], Hold.SERVED, until=until)  # type: ignore[list-item]
        assert await store.sweep.evict(5) == len(b"cold" + b"config-cold")
        kept = store.kept()
        assert b"cold" not in kept
        assert {b"warm", b"shared", b"held", b"pinned", b"local"} <= kept
        assert await store.sweep.evict(10_000) == len(b"warm" + b"config-warm" + b"shared")
        assert {b"held", b"pinned", b"local"} <= store.kept()
        assert await store.metadata.tag(OTHER, "warm") is None
        assert await store.sweep.evict(1) == 0

    run(scenario())


def test_an_index_goes_before_its_children() -> None:
    async def scenario() -> None:
        store = Store()
        child = await store.image(NGINX, "child", "layer")
        parent = index(image("child", "layer"))
        store.clock.now += 1
        await store.metadata.put_manifest(NGINX, parent, at=store.clock(), durable=False)
        assert await store.sweep.evict(1) == len(b"layer" + b"config-child")
        assert await store.metadata.manifest(NGINX, parent.digest) is None
        assert await store.metadata.manifest(NGINX, child) is None  # type: ignore[arg-type]

    run(scenario())


def test_a_round_keeps_below_the_quota_and_one_replica_does_it() -> None:
    async def scenario() -> None:
        store = Store(StoreConfig(quota=1000))
        for number in range(10):
            store.clock.now += 1
            await store.image(NGINX, f"{number}", f"{number}" * 92, tag=f"t{number}")
        assert (await store.blobs.usage()).blobs == 1000
        await store.metadata.take_lease(LEASE, "another", now=0.0, until=store.clock() + 9)
        assert await store.sweep.round() is None
        assert (await store.blobs.usage()).blobs == 1000
        store.clock.now += 10
        assert await store.sweep.round() is not None
        assert (await store.blobs.usage()).blobs <= 900
        assert await store.metadata.tag(NGINX, "t0") is None
        assert await store.metadata.tag(NGINX, "t9") is not None

    run(scenario())


def test_the_loop_goes_on_after_a_failure() -> None:
    async def scenario() -> None:
        store = Store()
        rounds = 0
        failures: list[Exception] = []

        async def sleep(seconds: float) -> None:
            nonlocal rounds
            assert seconds == StoreConfig().sweep_interval
            rounds += 1
            if rounds == 2:
                await store.metadata.take_lease(BACKUP, "x", now=0.0, until=1.0)
            if rounds == 3:
                raise asyncio.CancelledError

        sweep = Sweep(
            store.blobs,
            store.metadata,
            StoreConfig(),
            store.clock,
            sleep=sleep,
            failed=failures.append,
        )
        with pytest.raises(asyncio.CancelledError):
            await sweep.run()
        assert failures == []
        assert sweep.last is not None

    run(scenario())


def test_nothing_goes_while_a_backup_is_made() -> None:
    async def scenario() -> None:
        store = Store()
        store.blobs.put(digest_of(b"orphan"), b"orphan")
        store.clock.now += 2 * DAY
        until = store.clock() + 60
        await store.metadata.take_lease(BACKUP, "me", now=store.clock(), until=until)
        assert (await store.sweep.collect()).digests == 0
        await store.metadata.release_lease(BACKUP, "me")
        assert (await store.sweep.collect()).digests == 1

    run(scenario())


def test_pins_are_globs_over_the_whole_name() -> None:
    pinned = pins(("docker.io/library/*:1.*", "quay.io/**"))
    assert pinned(NGINX, "1.27")
    assert not pinned(NGINX, "latest")
    assert not pinned(Repository("docker.io", "library/nginx/deep"), "1.27")
    assert pinned(Repository("quay.io", "a/b"), "sha256:00")
    assert not pinned(Repository("ghcr.io", "quay.io/x"), "1.0")
    assert not pins(())(NGINX, "1.27")
