"""A working tree → the `Trigger` of a pipeline for what is checked out.

Three git processes at most for a branch: the configuration, the objects, and the state of the
files where it is asked for.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from homeport.errors import UsageError
from homeport.lib.git import Git, find_root
from homeport.pipeline.facts.commit import parse_commit, strip_signature
from homeport.pipeline.facts.head import current_branch, remote_head
from homeport.pipeline.facts.remote import choose_remote, remote_project
from homeport.pipeline.model.config import Variable
from homeport.pipeline.model.trigger import Commit, Project, Source, Trigger

NULL_SHA = "0" * 40

_DEFAULT_BRANCHES = ("main", "master")


def read_trigger(
    root: Path,
    *,
    config_path: str = ".gitlab-ci.yml",
    branch: str | None = None,
    tag: str | None = None,
    source: Source = Source.PUSH,
    variables: Mapping[str, Variable] = {},
    masked: frozenset[str] = frozenset(),
    files: frozenset[str] = frozenset(),
    now: str,
    count_changes: bool = True,
) -> Trigger:
    """The facts of a pipeline for the commit that is checked out in the working tree at `root`.

    `branch` or `tag` make it a pipeline of that ref instead of the one that is checked out. A
    detached head is a tag pipeline if a tag points at it (the newest annotated one first);
    otherwise it has neither branch nor tag, and its ref is the short SHA. `now` is ISO 8601 in
    UTC. Raises `UsageError` outside a repository, `GitError` where git refuses to read it.
    """
    top = find_root(root)
    if top is None:
        raise UsageError.of(
            f"{root} is not in a git repository",
            code="no-repository",
            hint="run homeport inside a repository, or name one with -C DIR",
        )
    git = Git(top)
    head = current_branch(git)
    tags = _tags_at_head(git) if branch is None and tag is None and head is None else []
    if tags:
        tag, tag_message = tags[0]
    else:
        tag_message = None if tag is None else _tag_message(git, tag)
    branch = branch if branch is not None or tag is not None else head
    remote = choose_remote(git.config, branch)
    commit, tip, default = _read_objects(git, branch, remote)
    project = None if remote is None else remote_project(git.config, remote)
    uncommitted, untracked = count_uncommitted(git) if count_changes else (0, 0)
    pushed = branch is not None and source is Source.PUSH
    return Trigger(
        source=source,
        root=str(top),
        config_path=config_path,
        branch=branch,
        tag=tag,
        tag_message=tag_message,
        commit=commit,
        before_sha=tip if pushed and tip is not None else NULL_SHA,
        default_branch=default,
        project=project or local_project(top),
        user_name=git.config.get("user.name", ("",))[-1],
        user_email=git.config.get("user.email", ("",))[-1],
        created_at=now,
        variables=variables,
        masked=masked,
        files=files,
        uncommitted=uncommitted,
        untracked=untracked,
    )


def local_project(root: Path) -> Project:
    """The project of a repository without a server: named after its folder, in the group `local`.

    The host is `gitlab.invalid`, which never resolves (RFC 6761), so that no job can reach a
    stranger's server by a variable.
    """
    name = re.sub("[^A-Za-z0-9_.-]", "-", root.name).strip("-.")
    return Project(host="gitlab.invalid", path=f"local/{name or 'project'}")


def upstream(git: Git, branch: str, remote: str | None) -> str | None:
    """The full name of the remote-tracking branch of `branch`: the one it is set to follow, else
    the one of its own name on the remote."""
    config = git.config
    followed = config.get(f"branch.{branch}.remote", ("",))[-1]
    merge = config.get(f"branch.{branch}.merge", ("",))[-1]
    if followed == "." and merge:
        return None
    if followed and merge.startswith("refs/heads/"):
        return f"refs/remotes/{followed}/{merge.removeprefix('refs/heads/')}"
    return None if remote is None else f"refs/remotes/{remote}/{branch}"


def count_uncommitted(git: Git) -> tuple[int, int]:
    """How many tracked files differ from HEAD, and how many entries are untracked, not ignored."""
    out = git.run("status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal")
    entries = out.split(b"\0")[:-1]
    untracked = sum(entry.startswith(b"??") for entry in entries)
    return len(entries) - untracked, untracked


def _read_objects(
    git: Git, branch: str | None, remote: str | None
) -> tuple[Commit | None, str | None, str]:
    """HEAD's commit, the tip of the remote-tracking branch, and the default branch: one process."""
    noted = None if remote is None else remote_head(git, remote)
    follows = None if branch is None else upstream(git, branch, remote)
    initial = git.config.get("init.defaultbranch", ("",))[-1]
    candidates = [name for name in (initial, *_DEFAULT_BRANCHES) if _is_simple(name)]
    names = ["HEAD"]
    if follows is not None and _is_simple(follows):
        names.append(follows)
    else:
        follows = None
    guesses = {}
    if noted is None:
        for name in candidates:
            for ref in (f"refs/heads/{name}", f"refs/remotes/{remote or 'origin'}/{name}"):
                guesses[ref] = name
    names += guesses
    found = _read_batch(git, names)
    head = found["HEAD"]
    tip = found[follows] if follows is not None else None
    default = noted or next((guesses[ref] for ref in guesses if found[ref] is not None), None)
    return (
        None if head is None else parse_commit(*head),
        None if tip is None else tip[0],
        default or branch or initial or "main",
    )


def _read_batch(git: Git, names: list[str]) -> dict[str, tuple[str, bytes] | None]:
    """Each name's commit as (sha, content), None where there is none. Source: git-cat-file(1)."""
    asked = "".join(f"{name}^{{commit}}\n" for name in names)
    out = git.run(
        "cat-file", "--batch", input=asked.encode("utf-8", "surrogateescape"), config=False
    )
    found: dict[str, tuple[str, bytes] | None] = {}
    at = 0
    for name in names:
        end = out.index(b"\n", at)
        words = out[at:end].split(b" ")
        at = end + 1
        if len(words) == 3 and words[1] == b"commit":
            size = int(words[2])
            found[name] = words[0].decode(), out[at : at + size]
            at += size + 1
        else:
            found[name] = None
    return found


_TAG_FORMAT = "%(objecttype) %(refname:lstrip=2)%00%(contents)%00%00"


def _tags_at_head(git: Git) -> list[tuple[str, str | None]]:
    """The tags that point at HEAD: annotated ones first, the newest first, with their messages."""
    out = git.try_run(
        "for-each-ref",
        "--points-at=HEAD",
        "--sort=-creatordate",
        "--sort=-objecttype",
        f"--format={_TAG_FORMAT}",
        "refs/tags",
        config=False,
    )
    return _parse_tags(out or b"")


def _tag_message(git: Git, tag: str) -> str | None:
    out = git.try_run("for-each-ref", f"--format={_TAG_FORMAT}", f"refs/tags/{tag}", config=False)
    return next((message for name, message in _parse_tags(out or b"") if name == tag), None)


def _parse_tags(out: bytes) -> list[tuple[str, str | None]]:
    tags: list[tuple[str, str | None]] = []
    for entry in out.decode("utf-8", "replace").split("\0\0\n")[:-1]:
        head, _, contents = entry.partition("\0")
        kind, _, name = head.partition(" ")
        # The contents of a lightweight tag are its commit's message, not its own.
        tags.append((name, strip_signature(contents) if kind == "tag" else None))
    return tags


def _is_simple(name: str) -> bool:
    """A name that stays one line of the question to git."""
    return bool(name) and not re.search(r"[\s\x00-\x1f~^:?*\[\\]", name)
