"""Small files that a user or a repository has, or has not."""

import os
from stat import S_ISREG

from homeport.errors import UsageError


def read_small(path: str, *, inside: bool, most: int) -> bytes | None:
    """A regular file's bytes; None where there is none. With `inside`, a symbolic link is none: in
    a repository it could name any file of this machine. Raises UsageError for more than `most`."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if inside else 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError):
        return None
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise UsageError.of(f"{path} is larger than {most} bytes", code="file-too-big")
    return content
