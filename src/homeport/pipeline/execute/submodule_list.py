"""The submodules that a repository records, and where they could be fetched from.

`.gitmodules` is the repository's, so nothing in it is believed: names and paths that leave their
place (CVE-2018-11235, CVE-2018-17456, CVE-2019-1387) and addresses that are not of the network
(CVE-2022-39253) are refused, as git itself does.
"""

import os
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from homeport.lib.git import Git
from homeport.pipeline.execute.api import ExecutorError

_GITLINK = "160000"
_STRANGE = re.compile(r'[\x00-\x1f\x7f"\\]')
_SCP = re.compile(r"(?:[\w.-]+@)?[A-Za-z0-9][A-Za-z0-9._-]*:(?!:|/?$).+")
_WEB = re.compile(r"(?:https?|ssh)://(?:[^/@\s]*@)?[A-Za-z0-9\[][A-Za-z0-9.:\[\]_-]*/.+")


class Submodule(Struct, frozen=True, kw_only=True):
    """One submodule: `sha` is the commit that is recorded, `url` what `.gitmodules` says."""

    name: str
    path: str
    sha: str
    url: str | None


def read_submodules(root: Path, git: Path, pathspecs: Sequence[str] = ()) -> tuple[Submodule, ...]:
    """The submodules in the index of the prepared folder `git`, whose `.gitmodules` is in `root`.

    Those that `update = none` leaves out are not among them. Raises `ExecutorError` for a record
    that git refuses or cannot use, `HomeportError` where git fails.
    """
    recorded = _gitlinks(git)
    if not recorded:
        return ()
    chosen = _gitlinks(git, "--error-unmatch", "--", *pathspecs) if pathspecs else recorded
    settings = _settings(root)
    names = {values["path"]: name for name, values in settings.items() if "path" in values}
    found = []
    for path in recorded:
        if path not in names:
            raise ExecutorError(f"submodule {path} has no entry in .gitmodules")
        if path in chosen and settings[names[path]].get("update") != "none":
            name = names[path]
            _check(name, path)
            url = settings[name].get("url")
            found.append(Submodule(name=name, path=path, sha=recorded[path], url=url))
    _check_nesting(found)
    return tuple(found)


def resolve_url(url: str, origin: str | None, https_host: str | None) -> str:
    """The address to fetch from; a relative one starts at `origin` (gitmodules(5)).

    Raises `ValueError` with the reason for one that is not asked.
    """
    if url.startswith(("./", "../")):
        if origin is None:
            raise ValueError("its address is relative, and the repository has no remote")
        url = _relative(origin, url)
    if https_host:
        url = re.sub(
            rf"^(?:ssh://)?git@{re.escape(https_host)}(?::\d+)?[:/]", f"https://{https_host}/", url
        )
    if _STRANGE.search(url) or not (_WEB.fullmatch(url) or ("://" not in url and _is_scp(url))):
        raise ValueError("its address is none of https, http or ssh")
    return url


def _is_scp(url: str) -> bool:
    return _SCP.fullmatch(url) is not None and "::" not in url


def _relative(origin: str, url: str) -> str:
    base = origin.rstrip("/")
    while True:
        if url.startswith("./"):
            url = url[2:]
        elif url.startswith("../"):
            url = url[3:]
            head, slash, _ = base.rpartition("/")
            if slash:
                base = head
            else:
                head, colon, _ = base.rpartition(":")
                return f"{head}:{url}" if colon else url
        else:
            return f"{base}/{url}".rstrip("/")


def _gitlinks(git: Path, *more: str) -> dict[str, str]:
    env = {"GIT_DIR": os.fspath(git)}
    listed = Git(git, trusted=True).run("ls-files", "-z", "--stage", *more, env=env, config=False)
    entries = (entry.partition("\t") for entry in os.fsdecode(listed).split("\0")[:-1])
    return {path: head.split(" ")[1] for head, _, path in entries if head.startswith(_GITLINK)}


def _settings(root: Path) -> Mapping[str, dict[str, str]]:
    """By name the values of `.gitmodules`; the last of several counts."""
    file = root / ".gitmodules"
    if file.is_symlink() or not file.is_file():
        return {}
    listed = Git(root).run(
        "config", "--file", os.fspath(file), "--no-includes", "-z", "--list", config=False
    )
    found: dict[str, dict[str, str]] = {}
    for entry in os.fsdecode(listed).split("\0")[:-1]:
        key, _, value = entry.partition("\n")
        section, _, rest = key.partition(".")
        name, _, word = rest.rpartition(".")
        if section == "submodule" and name:
            found.setdefault(name, {})[word] = value
    return found


def _check(name: str, path: str) -> None:
    for text in (name, path):
        parts = text.split("/")
        if (
            _STRANGE.search(text)
            or text.startswith("-")
            or any(part in ("", ".", "..") or part.casefold() == ".git" for part in parts)
        ):
            raise ExecutorError(f"submodule {path!r}: its name or path is not one that git allows")


def _check_nesting(found: Sequence[Submodule]) -> None:
    """A repository of one submodule inside that of another would be both's."""
    names = sorted(f"{each.name.casefold()}/" for each in found)
    for one, other in pairwise(names):
        if other.startswith(one):
            raise ExecutorError(f"the submodules {one[:-1]} and {other[:-1]} lie in each other")
