"""Archives of artifacts as GitLab hands them out (zip), taken into a tree.

Whoever made one is not trusted: nothing leaves the tree, neither by name nor through a symbolic
link, only files, folders and links are taken, and what it unpacks to is bounded before it is.
"""

import stat
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from struct import unpack_from
from typing import IO

from homeport.lib.units import format_bytes
from homeport.pipeline.execute.stored_tree import StoredTree

MAX_SIZE = 5 * 1024**3
"""Bytes that an archive may unpack to."""
MAX_ENTRIES = 500_000
_MAX_LINK = 4096
_UNIX = 3
_TIMES = 0x5455
"""The extra field "extended timestamp" of Info-ZIP."""


class BadArchiveError(Exception):
    """It is broken, or not one that may be unpacked; the text says why."""


def unpack(archive: Path | IO[bytes], tree: StoredTree) -> None:
    """Take all entries. Raises `BadArchiveError`, and OSError for what cannot be written."""
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            _check(entries)
            for entry, path in ((entry, _inside(entry.filename)) for entry in entries):
                if path:
                    _take(opened, entry, path, tree)
    except (OSError, BadArchiveError):
        raise
    except Exception as error:
        # zipfile's own, and those of zlib, bz2 and lzma for content that is none.
        raise BadArchiveError(str(error) or "it ends too early") from error


def _check(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise BadArchiveError(f"it has more than {MAX_ENTRIES} entries")
    size = sum(entry.file_size for entry in entries)
    if size > MAX_SIZE:
        raise BadArchiveError(
            f"it would be {format_bytes(size)} unpacked, more than {format_bytes(MAX_SIZE)}"
        )


def _inside(name: str) -> str:
    """The entry's path in the tree, "" for the tree itself."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise BadArchiveError(f"its entry {name!r} leads outside")
    return "/".join(parts)


def _take(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str, tree: StoredTree) -> None:
    mode = entry.external_attr >> 16 if entry.create_system == _UNIX else 0
    kind = stat.S_IFMT(mode)
    if entry.is_dir() or kind == stat.S_IFDIR:
        tree.folder(path)
    elif kind == stat.S_IFLNK:
        if entry.file_size > _MAX_LINK:
            raise BadArchiveError(f"its link {path!r} is too long")
        target = archive.read(entry)
        if not target or b"\0" in target:
            raise BadArchiveError(f"its link {path!r} leads nowhere")
        tree.link(path, target.decode("utf-8", "surrogateescape"))
    elif kind in (0, stat.S_IFREG):
        with archive.open(entry) as content:
            tree.write(
                path,
                content.read,
                size=entry.file_size,
                mode=stat.S_IMODE(mode) & 0o777 or 0o644,
                time=_time(entry) * 1_000_000_000,
            )
    else:
        raise BadArchiveError(f"its entry {path!r} is neither file, folder nor link")


def _time(entry: zipfile.ZipInfo) -> int:
    """Seconds since 1970."""
    for kind, data in _extra(entry.extra):
        if kind == _TIMES and len(data) >= 5 and data[0] & 1:
            return max(0, int(unpack_from("<i", data, 1)[0]))
    try:
        return max(0, int(datetime(*entry.date_time).timestamp()))
    except (ValueError, OverflowError):
        return 0


def _extra(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        kind, size = unpack_from("<HH", data)
        yield kind, data[4 : 4 + size]
        data = data[4 + size :]
