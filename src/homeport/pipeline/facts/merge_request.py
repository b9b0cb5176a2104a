"""A merge request that need not exist: the branch that is checked out into its target branch."""

import re

from homeport.errors import UsageError
from homeport.lib.git import Git
from homeport.pipeline.facts.objects import is_ref_name, read_commits
from homeport.pipeline.facts.remote import choose_remote
from homeport.pipeline.facts.wanted import Wanted
from homeport.pipeline.model.trigger import Commit, MergeRequest

_DRAFT = r"(?i)\s*(?:\[draft\]|\(draft\)|draft:)"
"""Source: GitLab's "Draft merge requests"."""


def describe_merge_request(
    git: Git, wanted: Wanted, commit: Commit | None, branch: str, default_branch: str
) -> MergeRequest:
    """The merge request of `branch`, named after its last commit unless flags say otherwise.

    Raises `UsageError` for a target that is the branch itself, as GitLab refuses it.
    """
    target = wanted.target_branch or default_branch
    if target == branch:
        raise UsageError.of(
            f"branch {branch} cannot be merged into itself",
            code="same-branch",
            hint="name another target with --target-branch NAME, "
            "or the branch to merge with --branch NAME; it need not exist",
        )
    target_sha = _tip(git, branch, target)
    title = wanted.title
    if title is None:
        title = commit.title if commit is not None else branch
    description = wanted.description
    if description is None:
        description = commit.description.strip("\n") if commit is not None else ""
    return MergeRequest(
        iid=wanted.iid or 1,
        target_branch=target,
        target_sha=target_sha,
        base_sha=_merge_base(git, target_sha, commit),
        title=title,
        description=description,
        draft=wanted.draft or re.match(_DRAFT, title) is not None,
        labels=wanted.labels,
        assignees=wanted.assignees,
        milestone=wanted.milestone,
    )


def _tip(git: Git, branch: str, target: str) -> str | None:
    """The target's tip: as last fetched, since that is the server's, before the local branch's."""
    if not is_ref_name(target):
        return None
    remote = choose_remote(git.config, branch) or "origin"
    names = [f"refs/remotes/{remote}/{target}", f"refs/heads/{target}"]
    return next((found[0] for found in read_commits(git, names).values() if found), None)


def _merge_base(git: Git, target: str | None, commit: Commit | None) -> str | None:
    if target is None or commit is None:
        return None
    out = git.try_run("merge-base", target, commit.sha, config=False)
    return out.decode().strip() if out else None
