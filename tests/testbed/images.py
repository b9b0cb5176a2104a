"""The test images, made from this machine's own files: nothing is pulled."""

import hashlib
import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from msgspec import Struct

from homeport.engine.docker import DockerEngine, split_reference
from homeport.engine.http import Client

PREFIX = "homeport.test"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENTRY = b'#!/bin/sh\necho "entry: $*" | head -c 20; echo\nexec "$@"\n'


SERVE = b"""#!/bin/sh
mkdir -p /www; env | sort > /www/env; echo "$*" > /www/arguments; id -u > /www/user
echo "service says hello ${SPOKEN-}"
sleep "${DELAY:-0}"; touch /ready
exec busybox httpd -f -p "${PORT:-80}" -h /www
"""


class TestImage(Struct, frozen=True, kw_only=True):
    """A root folder, as paths of this machine by their path inside, and Dockerfile changes; what
    an import does not take is built on top by `dockerfile`."""

    __test__ = False

    names: tuple[str, ...]
    programs: tuple[str, ...] = ()
    applets: bool = True
    files: dict[str, bytes] = {}
    changes: tuple[str, ...] = ()
    dockerfile: str = ""


IMAGES = (
    TestImage(names=("busybox:latest", "alpine:latest", "alpine:3.20")),
    TestImage(names=("debian:latest", "debian:bookworm"), programs=("bash", "git")),
    TestImage(
        names=("entrypoint-exec:latest",),
        files={"entry": ENTRY},
        changes=('ENTRYPOINT ["/entry"]',),
    ),
    TestImage(names=("entrypoint-closed:latest",), changes=('ENTRYPOINT ["/bin/echo", "closed"]',)),
    TestImage(names=("nonroot:latest",), programs=("git",), changes=("USER 1000:1000",)),
    TestImage(names=("no-shell:latest",), applets=False),
    # Prints its variables on port 80 to whoever asks.
    TestImage(
        names=("web:latest", "registry.example.com:5000/group/web:1.0"),
        files={"serve": SERVE},
        changes=("EXPOSE 80", 'CMD ["/serve"]'),
    ),
    # Healthy once /ready is there; its port is of no interest.
    TestImage(
        names=("healthy:latest",),
        files={"serve": SERVE},
        changes=("EXPOSE 8080", 'CMD ["/serve"]'),
        dockerfile="HEALTHCHECK CMD test -e /ready",
    ),
)


def provide(engine: DockerEngine, client: Client) -> None:
    """Have all test images in an engine; those of an earlier session with the same recipe stay."""
    recipe = f"{PREFIX}:{_recipe()}"
    if engine.image(recipe) is not None:
        return
    for image in IMAGES:
        _import(client, image)
    _tag(client, IMAGES[0].names[0], recipe)


def add_image(engine: DockerEngine, client: Client, image: TestImage) -> None:
    """Have one image more in an engine, which stays as those do."""
    content = [Path(_which(program)).stat().st_mtime_ns for program in image.programs]
    key = hashlib.sha256(f"{_recipe()}{image}{content}".encode()).hexdigest()[:12]
    recipe = f"{PREFIX}:{key}"
    if engine.image(recipe) is None:
        _import(client, image)
        _tag(client, image.names[0], recipe)


def _import(client: Client, image: TestImage) -> None:
    name, tag = split_reference(image.names[0])
    query = {"fromSrc": "-", "repo": name, "tag": tag}
    changes = [f"ENV {PATH}", 'CMD ["/bin/sh"]', *image.changes]
    reply = client.call("POST", "/images/create", query | {"changes": changes}, chunks=_root(image))
    failures = [line["error"] for line in reply.lines() if "error" in line]
    assert not failures, failures
    if image.dockerfile:
        _build(client, image)
    for alias in image.names[1:]:
        _tag(client, image.names[0], alias)


def _build(client: Client, image: TestImage) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        content = f"FROM {image.names[0]}\n{image.dockerfile}\n".encode()
        _add(archive, "Dockerfile", content)
    # Podman forgets a HEALTHCHECK in OCI's format.
    query = {
        "t": image.names[0],
        "outputformat": "application/vnd.docker.distribution.manifest.v2+json",
    }
    reply = client.call("POST", "/build", query, chunks=iter((out.getvalue(),)))
    failures = [line["error"] for line in reply.lines() if "error" in line]
    assert not failures, failures


def _tag(client: Client, reference: str, alias: str) -> None:
    name, tag = split_reference(alias)
    client.call("POST", f"/images/{reference}/tag", {"repo": name, "tag": tag}).close()


@cache
def _recipe() -> str:
    content = Path(__file__).read_bytes()
    for program in ("busybox", "bash", "git"):
        content += str(Path(_which(program)).stat().st_mtime_ns).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def _root(image: TestImage) -> Iterator[bytes]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for folder in ("bin", "etc", "usr", "usr/bin", "root", "tmp", "var", "home"):
            _add(archive, folder, None, mode=0o1777 if folder == "tmp" else 0o755)
        _add(archive, "etc/passwd", b"root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n")
        _add(archive, "etc/group", b"root:x:0:\nuser:x:1000:\n")
        for source in _needed(image):
            _add(archive, source.lstrip("/"), Path(source).resolve().read_bytes(), mode=0o755)
        _add(archive, "bin/busybox", Path(_which("busybox")).read_bytes(), mode=0o755)
        if image.applets:
            for applet in _applets():
                _link(archive, f"bin/{applet}", "busybox")
        for name, content in image.files.items():
            _add(archive, name, content, mode=0o755)
    yield out.getvalue()


def _needed(image: TestImage) -> list[str]:
    """The programs' files and all the libraries that they load."""
    found: dict[str, None] = {}
    for program in image.programs:
        path = _which(program)
        found[path] = None
        # It fails for a program that loads none.
        told = subprocess.run(["ldd", path], check=False, capture_output=True, text=True).stdout
        found |= dict.fromkeys(re.findall(r"(/\S+) \(0x", told))
    return list(found)


@cache
def _applets() -> tuple[str, ...]:
    listed = subprocess.run(["busybox", "--list"], check=True, capture_output=True, text=True)
    return tuple(name for name in listed.stdout.split() if name != "busybox")


def _which(program: str) -> str:
    found = shutil.which(program)
    assert found, f"{program} is not installed: run tests/setup/install.sh"
    return found


def _add(archive: tarfile.TarFile, name: str, content: bytes | None, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    if content is None:
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    else:
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))


def _link(archive: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    archive.addfile(entry)
