"""Verify finds what is wrong or missing; its repair lets it be fetched or pushed again."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from homeport.mirror.store.api import Hold
from homeport.mirror.store.verify import verify
from homeport.oci.digest import digest_of
from testbed.stores import LOCAL, NGINX, file_blobs, image, put_blob, sqlite_metadata


def test_wrong_and_missing_bytes_are_found_and_repaired(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with file_blobs(tmp_path) as blobs, sqlite_metadata(tmp_path) as metadata:
            contents = [b"good", b"rotten", b"gone", b"short", b"in use", b"stray"]
            for content in contents:
                await put_blob(blobs, content)
            for content in contents[:-1]:
                digest = digest_of(content)
                for home in (LOCAL, NGINX):
                    await metadata.link_blob(home, digest, len(content), at=1.0, durable=True)
            await metadata.put_manifest(NGINX, image("a", "rotten"), at=1.0, durable=False)

            def file(content: bytes) -> Path:
                name = digest_of(content).partition(":")[2]
                return tmp_path / "blobs" / "sha256" / name[:2] / name

            file(b"rotten").write_bytes(b"rotteN")
            file(b"short").write_bytes(b"sho")
            file(b"in use").write_bytes(b"in usE")
            file(b"stray").write_bytes(b"straY")
            file(b"gone").unlink()
            await metadata.hold([digest_of(b"in use")], Hold.UPLOAD, until=9.0)

            report = await verify(blobs, metadata, clock=lambda: 1.0)
            found = {fault.digest: fault.problem for fault in report.faults}
            assert found == {
                digest_of(b"rotten"): "wrong bytes",
                digest_of(b"short"): "wrong bytes",
                digest_of(b"in use"): "wrong bytes",
                digest_of(b"stray"): "wrong bytes",
                digest_of(b"gone"): "missing",
            }
            assert (report.blobs, report.manifests) == (6, 1)
            assert not any(fault.repaired for fault in report.faults)
            assert await metadata.blob(LOCAL, digest_of(b"rotten")) == 6

            report = await verify(blobs, metadata, clock=lambda: 1.0, repair=True)
            repaired = {fault.digest: fault for fault in report.faults}
            assert repaired[digest_of(b"rotten")].homes == (NGINX, LOCAL)
            assert repaired[digest_of(b"rotten")].lost == (LOCAL,)
            assert not repaired[digest_of(b"in use")].repaired
            assert await blobs.stat(digest_of(b"rotten")) is None
            assert await metadata.blob(LOCAL, digest_of(b"rotten")) is None
            assert await metadata.blob(NGINX, digest_of(b"rotten")) == 10
            notes = sorted((tmp_path / "quarantine").glob("*.json"))
            assert {json.loads(note.read_text())["reason"] for note in notes} == {"wrong bytes"}
            assert len(notes) == 3

            # It is pushed again, while nobody is in the way any more.
            await metadata.hold([digest_of(b"rotten")], Hold.UPLOAD, until=9.0)
            await put_blob(blobs, b"rotten")
            await metadata.link_blob(LOCAL, digest_of(b"rotten"), 6, at=2.0, durable=True)
            report = await verify(blobs, metadata, clock=lambda: 10.0, repair=True)
            assert [fault.digest for fault in report.faults] == [digest_of(b"in use")]
            assert (await verify(blobs, metadata, clock=lambda: 10.0)).faults == ()

    asyncio.run(scenario())


def test_a_manifest_with_wrong_bytes_is_lost(tmp_path: Path) -> None:
    async def scenario() -> None:
        manifest = image("a", "layer")
        async with file_blobs(tmp_path) as blobs, sqlite_metadata(tmp_path) as metadata:
            await metadata.put_manifest(LOCAL, manifest, tags=["t"], at=1.0, durable=True)
            with closing(sqlite3.connect(tmp_path / "metadata.db")) as edit, edit:
                edit.execute("UPDATE manifests SET content = :content", {"content": b"{}"})
            report = await verify(blobs, metadata, clock=lambda: 1.0, repair=True)
            assert [(each.what, each.lost) for each in report.faults] == [("manifest", (LOCAL,))]
            assert await metadata.tag(LOCAL, "t") is None
            assert (await verify(blobs, metadata, clock=lambda: 1.0)).faults == ()

    asyncio.run(scenario())
