"""Unix sockets whose path may be long: an address holds 107 bytes of it (unix(7))."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_PATH = 107


@contextmanager
def short_path(path: str | Path) -> Iterator[str]:
    """A name of the path that fits into an address while the context lasts: through a descriptor
    of its folder (Linux). Raises OSError."""
    text = str(path)
    if len(os.fsencode(text)) <= MAX_PATH:
        yield text
        return
    folder, name = os.path.split(text)
    descriptor = os.open(folder or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
