"""The user's tree as one run sees it, and a git repository for its workspaces.

GitLab checks a commit out; here the working tree counts: the files are those tracked and those
untracked but not ignored, as they are now, and `git status` in a job shows the uncommitted changes
(the index is a copy of the user's). They are copied into a folder of the run, so that what the user
edits meanwhile changes nothing. Where the commit alone is wanted, its files are checked out there,
with an index of their own.

The repository is written by hand, because each git process costs as much as all of that, and shares
the user's objects by an alternates file. The user's own repository is only read; its hooks, its
configuration and its credentials stay out.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from homeport.errors import MissingError
from homeport.lib.git import Git
from homeport.pipeline.execute.api import Snapshot
from homeport.pipeline.execute.workspace import copy_entry, copy_listed

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs/(?:tags|remotes)/[^\x00- \x7f~^:?*\[\\]+")
_ESCAPE = rb"\\([0-7]{1,3}|.)"
_MAX_CHAIN = 5  # git follows alternates of alternates no deeper
_MAX_REFS = 200_000


def take_snapshot(
    git: Git,
    root: Path,
    sha: str,
    *,
    into: Path,
    branch: str | None = None,
    origin: str | None = None,
    tree: Path | None = None,
    committed: bool = False,
) -> Snapshot:
    """List the files of the working tree `root` and write the new folder `into`, a `.git`.

    With `tree`, a folder to be made, they are copied there, else they are read where they are. With
    `tree` and `committed` the files are those of the commit `sha` instead.
    HEAD is detached at `sha`; `origin/<branch>` is there, too, as after GitLab's fetch; `origin`
    is the remote's URL, whose user and password are dropped. Raises `HomeportError` where git
    fails, a file cannot be read or a folder not written.
    """
    files = () if committed else _list_worktree(git)
    try:
        folder, common = find_repository(os.fspath(root))
        objects = os.path.join(common, "objects")
        config = _read(os.path.join(common, "config"))
        refs = _read_refs(common, _refs_by_git(git) if _has_reftable(config) else None)
        if branch is not None:
            refs[f"refs/remotes/origin/{branch}"] = sha
        os.makedirs(into)
        for part in ("objects/info", "refs"):  # git makes the others when it needs them
            os.makedirs(into / part)
        _write(into / "HEAD", f"{sha}\n")
        _write(into / "config", _config(sha, origin, partial=_is_partial(config)))
        _write(into / "packed-refs", "".join(f"{refs[name]} {name}\n" for name in sorted(refs)))
        _write(into / "objects/info/alternates", "".join(_chain(objects)))
        if tree is not None and committed:
            files = _check_out(git, sha, into / "index", tree)
        else:
            _copy_index(folder, into)
            if tree is not None:
                os.makedirs(tree)
                copy_listed(os.fspath(root), files, os.fspath(tree), times=True)
        copy_entry(os.path.join(common, "shallow"), os.fspath(into / "shallow"))
    except OSError as error:
        raise MissingError.of(
            f"cannot copy the repository for its jobs: {error.filename or root}: {error.strerror}",
            code="snapshot",
        ) from error
    notes = ("the repository is a partial clone: git in a job may lack objects",)
    return Snapshot(
        root=root if tree is None else tree,
        files=files,
        git=into,
        objects=Path(objects),
        committed=committed,
        notes=notes if _is_partial(config) else (),
    )


def _list_worktree(git: Git) -> tuple[str, ...]:
    listed = git.run("ls-files", "-z", "-co", "--exclude-standard", config=False)
    # A file in conflict is listed once for each of its versions.
    return tuple(dict.fromkeys(os.fsdecode(listed).split("\0")[:-1]))


def _check_out(git: Git, sha: str, index: Path, tree: Path) -> tuple[str, ...]:
    """Write a commit's files to the folder `tree` and its index to `index`, the user's own left
    alone. Not by git-archive(1), which leaves out what `export-ignore` names."""
    os.makedirs(tree)
    env = {"GIT_INDEX_FILE": os.fspath(index)}
    git.run("read-tree", sha, env=env, config=False)
    git.run("checkout-index", "--all", "--force", f"--prefix={tree}/", env=env, timeout=600.0)
    listed = git.run("ls-files", "-z", "--stage", env=env, config=False)
    entries = [entry.partition("\t") for entry in os.fsdecode(listed).split("\0")[:-1]]
    for head, _, path in entries:
        if head.startswith("160000"):  # an empty folder, as git makes for a submodule
            (tree / path).mkdir(parents=True, exist_ok=True)
    return tuple(path for _, _, path in entries)


def find_repository(root: str) -> tuple[str, str]:
    """The git folder of the working tree `root`, and the one that it shares (gitrepository-layout).

    They differ in a linked worktree; in a submodule both are inside the parent's `.git/modules`.
    """
    folder = os.path.join(root, ".git")
    if not os.path.isdir(folder):
        line = _read(folder).removeprefix("gitdir:").strip()
        folder = os.path.normpath(os.path.join(root, line))
    shared = _read(os.path.join(folder, "commondir"), absent="").strip()
    return folder, os.path.normpath(os.path.join(folder, shared)) if shared else folder


def git_environment(env: Mapping[str, str], project_dir: str) -> dict[str, str]:
    """Variables that make git trust the workspace whoever owns it, added to those in `env`."""
    count = env.get("GIT_CONFIG_COUNT", "")
    number = int(count) if count.isdecimal() and len(count) < 6 else 0
    return {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": "safe.directory",
        f"GIT_CONFIG_VALUE_{number}": project_dir,
    }


def _config(sha: str, origin: str | None, *, partial: bool) -> str:
    extensions = {}
    if len(sha) == 64:
        extensions["objectFormat"] = "sha256"
    if partial and origin:
        extensions["partialClone"] = "origin"
    lines = [
        "[core]",
        f"\trepositoryformatversion = {1 if extensions else 0}",
        "\tfilemode = true",
        "\tbare = false",
        "\tlogallrefupdates = true",
    ]
    if extensions:
        lines += ["[extensions]", *(f"\t{key} = {value}" for key, value in extensions.items())]
    if origin:
        lines += [
            '[remote "origin"]',
            f"\turl = {config_value(without_credentials(origin))}",
            "\tfetch = +refs/heads/*:refs/remotes/origin/*",
        ]
        if "partialClone" in extensions:
            lines += ["\tpromisor = true"]
    return "\n".join(lines) + "\n"


def without_credentials(url: str) -> str:
    """A remote's URL without user and password; `git@` of SSH is a name and stays."""
    if "@" not in url or "://" not in url:
        return url
    match = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*)://[^/]*@", url)
    if match is None or match[1].lower() == "ssh":
        return re.sub(r"^(ssh://[^/:@]*):[^/@]*@", r"\1@", url)
    return f"{match[1]}://{url[match.end() :]}"


