"""A working tree → the `Trigger` of a pipeline for what is checked out, or for what is wanted.

Three git processes at most for the push of a branch: the configuration, the objects, and the state
of the files where it is asked for.
"""

import re
from pathlib import Path

from homeport.errors import UsageError
from homeport.lib.git import Git, find_root
from homeport.pipeline.facts.commit import parse_commit
from homeport.pipeline.facts.head import remote_head
from homeport.pipeline.facts.objects import is_revision, read_commits
from homeport.pipeline.facts.remote import choose_remote, remote_project
from homeport.pipeline.facts.subject import Subject, choose_subject
from homeport.pipeline.facts.wanted import Wanted, refuse_contradictions
from homeport.pipeline.model.trigger import Commit, GivenVariable, Project, Source, Trigger

NULL_SHA = "0" * 40

_DEFAULT_BRANCHES = ("main", "master")

NOTHING_SPECIAL = Wanted()


def read_trigger(
    git: Git,
    *,
    wanted: Wanted = NOTHING_SPECIAL,
    config_path: str = ".gitlab-ci.yml",
    variables: tuple[GivenVariable, ...] = (),
    masked: frozenset[str] = frozenset(),
    now: str,
    count_changes: bool = True,
) -> Trigger:
    """The facts of the wanted pipeline of the working tree whose top is `git.root`.

    Without a wish it is for what is checked out: a push of the branch; for a detached head of the
    tag that points at it (the newest annotated one first), else of neither branch nor tag, and the
    ref is the short SHA. `now` is ISO 8601 in UTC. Raises `UsageError` outside a repository and
    for wishes that contradict each other or the repository, `GitError` where git refuses to read.
    """
    top = git.root
    if find_root(top) is None:
        raise UsageError.of(
            f"{top} is not in a git repository",
            code="no-repository",
            hint="run homeport inside a repository, or name one with -C DIR",
        )
    refuse_contradictions(wanted)
    subject = choose_subject(git, wanted)
    branch = subject.branch
    remote = choose_remote(git.config, branch)
    commit, tip, default = _read_objects(git, subject, remote)
    committed = wanted.committed or wanted.ref is not None
    if committed and commit is None:
        raise UsageError.of(f"{top} has no commit yet", code="no-commit")
    if wanted.changes_since is not None:
        tip = _read_base(git, wanted.changes_since, subject)
    pushed = branch is not None and wanted.source is Source.PUSH and not wanted.as_new
    request = None
    if wanted.is_merge_request:
        from homeport.pipeline.facts.merge_request import describe_merge_request

        request = describe_merge_request(git, wanted, commit, str(branch), default)
    uncommitted, untracked = count_uncommitted(git) if count_changes and not committed else (0, 0)
    project = None if remote is None else remote_project(git.config, remote)
    return Trigger(
        source=wanted.source,
        unset=wanted.unset,
        root=str(top),
        config_path=config_path,
        branch=branch,
        tag=subject.tag,
        tag_message=subject.tag_message,
        commit=commit,
        committed=committed,
        before_sha=tip if pushed and tip is not None else NULL_SHA,
        default_branch=default,
        project=project or local_project(top),
        merge_request=request,
        open_merge_request=wanted.iid if branch is not None else None,
        schedule_description=wanted.schedule_description or "",
        user_name=git.config.get("user.name", ("",))[-1],
        user_email=git.config.get("user.email", ("",))[-1],
        created_at=now,
        variables=variables,
        masked=masked,
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
    git: Git, subject: Subject, remote: str | None
) -> tuple[Commit | None, str | None, str]:
    """The commit, the tip of the remote-tracking branch, and the default branch: one process."""
    branch = subject.branch
    noted = None if remote is None else remote_head(git, remote)
    follows = None if branch is None else upstream(git, branch, remote)
    initial = git.config.get("init.defaultbranch", ("",))[-1]
    candidates = [name for name in (initial, *_DEFAULT_BRANCHES) if _is_simple(name)]
    names = [subject.revision]
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
    found = read_commits(git, names)
    head = found[subject.revision]
    tip = found[follows] if follows is not None else None
    default = noted or next((guesses[ref] for ref in guesses if found[ref] is not None), None)
    return (
        None if head is None else parse_commit(*head),
        None if tip is None else tip[0],
        default or branch or initial or "main",
    )


def _read_base(git: Git, name: str, subject: Subject) -> str:
    if subject.branch is None:
        raise UsageError.of(
            f"--changes-since {name}: this is no push of a branch",
            code="pipeline-flags",
            hint="name the branch with --branch NAME; it need not exist",
        )
    found = read_commits(git, [name])[name] if is_revision(name) else None
    if found is None:
        raise UsageError.of(
            f"--changes-since {name}: there is no such branch, tag or commit here", code="no-ref"
        )
    return found[0]


def _is_simple(name: str) -> bool:
    """A name that stays one line of the question to git."""
    return bool(name) and not re.search(r"[\s\x00-\x1f~^:?*\[\\]", name)
