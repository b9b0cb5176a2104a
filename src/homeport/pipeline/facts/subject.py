"""Which commit a pipeline is for, and on which branch or tag."""

from msgspec import Struct

from homeport.errors import UsageError
from homeport.lib.git import Git
from homeport.pipeline.facts.head import current_branch
from homeport.pipeline.facts.objects import (
    is_ref_name,
    is_revision,
    read_commits,
    read_tag_message,
    read_tags,
)
from homeport.pipeline.facts.remote import choose_remote
from homeport.pipeline.facts.wanted import Wanted


class Subject(Struct, frozen=True, kw_only=True):
    """`revision` is a name of the commit for git; `branch` and `tag` exclude each other."""

    revision: str = "HEAD"
    branch: str | None = None
    tag: str | None = None
    tag_message: str | None = None


def choose_subject(git: Git, wanted: Wanted) -> Subject:
    """The commit, branch and tag of the wanted pipeline. Raises `UsageError` for a ref that is not
    there, a tag pipeline without a tag, a branch pipeline without a branch.

    A detached head without any flag is a tag pipeline if a tag points at it; otherwise it has
    neither branch nor tag.
    """
    revision, branch, tag = _start(git, wanted)
    message: str | None = None
    if wanted.kind == "tag":
        branch = None
    if wanted.kind in ("branch", "merge-request"):
        tag = None
    if tag is None and branch is None and wanted.kind not in ("branch", "merge-request"):
        tags = read_tags(git, revision)
        if tags:
            tag, message = tags[0]
    elif tag is not None:
        message = read_tag_message(git, tag)
    if wanted.kind == "tag" and tag is None:
        raise UsageError.of(
            f"--as tag: no tag points at {_described(wanted)}",
            code="no-tag",
            hint="name one with --tag NAME; it need not exist",
        )
    if wanted.kind in ("branch", "merge-request") and branch is None:
        raise UsageError.of(
            f"--as {wanted.kind}: {_described(wanted)} is on no branch",
            code="no-branch",
            hint="name one with --branch NAME; it need not exist",
        )
    return Subject(revision=revision, branch=branch, tag=tag, tag_message=message)


def _start(git: Git, wanted: Wanted) -> tuple[str, str | None, str | None]:
    revision, branch, tag = (
        ("HEAD", None, None) if wanted.ref is None else _resolve(git, wanted.ref)
    )
    if wanted.branch is not None or wanted.tag is not None:
        return revision, wanted.branch, wanted.tag
    if branch is None and tag is None:
        branch = current_branch(git)
    return revision, branch, tag


def _resolve(git: Git, ref: str) -> tuple[str, str | None, str | None]:
    """A branch before a tag, a local branch before the remote's; else any name of a commit."""
    names = []
    if is_ref_name(ref):
        remote = choose_remote(git.config, None) or "origin"
        names = [f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/remotes/{remote}/{ref}"]
    if is_revision(ref):
        names.append(ref)
    found = read_commits(git, names) if names else {}
    name = next((name for name in names if found[name] is not None), None)
    if name is None:
        raise UsageError.of(
            f"--ref {ref}: there is no such branch, tag or commit here",
            code="no-ref",
            hint="fetch it first, or look at `git branch -a` and `git tag`",
        )
    if name.startswith("refs/tags/"):
        return name, None, ref.removeprefix("refs/tags/")
    if name.startswith(("refs/heads/", "refs/remotes/")) and name != ref:
        return name, ref, None
    return name, None, None


def _described(wanted: Wanted) -> str:
    return "the commit that is checked out" if wanted.ref is None else wanted.ref