def config_value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _read_refs(common: str, known: dict[str, str] | None) -> dict[str, str]:
    """Tags and remote-tracking branches by full name; loose ones win over packed ones."""
    if known is not None:
        return known
    refs: dict[str, str] = {}
    for line in _read(os.path.join(common, "packed-refs"), absent="").splitlines():
        sha, _, name = line.partition(" ")
        if _REF.fullmatch(name) and _SHA.fullmatch(sha):
            refs[name] = sha
    for kind in ("refs/tags", "refs/remotes"):
        for name in _loose(common, kind):
            sha = _read(os.path.join(common, name), absent="").strip()
            if _REF.fullmatch(name) and _SHA.fullmatch(sha):
                refs[name] = sha
            if len(refs) > _MAX_REFS:
                break
    return refs


def _loose(common: str, kind: str) -> Iterable[str]:
    for folder, _, names in os.walk(os.path.join(common, kind)):
        relative = os.path.relpath(folder, common)
        for name in names:
            yield f"{relative}/{name}"


def _refs_by_git(git: Git) -> dict[str, str]:
    listed = git.run(
        "for-each-ref",
        "--format=%(objectname) %(refname)",
        "refs/tags",
        "refs/remotes",
        config=False,
    )
    pairs = (line.partition(" ") for line in os.fsdecode(listed).splitlines())
    return {name: sha for sha, _, name in pairs if not name.endswith("/HEAD")}


def _chain(objects: str) -> list[str]:
    """The lines of our alternates file: the user's objects and all that those borrow from.

    Flattened to absolute paths, because git ignores relative ones further down a chain.
    """
    found: dict[str, None] = {objects: None}
    layer = [objects]
    for _ in range(_MAX_CHAIN):
        layer = [path for folder in layer for path in _alternates(folder) if path not in found]
        found.update(dict.fromkeys(layer))
    return [f"{_alternates_line(path)}\n" for path in found]


def _alternates(objects: str) -> list[str]:
    text = _read(os.path.join(objects, "info/alternates"), absent="")
    lines = (_unquote(line) for line in text.splitlines() if line and not line.startswith("#"))
    return [os.path.normpath(os.path.join(objects, line)) for line in lines]


def _alternates_line(path: str) -> str:
    if path.startswith(('"', "#")) or "\n" in path:
        return config_value(path)
    return path


def _unquote(line: str) -> str:
    if len(line) < 2 or not (line.startswith('"') and line.endswith('"')):
        return line
    text = re.sub(_ESCAPE, _unescape, os.fsencode(line[1:-1]))
    return os.fsdecode(text)


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if code.isdigit():
        return bytes([int(code, 8) & 0xFF])
    return {b"n": b"\n", b"t": b"\t", b"r": b"\r"}.get(code, code)


def _copy_index(folder: str, into: Path) -> None:
    copy_entry(os.path.join(folder, "index"), os.fspath(into / "index"))
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("sharedindex."):  # what a split index refers to
                copy_entry(entry.path, os.fspath(into / entry.name))


def _is_partial(config: str) -> bool:
    return "partialclone" in config.lower() or "promisor" in config.lower()


def _has_reftable(config: str) -> bool:
    return "reftable" in config.lower()


def _read(path: str, *, absent: str | None = None) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        if absent is None:
            raise
        return absent


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
