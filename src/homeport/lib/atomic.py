"""Files that are there whole or not at all, whatever happens while they are written."""

import os
from pathlib import Path


def write_atomic(
    path: str | Path, content: bytes | str, *, mode: int = 0o600, durable: bool = False
) -> None:
    """Write a file under a name of its own beside `path`, then rename it over `path`.

    Readers see the old content or the new, never a part. `durable` also waits for the disk (the
    file and its folder), so that a power cut cannot undo it. Raises OSError; nothing is left then.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            write_all(file, data)
            if durable:
                os.fsync(file)
        finally:
            os.close(file)
        temporary.rename(target)
    except BaseException:
        temporary.unlink()
        raise
    if durable:
        _sync_folder(target.parent)


def write_all(file: int, data: bytes) -> None:
    """Write all of `data` to an open file; write(2) may take a part of it. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
