"""What set the pipeline off, and the facts of the repository it runs for.

Made by `facts/`, read by `variables/predefined.py` and `evaluate/`. An unavailable fact is
`Unresolved`, a value: it is never taken for false.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from homeport.pipeline.model.config import Variable


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


class Trigger(Struct, frozen=True, kw_only=True):
    """The facts of one run. `branch` and `tag` exclude each other; `commit` is None in an empty
    repository; `root` is the absolute path of the working tree; `variables` come from the user
    (highest precedence); `masked` and `files` name those of them that are secret, or that a job
    gets as a file."""

    source: Source = Source.PUSH
    root: str
    config_path: str = ".gitlab-ci.yml"
    branch: str | None = None
    tag: str | None = None
    tag_message: str | None = None
    commit: Commit | None = None
    before_sha: str = "0" * 40
    default_branch: str = "main"
    project: Project | None = None
    user_name: str = ""
    user_email: str = ""
    created_at: str = ""
    pipeline_id: int = 1
    variables: Mapping[str, Variable] = {}
    masked: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
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


class Facts(Protocol):
    """Facts that depend on the configuration itself: asked synchronously, remembered by base.

    Each answer is a value or `Unresolved`; no call raises for a missing ref or project.
    """

    def changed_files(self, compare_to: str | None) -> tuple[str, ...] | Unresolved | None:
        """Paths changed since the base, relative to the root; None means that GitLab has no diff
        to look at (a new branch, a tag, a schedule …) and so takes every `changes` for true."""
        ...

    def files(self, project: str | None, ref: str | None) -> tuple[str, ...] | Unresolved:
        """Every path of this project's tree, or of another project at a ref."""
        ...
