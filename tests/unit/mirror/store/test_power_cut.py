"""What a power cut leaves: acknowledged pushes survive, and nothing corrupt is ever served."""

import asyncio
import shutil
from pathlib import Path

import pytest

from homeport.mirror.errors import DigestMismatchError
from homeport.mirror.model.config import StoreConfig
from homeport.mirror.store.files import open_blobs
from homeport.mirror.store.sqlite.metadata import open_metadata
from homeport.mirror.store.sweep import Sweep
from homeport.mirror.store.verify import verify
from homeport.oci.digest import Digest, digest_of
from testbed.power import Forgetful
from testbed.stores import LOCAL, NGINX, content_of, image, link, put


async def work(folder: Path, disk: Forgetful) -> tuple[dict[Digest, bytes], Path]:
    """Push and fill until the power is cut; what was acknowledged, and the disk afterwards."""
    blobs = await open_blobs(folder, quota=None, reserve=0, clock=lambda: 1.0, disk=disk)
    acknowledged: dict[Digest, bytes] = {}
    chance = disk.chance
    for number in range(chance.randint(1, 12)):
        content = chance.randbytes(chance.randint(1, 5000))
        staged = await blobs.stage(f"upload-{number}")
        await staged.append(content)
        if chance.random() < 0.3:
            await staged.close()
            continue
        durable = chance.random() < 0.5
        digest = digest_of(content)
        await staged.commit(digest, durable=durable)
        await staged.close()
        if durable:
            acknowledged[digest] = content
        elif chance.random() < 0.3:
            assert await blobs.make_durable(digest)
            acknowledged[digest] = content
    after = folder.with_name("after")
    disk.cut(after)
    await blobs.close()
    return acknowledged, after


@pytest.mark.parametrize("seed", range(25))
def test_blobs_are_whole_or_not_there(tmp_path: Path, seed: int) -> None:
    async def scenario() -> None:
        folder = tmp_path / "before"
        folder.mkdir()
        acknowledged, after = await work(folder, Forgetful(folder, seed))
        blobs = await open_blobs(after, quota=None, reserve=0, clock=lambda: 1.0)
        for digest, content in acknowledged.items():
            assert await content_of(blobs, digest) == content
        async for info in blobs.walk():
            content_now = await content_of(blobs, info.digest)
            assert content_now is not None
            assert digest_of(content_now) == info.digest
        for info in await blobs.staged():  # continued, whatever it holds, it cannot become a blob
            staged = await blobs.stage(info.key)
            with pytest.raises(DigestMismatchError):
                await staged.commit(digest_of(b"something else"), durable=True)
            await staged.drop()
        await blobs.close()

    asyncio.run(scenario())


class NoSync(Forgetful):
    def sync(self, descriptor: int) -> None:
        pass


class NoFolderSync(Forgetful):
    def sync_folder(self, path: Path) -> None:
        pass


@pytest.mark.parametrize("careless", [NoSync, NoFolderSync])
def test_the_forgetful_disk_catches_a_missing_sync(
    tmp_path: Path, careless: type[Forgetful]
) -> None:
    async def is_harmed(seed: int) -> bool:
        folder = tmp_path / str(seed) / "before"
        folder.mkdir(parents=True)
        acknowledged, after = await work(folder, careless(folder, seed))
        blobs = await open_blobs(after, quota=None, reserve=0, clock=lambda: 1.0)
        try:
            for digest in acknowledged:
                if await blobs.stat(digest) is None:
                    return True
            found = [info.digest async for info in blobs.walk()]
            contents = [await content_of(blobs, digest) or b"" for digest in found]
            return [digest_of(content) for content in contents] != found
        finally:
            await blobs.close()

    async def scenario() -> None:
        assert any([await is_harmed(seed) for seed in range(8)])

    asyncio.run(scenario())


@pytest.mark.parametrize("seed", range(10))
def test_the_database_keeps_what_was_durable(tmp_path: Path, seed: int) -> None:
    """The log after the last durable commit is torn anywhere, as un-synced writes may be."""

    async def scenario() -> None:
        before, after = tmp_path / "before.db", tmp_path / "after.db"
        log = Path(f"{before}-wal")
        metadata = await open_metadata(before, clock=lambda: 1.0)
        chance = Forgetful(tmp_path, seed).chance
        durable: list[str] = []
        pending: list[str] = []
        synced = b""
        for number in range(30):
            name = f"blob-{number}"
            if chance.random() < 0.3:
                await metadata.link_blob(LOCAL, digest_of(name.encode()), 100, at=1.0, durable=True)
                durable += [*pending, name]
                pending.clear()
                synced = log.read_bytes()
            else:
                await link(metadata, NGINX, name)
                pending.append(name)
        torn = bytearray(log.read_bytes())
        del torn[chance.randint(len(synced), len(torn)) :]
        for place in range(len(synced), len(torn)):
            if chance.random() < 0.01:
                torn[place] ^= 0xFF
        shutil.copy(before, after)
        Path(f"{after}-wal").write_bytes(torn)
        await metadata.close()
        restored = await open_metadata(after, clock=lambda: 1.0)
        held = {digest for digest, _ in await restored.held_blobs(after="", limit=99)}
        assert {digest_of(name.encode()) for name in durable} <= held
        await restored.close()

    asyncio.run(scenario())


def test_a_cache_row_whose_blob_was_forgotten_is_lost_at_the_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = await open_blobs(tmp_path, quota=None, reserve=0, clock=lambda: 1.0)
        metadata = await open_metadata(tmp_path / "metadata.db", clock=lambda: 1.0)
        await link(metadata, NGINX, "layer")
        await put(metadata, NGINX, image("a", "layer"))
        sweep = Sweep(blobs, metadata, StoreConfig(), lambda: 1.0)
        assert list(await sweep.reconcile()) == [digest_of(b"layer")]
        assert (await verify(blobs, metadata, clock=lambda: 1.0)).faults == ()
        await metadata.close()
        await blobs.close()

    asyncio.run(scenario())
