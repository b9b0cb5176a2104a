"""What set the pipeline off, and the facts of the repository it runs for.

Made by `facts/`, read by `variables/predefined.py` and `evaluate/`. An unavailable fact is
`Unresolved`, a value: it is never taken for false.
"""

from enum import IntEnum, StrEnum
from typing import Protocol

from msgspec import Struct


class Source(StrEnum):
    """`CI_PIPELINE_SOURCE`, in GitLab's words."""

    PUSH = "push"
    WEB = "web"
    SCHEDULE = "schedule"
    API = "api"
    TRIGGER = "trigger"
    PIPELINE = "pipeline"
    PARENT_PIPELINE = "parent_pipeline"
    MERGE_REQUEST = "merge_request_event"


class Commit(Struct, frozen=True, kw_only=True):
    """A commit's own facts; `timestamp` is ISO 8601 with offset, `author` is `Name <email>`."""

    sha: str
    title: str
    message: str
    description: str
    timestamp: str
    author: str
    parents: tuple[str, ...] = ()


class Project(Struct, frozen=True, kw_only=True):
    """The project as its remote names it; `path` is `group/sub/name`, `host` may carry a port."""

    host: str
    path: str
    protocol: str = "https"
    ssh_port: int = 22


class MergeRequest(Struct, frozen=True, kw_only=True):
    """The merge request of a merge request pipeline; its source branch is the trigger's `branch`.

    `target_sha` is the tip of the target branch and `base_sha` the merge base with it; both are
    None where this clone does not know the target branch. Empty `labels` and `assignees` are
    unset, as on the server.
    """

    iid: int = 1
    target_branch: str
    target_sha: str | None = None
    base_sha: str | None = None
    title: str
    description: str = ""
    draft: bool = False
    labels: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    milestone: str | None = None


class Level(IntEnum):
    """Where a given variable comes from; a higher one wins. Groups within groups lie between
    GROUP and PROJECT, the outermost first; FORWARDED is what a trigger job hands on to its
    pipeline. Source: GitLab's "CI/CD variable precedence"."""

    INSTANCE = 0
    GROUP = 10
    PROJECT = 100
    REPOSITORY_FILE = 200
    PIPELINE = 300
    FORWARDED = 400


class GivenVariable(Struct, frozen=True, kw_only=True):
    """A variable from outside the CI file: settings, flags, variable files, a server.

    `expand` False keeps `$` literal; `file` puts the value into a file whose path the job sees;
    `scope` is the environment scope: a name, or a pattern with `*`.
    """

    key: str
    value: str
    expand: bool = True
    file: bool = False
    scope: str = "*"
    level: int = Level.PIPELINE


class Upstream(Struct, frozen=True, kw_only=True):
    """The job that made a downstream pipeline, and the pipeline that it is of; `depth` counts the
    child pipelines down to here (a child of the main pipeline has 1)."""

    pipeline_id: int = 1
    job_id: int = 1
    depth: int = 0


class Trigger(Struct, frozen=True, kw_only=True):
    """The facts of one run. `branch` and `tag` exclude each other; `commit` is None in an empty
    repository; `root` is the absolute path of the working tree. `committed` means that the files
    are those of the commit, not those of the working tree. `variables` come from outside the CI
    file and win over what is in it; `masked` names all variables that are secret.
    `unset` are names of variables that no job has, whoever sets them.
    `open_merge_request` is a merge request that a branch pipeline's branch has. `upstream` is what
    made a downstream pipeline; `first_job_id` the `CI_JOB_ID` of its first job."""

    source: Source = Source.PUSH
    root: str
    config_path: str = ".gitlab-ci.yml"
    branch: str | None = None
    tag: str | None = None
    tag_message: str | None = None
    commit: Commit | None = None
    committed: bool = False
    before_sha: str = "0" * 40
    default_branch: str = "main"
    project: Project | None = None
    merge_request: MergeRequest | None = None
    open_merge_request: int | None = None
    schedule_description: str = ""
    user_name: str = ""
    user_email: str = ""
    created_at: str = ""
    pipeline_id: int = 1
    first_job_id: int = 1
    upstream: Upstream | None = None
    variables: tuple[GivenVariable, ...] = ()
    masked: frozenset[str] = frozenset()
    unset: frozenset[str] = frozenset()
    uncommitted: int = 0
    untracked: int = 0

    @property
    def ref(self) -> str | None:
        """`CI_COMMIT_REF_NAME`: the tag's or the branch's name; the short SHA of a detached head
        that is on neither, so that a runner has a name to show and to fetch."""
        name = self.tag or self.branch
        return self.commit.sha[:8] if name is None and self.commit is not None else name


class Unresolved(Struct, frozen=True):
    """A fact that cannot be had here, and why."""

    reason: str


class AllChanged(Struct, frozen=True):
    """GitLab has no diff to look at and takes every `changes` for true; `reason` says why."""

    reason: str


class Facts(Protocol):
    """Facts that depend on the configuration itself: asked synchronously, remembered by base.

    Each answer is a value or `Unresolved`; no call raises for a missing ref or project.
    """

    def changed_files(self, compare_to: str | None) -> tuple[str, ...] | Unresolved | AllChanged:
        """Paths changed since the base, relative to the root."""
        ...

    def files(self, project: str | None, ref: str | None) -> tuple[str, ...] | Unresolved:
        """Every path of this project's tree, or of another project at a ref."""
        ...
