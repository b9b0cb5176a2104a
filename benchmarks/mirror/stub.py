"""The HTTP side alone, with a flow that decides nothing: `python -m benchmarks.mirror.stub …`."""

import argparse
import asyncio
import os
from pathlib import Path

import uvloop

from homeport.mirror.http.server import serve
from homeport.mirror.model.config import ListenerConfig, TlsConfig
from homeport.mirror.model.endpoint import Blob, Manifests
from homeport.mirror.model.exchange import FileBody, Reply, Request
from homeport.oci.digest import digest_of
from homeport.oci.media_type import OCI_MANIFEST


class _Stub:
    def __init__(self, manifest: bytes, blob: str) -> None:
        self._blob = blob
        digest = digest_of(manifest)
        self._manifest = Reply(
            status=200,
            headers={
                "Content-Type": OCI_MANIFEST,
                "Docker-Content-Digest": digest,
                "Etag": f'"{digest}"',
            },
            body=manifest,
        )

    async def handle(self, request: Request) -> Reply:
        if isinstance(request.endpoint, Manifests):
            return self._manifest
        if not isinstance(request.endpoint, Blob):
            return Reply(status=200, body=b"{}")
        file = os.open(self._blob, os.O_RDONLY)
        body = FileBody(
            descriptor=file,
            offset=0,
            length=os.fstat(file).st_size,
            close=lambda: os.close(file),
        )
        return Reply(status=200, headers={"Docker-Content-Digest": "x"}, body=body)

    def finish(self, request: Request, reply: Reply, *, sent: int, complete: bool) -> None:
        """Nobody asks."""


async def _main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("plain", "tls", "manifest", "blob", "certificate", "key"):
        parser.add_argument(name)
    options = parser.parse_args()
    tls = TlsConfig(certificate=options.certificate, key=options.key)
    listeners = (
        ListenerConfig(name="plain", address=options.plain),
        ListenerConfig(name="tls", address=options.tls, tls=tls),
    )
    manifest = Path(options.manifest).read_bytes()
    await serve(listeners, _Stub(manifest, options.blob))
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_main())
