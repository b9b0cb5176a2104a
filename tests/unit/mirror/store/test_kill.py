"""A process that is killed at any moment leaves a store that opens, whole and complete."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from homeport.mirror.store.verify import verify
from homeport.oci.digest import Digest
from testbed.stores import LOCAL, content_of, file_blobs, sqlite_metadata

KILLS = 30
TESTS = Path(__file__).parents[3]

PROGRAM = """
import asyncio, random, sys
from pathlib import Path
from homeport.mirror.store.api import Hold
from homeport.oci.digest import digest_of
from testbed.stores import LOCAL, file_blobs, image, put_blob, sqlite_metadata

async def push(blobs, metadata, name):
    content = name.encode() * random.randint(1, 60_000)
    digest = digest_of(content)
    await metadata.hold([digest], Hold.UPLOAD, until=1e12)
    await put_blob(blobs, content, f"upload-{name}")
    await metadata.link_blob(LOCAL, digest, len(content), at=1.0, durable=True)
    manifest = image(name)
    await metadata.put_manifest(LOCAL, manifest, tags=[name], at=1.0, durable=True)
    print(name, digest, manifest.digest, flush=True)

async def main(folder, turn):
    async with file_blobs(folder) as blobs, sqlite_metadata(folder) as metadata:
        for info in await blobs.staged():
            await (await blobs.stage(info.key)).drop()
        print("ready", flush=True)
        for number in range(10_000):
            await asyncio.gather(*(push(blobs, metadata, f"{turn}-{number}-{i}") for i in range(4)))

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(9)  # noqa: S311 - a test
    environment = {**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent / 'src'}"}
    acknowledged: list[list[str]] = []
    for turn in range(KILLS):
        process = begin(tmp_path, turn, environment)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            process.wait(chance.uniform(0.0, 0.1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        assert process.wait(10) == -signal.SIGKILL
        process.stdout.close()
        whole = rest[: rest.rfind("\n") + 1]
        acknowledged += [line.split() for line in whole.splitlines()]
    assert len(acknowledged) > KILLS
    asyncio.run(everything_is_there(tmp_path, acknowledged))


def begin(folder: Path, turn: int, environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), str(turn)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


async def everything_is_there(folder: Path, acknowledged: list[list[str]]) -> None:
    async with file_blobs(folder) as blobs, sqlite_metadata(folder) as metadata:
        for name, blob, manifest in acknowledged:
            assert await content_of(blobs, Digest(blob)) is not None
            assert await metadata.blob(LOCAL, Digest(blob)) is not None
            row = await metadata.tag(LOCAL, name)
            assert row is not None
            assert row.digest == manifest
            assert await metadata.manifest(LOCAL, Digest(manifest)) is not None
        assert (await verify(blobs, metadata, clock=lambda: 1.0)).faults == ()
