"""Where a path leads, and folders that stay the same while they are worked in.

Root writes in folders of users (a rootless engine's configuration). Whoever owns such a folder may
put a link to `/etc/shadow` in it, also between two of our steps: links are followed only as far as
their owner could go by himself, and no link is followed after that was looked at.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from homeport.enroll.errors import ConflictError

_LINKS = 40
"""As many as Linux follows."""


def follow(place: Path, named: str = "") -> Path:
    """The path behind all links. Raises ConflictError, for root, where a user's link leads to what
    is not his; `named` is how the message calls the file."""
    if os.geteuid() == 0:
        link = _foreign_link(place)
        if link is not None:
            raise ConflictError(
                f"{named or place} is behind {link}, a link of a user to what is not his: "
                "root does not follow it",
                hint="enroll as that user, or replace the link",
            )
    return Path(os.path.realpath(place))


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """The descriptor of a folder whose path has no links any more. Raises OSError for one that has
    got one since."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor = os.open("/", flags)
    try:
        for part in folder.parts[1:]:
            inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _foreign_link(place: Path) -> Optional[Path]:
    """The last link on the way whose owner, no root, does not own what it leads to."""
    here, parts = Path("/"), list(place.parts[1:])
    links: dict[int, Path] = {}
    for _ in range(10 * _LINKS + len(parts)):
        if not parts:
            break
        part = parts.pop(0)
        if part == "..":
            here = here.parent
            continue
        try:
            found = (here / part).lstat()
            target = os.readlink(here / part) if _is_link(here / part) else None  # noqa: PTH115
        except OSError:
            break  # nothing is there: it would be made in `here`
        if target is None:
            here /= part
            continue
        if found.st_uid != 0:
            links[found.st_uid] = here / part
        inner = Path(target)
        if inner.is_absolute():
            here = Path("/")
        parts = [*inner.parts[1 if inner.is_absolute() else 0 :], *parts]
    try:
        owner = here.lstat().st_uid
    except OSError:
        return None
    return next((link for user, link in links.items() if user != owner), None)


def _is_link(place: Path) -> bool:
    return os.path.islink(place)  # noqa: PTH114
