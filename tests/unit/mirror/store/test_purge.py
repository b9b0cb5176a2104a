"""A purge takes what only this image needs."""

import asyncio

from homeport.mirror.store.memory.metadata import MemoryMetadata
from homeport.mirror.store.purge import purge
from testbed.stores import LOCAL, NGINX, blob, image, index, link, put


def test_a_tag_goes_with_what_only_it_needs() -> None:
    async def scenario() -> None:
        metadata = MemoryMetadata(clock=lambda: 5.0)
        shared, alone = image("shared", "one"), image("alone", "two")
        both, other = index(shared, alone), index(shared)
        signature = image("sig", "three", subject=both)
        for each, tags in ((shared, ()), (alone, ()), (both, ("v1",)), (other, ("v2",))):
            await put(metadata, LOCAL, each, *tags)
        await put(metadata, LOCAL, signature)
        await link(metadata, LOCAL, "one", "two", "three")
        report = await purge(metadata, LOCAL, "v1", clock=lambda: 5.0)
        assert report.tags == ("v1",)
        assert set(report.manifests) == {both.digest, alone.digest, signature.digest}
        assert await metadata.manifest(LOCAL, shared.digest) is not None
        assert await metadata.blob(LOCAL, blob("one")) == 100
        assert await metadata.blob(LOCAL, blob("two")) is None
        assert await metadata.blob(LOCAL, blob("three")) is None

    asyncio.run(scenario())


def test_a_manifest_with_another_tag_stays() -> None:
    async def scenario() -> None:
        metadata = MemoryMetadata(clock=lambda: 5.0)
        manifest = image("a", "one")
        await put(metadata, NGINX, manifest, "v1", "latest")
        report = await purge(metadata, NGINX, "v1", clock=lambda: 5.0)
        assert (report.tags, report.manifests) == (("v1",), ())
        assert await metadata.tag(NGINX, "latest") is not None
        report = await purge(metadata, NGINX, manifest.digest, clock=lambda: 5.0)
        assert (report.tags, report.manifests) == (("latest",), (manifest.digest,))
        report = await purge(metadata, NGINX, "unknown", clock=lambda: 5.0)
        assert (report.tags, report.manifests) == ((), ())

    asyncio.run(scenario())


def test_a_whole_repository_goes_and_no_other() -> None:
    async def scenario() -> None:
        metadata = MemoryMetadata(clock=lambda: 5.0)
        for name in ("a", "b"):
            for home in (LOCAL, NGINX):
                await put(metadata, home, image(name, name), name)
                await link(metadata, home, name)
        report = await purge(metadata, LOCAL, clock=lambda: 5.0)
        assert report.tags == ("a", "b")
        assert len(report.manifests) == 2
        assert await metadata.blob(LOCAL, blob("a")) is None
        assert await metadata.tag(NGINX, "a") is not None
        assert await metadata.blob(NGINX, blob("a")) == 100

    asyncio.run(scenario())
