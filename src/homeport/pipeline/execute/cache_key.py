"""The key of a cache, as GitLab composes it and GitLab Runner reads it.

GitLab's part (lib/gitlab/ci/pipeline/seed/build/cache.rb, app/models/ci/build.rb): a fixed text or
a hash of files, and whether the ref is protected. The Runner's part (cache/cachekey): variables,
and what may not stand in a path.
"""

import os
import posixpath
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from homeport.pipeline.execute.state import job_slug
from homeport.pipeline.model.config import Cache, CacheKey

if TYPE_CHECKING:
    from homeport.lib.git import Git

_BLOCK = 1 << 20
_DECODED = {"%2f": "/", "%2F": "/", "%2e": ".", "%2E": ".", "\\": "/"}
_TO_DECODE = re.compile(r"%2[fFeE]|\\")
_NO_FILES = "default"
_STATUS = ("status", "--porcelain", "-z", "-uall", "--no-renames", "--")


class KeySources(Struct, frozen=True, kw_only=True):
    """What keys are computed from: the files of the run's snapshot, and the commit `sha` of the
    repository; `committed` means that the files are those of the commit."""

    root: Path
    files: tuple[str, ...]
    repository: Path
    sha: str
    committed: bool


def compose_key(cache: Cache, index: int, sources: KeySources, *, protected: bool) -> str:
    """The key that GitLab sends, its variables not expanded yet; `index` is the cache's in its job.

    Raises `HomeportError` where git fails, OSError for a file that cannot be read.
    """
    key = cache.key
    text = _from_files(key, index, sources) if key.key is None else key.key
    return with_suffix(text, cache, protected=protected)


def with_suffix(key: str, cache: Cache, *, protected: bool) -> str:
    """A key of this cache, kept apart for protected refs as GitLab does by default."""
    return f"{key}-{'protected' if protected and not cache.unprotect else 'non_protected'}"


def sanitize(key: str) -> str:
    """The key as a path without a way out, as the Runner cleans it; `""` where nothing is left."""
    if not key:
        return ""
    decoded = _TO_DECODE.sub(lambda match: _DECODED[match[0]], key)
    parts = posixpath.normpath(f"/{decoded}").lstrip("/").split("/")
    while parts:
        parts[-1] = parts[-1].rstrip()
        if parts[-1]:
            break
        parts.pop()
    return "/".join(parts)


def folder_name(key: str, secrets: Iterable[str]) -> str:
    """One folder's name for a key; a key that holds a secret is not readable in it."""
    if any(secret and secret in key for secret in secrets):
        import hashlib

        return f"masked-{hashlib.sha256(_bytes(key)).hexdigest()}"
    return job_slug(key)


def _from_files(key: CacheKey, index: int, sources: KeySources) -> str:
    if key.files:
        digest = _digest(_contents(key.files, sources))
    else:
        digest = _digest(_last_changes(key.files_commits, sources))
    prefix = str(index) if key.prefix is None else key.prefix
    return "-".join(part for part in (prefix, digest) if part.strip())


def _digest(ids: Iterable[str]) -> str:
    unique = sorted(set(ids))
    if not unique:
        return _NO_FILES
    import hashlib

    return hashlib.sha1("-".join(unique).encode(), usedforsecurity=False).hexdigest()


def _contents(patterns: Iterable[str], sources: KeySources) -> list[str]:
    """Git's names for the contents of files: with nothing uncommitted they are GitLab's."""
    files = frozenset(sources.files)
    paths: set[str] = set()
    for pattern in patterns:
        if "*" in pattern:
            from homeport.pipeline.include.glob import match_paths

            paths.update(match_paths(pattern, sources.files))
        elif pattern in files:
            paths.add(pattern)
    found = (_blob(sources, path) for path in sorted(paths))
    return [blob for blob in found if blob is not None]


def _last_changes(paths: Iterable[str], sources: KeySources) -> list[str]:
    """The last commit that changed each path, and what is not committed of it."""
    from homeport.lib.git import Git

    git = Git(sources.repository)
    ids: list[str] = []
    for path in dict.fromkeys(path for path in paths if path.strip()):
        found = git.run("rev-list", "-1", sources.sha, "--", path, config=False)
        ids.extend(found.decode("ascii").split())
        if not sources.committed:
            ids.extend(_uncommitted(git, path, sources))
    return ids


def _uncommitted(git: "Git", path: str, sources: KeySources) -> list[str]:
    listed = os.fsdecode(git.run(*_STATUS, path))
    if not listed:
        return []
    changed = [entry[3:] for entry in listed.split("\0") if entry]
    blobs = (_blob(sources, name) for name in changed)
    # The list itself counts, too: a file that was removed has no content.
    return [_text_id(listed), *(blob for blob in blobs if blob is not None)]


def _text_id(text: str) -> str:
    import hashlib

    return hashlib.sha1(_bytes(text), usedforsecurity=False).hexdigest()


def _blob(sources: KeySources, path: str) -> str | None:
    """The name that git gives to the content of a file or link; None where there is none."""
    import hashlib

    full = sources.root / path
    name = hashlib.new("sha256" if len(sources.sha) == 64 else "sha1", usedforsecurity=False)
    try:
        facts = full.lstat()
        if stat.S_ISLNK(facts.st_mode):
            target = os.fsencode(full.readlink())
            name.update(b"blob %d\0" % len(target) + target)
        elif stat.S_ISREG(facts.st_mode):
            with open(full, "rb", buffering=0, opener=_unfollowed) as reader:
                name.update(b"blob %d\0" % facts.st_size)
                while block := reader.read(_BLOCK):
                    name.update(block)
        else:
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    return name.hexdigest()


def _unfollowed(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
