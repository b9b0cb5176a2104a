"""What the user wants simulated, and whether its parts go together."""

from collections.abc import Mapping

from msgspec import Struct

from homeport.errors import UsageError
from homeport.pipeline.model.trigger import Source

KINDS: Mapping[str, Source] = {
    "branch": Source.PUSH,
    "tag": Source.PUSH,
    "merge-request": Source.MERGE_REQUEST,
    "schedule": Source.SCHEDULE,
    "web": Source.WEB,
    "api": Source.API,
    "trigger": Source.TRIGGER,
    "pipeline": Source.PIPELINE,
}
"""`--as` and the source that it simulates."""


class Wanted(Struct, frozen=True, kw_only=True):
    """The flags that choose a pipeline. `kind` is a word of `KINDS`, None for what is checked out.

    `ref` is a branch, a tag or a commit whose tree is used instead of the working tree, as
    `committed` does for HEAD. `changes_since` is the commit that a push is taken to start from.
    `as_new` takes the branch for one that was never pushed, as GitLab's simulation of a push does.
    `unset` are names of variables that jobs shall not have.
    The rest describes the merge request or the schedule; None and empty are what git says, or
    unset.
    """

    kind: str | None = None
    branch: str | None = None
    tag: str | None = None
    ref: str | None = None
    committed: bool = False
    changes_since: str | None = None
    as_new: bool = False
    unset: frozenset[str] = frozenset()
    target_branch: str | None = None
    iid: int | None = None
    title: str | None = None
    description: str | None = None
    labels: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    milestone: str | None = None
    draft: bool = False
    schedule_description: str | None = None

    @property
    def source(self) -> Source:
        return Source.PUSH if self.kind is None else KINDS[self.kind]

    @property
    def is_merge_request(self) -> bool:
        return self.source is Source.MERGE_REQUEST


def refuse_contradictions(wanted: Wanted) -> None:
    """Raise `UsageError` for flags that no pipeline of GitLab's could have together."""
    if wanted.branch is not None and wanted.tag is not None:
        raise UsageError.of("--branch and --tag exclude each other", code="branch-and-tag")
    kind = wanted.kind
    if kind == "tag" and wanted.branch is not None:
        raise _wrong("--branch", "a tag pipeline has no branch", "use --tag NAME, or leave it out")
    if kind in ("branch", "merge-request") and wanted.tag is not None:
        raise _wrong(
            "--tag", f"a {kind.replace('-', ' ')} pipeline has no tag", "use --branch NAME"
        )
    if not wanted.is_merge_request:
        _refuse_merge_request_flags(wanted)
    if kind != "schedule" and wanted.schedule_description is not None:
        raise _wrong("--schedule-description", "only a schedule has one", "add --as schedule")
    if wanted.changes_since is not None and (kind not in (None, "branch") or wanted.tag):
        raise _wrong(
            "--changes-since",
            "only the push of a branch starts somewhere",
            "a merge request compares with --target-branch; "
            "in all other pipelines GitLab takes every `changes` for true",
        )


def _refuse_merge_request_flags(wanted: Wanted) -> None:
    given = {
        "--target-branch": wanted.target_branch,
        "--merge-request-title": wanted.title,
        "--merge-request-description": wanted.description,
        "--merge-request-labels": wanted.labels,
        "--merge-request-assignees": wanted.assignees,
        "--merge-request-milestone": wanted.milestone,
        "--merge-request-draft": wanted.draft,
    }
    for flag, value in given.items():
        if value:
            raise _wrong(flag, "only a merge request pipeline has one", "add --as merge-request")


def _wrong(flag: str, why: str, hint: str) -> UsageError:
    return UsageError.of(f"{flag}: {why}", code="pipeline-flags", hint=hint)
