"""What will be run: pure data, printable, testable without an executor.

Made by `plan/`, carried out by `execute/`. Values that may depend on dotenv variables of other jobs
(image, services, environment url, cache keys, variables) are kept unexpanded here and expanded by
a pure step when the job starts.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from homeport.pipeline.model.config import (
    AllowFailure,
    Artifacts,
    Cache,
    CrossNeed,
    Environment,
    Image,
    Retry,
    Service,
    When,
)


class Runs(StrEnum):
    """Where a job runs: on the host's shell, in a container, as a pipeline of its own, or not at
    all (with a reason)."""

    SHELL = "shell"
    CONTAINER = "container"
    DOWNSTREAM = "downstream"
    NOWHERE = "not-run"


class ScopedVariable(Struct, frozen=True, kw_only=True):
    """A variable in precedence order (later wins): `raw` is not expanded, `masked` is never shown,
    `file` means that the value goes into a file and the variable holds its path."""

    key: str
    value: str
    raw: bool = False
    masked: bool = False
    file: bool = False


class TriggerPlan(Struct, frozen=True, kw_only=True):
    """The pipeline that a trigger job makes: of `include` (entries of `include:`), or of `project`
    at `branch` with `inputs`. `variables` are those of the CI file that it may hand on; `forward`
    says which kinds it does; `job_id` is its own `CI_JOB_ID`."""

    include: tuple[Mapping[str, Any], ...] = ()
    project: str | None = None
    branch: str | None = None
    strategy: str | None = None
    forward: Mapping[str, bool] = {}
    inputs: Mapping[str, Any] = {}
    variables: tuple[ScopedVariable, ...] = ()
    job_id: int = 1


class IdToken(Struct, frozen=True, kw_only=True):
    """A token of `id_tokens`: for `audience` (one or several, not expanded), or the user's own, in
    a file."""

    audience: str | tuple[str, ...] = ""
    file: str | None = None


class SecretFile(Struct, frozen=True, kw_only=True):
    """The user's file that a secret is read from; the job sees its content, or with `file` the path
    of a copy."""

    path: str
    file: bool = True


class JobPlan(Struct, frozen=True, kw_only=True):
    """One job, ready for an executor.

    `needs` is None for stage ordering. `dependencies` are names of jobs of this plan (or of an
    earlier run) whose artifacts are put into the workspace first, in that order.
    `variables` is everything written in or for the pipeline; `overrides` come from the user and win
    over the dotenv variables that go in between when the job starts.
    `not_run` says why a job with `runs = not-run` does not run here. `timeout` is in seconds.
    `placed` are files (absolute path → text) that lie in its container before it starts, `notes`
    what its log says first.
    `trigger` is what a job with `runs = downstream` does. `upstream` are needs of jobs in the
    pipelines that led to this one.
    `release` is as written; `environment` has its name expanded; `pages` is the folder of the site
    that it makes.
    `claims` are what its `id_tokens` say beside audience and times.
    """

    name: str
    stage: str
    runs: Runs
    group: str = ""
    not_run: str | None = None
    image: Image | None = None
    services: tuple[Service, ...] = ()
    variables: tuple[ScopedVariable, ...] = ()
    overrides: tuple[ScopedVariable, ...] = ()
    before_script: tuple[str, ...] = ()
    script: tuple[str, ...] = ()
    after_script: tuple[str, ...] = ()
    pre_get_sources_script: tuple[str, ...] = ()
    run: tuple[Mapping[str, Any], ...] = ()
    when: When = When.ON_SUCCESS
    start_in: float | None = None
    allow_failure: AllowFailure = AllowFailure(allowed=False)
    needs: tuple[str, ...] | None = None
    dependencies: tuple[str, ...] = ()
    artifacts: Artifacts | None = None
    cache: tuple[Cache, ...] = ()
    retry: Retry = Retry()
    timeout: float = 3600.0
    coverage: str | None = None
    resource_group: str | None = None
    interruptible: bool = False
    placed: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()
    trigger: TriggerPlan | None = None
    upstream: tuple[CrossNeed, ...] = ()
    release: Mapping[str, Any] | None = None
    environment: Environment | None = None
    pages: str | None = None
    id_tokens: Mapping[str, IdToken] = {}
    claims: Mapping[str, Any] = {}
    secrets: Mapping[str, SecretFile] = {}


class Plan(Struct, frozen=True, kw_only=True):
    """All jobs in stage order. `project_path` is `group/name`; `root` the user's working tree.

    `project` names the project on this machine, as its resource groups are its own: with its
    server, or by its root where it has none. `sha` is the commit that workspaces are detached at;
    `ref` its branch or tag.
    """

    stages: tuple[str, ...]
    jobs: tuple[JobPlan, ...]
    root: str
    sha: str
    ref: str
    project_path: str
    project: str = ""
    name: str | None = None
    auto_cancel: Mapping[str, str] = {}
