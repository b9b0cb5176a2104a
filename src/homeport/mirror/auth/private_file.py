"""Files with secrets in `data`: readable by the mirror alone, whoever of the two writes them."""

import os
from pathlib import Path

from homeport.errors import UsageError

MAX_BYTES = 1024 * 1024


def private_folder(data: Path, name: str) -> Path:
    """A folder of `data` with mode 0700, made where it is missing."""
    folder = data / name
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _give(folder, data)
    return folder


def create_private(path: Path, content: bytes) -> bool:
    """Write a file that must not exist yet: whole or not at all, 0600, on the disk. False if there
    is one already. What root writes belongs to the folder's owner: the mirror has to read it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    _write(temporary, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    _sync(path.parent)
    return True


def replace_private(path: Path, content: bytes) -> None:
    """The same over a file that may exist."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    _write(temporary, content)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
    _sync(path.parent)


def read_private(path: Path) -> bytes:
    """Its content; raises UsageError for a file that all the world may read, or a huge one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if mode & 0o007:
            raise UsageError.of(
                f"{path} holds secrets and is open to all (mode {mode & 0o777:o})",
                code="open-secrets",
                hint=f"chmod 600 {path}",
            )
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UsageError.of(f"{path} is larger than {MAX_BYTES} bytes", code="too-large")
    return content


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        _give(path, path.parent)
    except BaseException:
        path.unlink()
        raise


def _give(path: Path, folder: Path) -> None:
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
