"""A file that only who has it open can read, and nobody can change."""

import os

from homeport.lib.atomic import write_all

_HAS_MEMORY_FILES = hasattr(os, "memfd_create")  # Linux


def nameless_file(content: bytes, folder: str) -> int:
    """Its descriptor, to read from the start; `folder` is where it lies if it must lie somewhere.

    Raises OSError.
    """
    if _HAS_MEMORY_FILES:
        return _in_memory(content)
    return _unlinked(content, f"{folder}/nameless")


def _in_memory(content: bytes) -> int:
    import fcntl

    file = os.memfd_create("nameless", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        write_all(file, content)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
        os.lseek(file, 0, os.SEEK_SET)
    except BaseException:
        os.close(file)
        raise
    return file


def _unlinked(content: bytes, path: str) -> int:
    writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        reader = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        write_all(writer, content)
    finally:
        os.close(writer)
        os.unlink(path)  # noqa: PTH108
    return reader
