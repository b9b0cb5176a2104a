"""Images for the Docker Hub of the demonstration, made of this machine's busybox."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any


def write_layout(folder: Path, command: list[str], *, exposed: int | None = None) -> None:
    """An OCI image layout with a busybox root, tagged `it`."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    layer = _root()
    ports = {} if exposed is None else {"ExposedPorts": {f"{exposed}/tcp": {}}}
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": command, "Env": ["PATH=/usr/bin:/bin"], **ports},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [put(layer, "application/vnd.oci.image.layer.v1.tar")],
    }
    entry = put(json.dumps(manifest).encode(), str(manifest["mediaType"]))
    entry["annotations"] = {"org.opencontainers.image.ref.name": "it"}
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def _root() -> bytes:
    busybox = Path(shutil.which("busybox") or "/bin/busybox")
    listing = subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True)
    applets = listing.stdout.split()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("bin", "tmp", "usr", "usr/bin", "www", "etc", "root"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(folder)
        entry = tarfile.TarInfo("bin/busybox")
        content = busybox.read_bytes()
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
        page = tarfile.TarInfo("www/index.html")
        text = b"hello from the service\n"
        page.size, page.mode = len(text), 0o644
        archive.addfile(page, io.BytesIO(text))
    return file.getvalue()
