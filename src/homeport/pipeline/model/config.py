"""A validated configuration: GitLab's keywords in one normal form each.

Made by `config/`, read by `evaluate/`. Every spelling of a keyword is folded into the one shape
here; defaults are applied (`default:`, `inherit:`), `extends` and `!reference` are gone.
Durations are seconds. Names and meaning follow GitLab's CI/CD YAML syntax reference.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from homeport.errors import Problem, Span


class When(StrEnum):
    ON_SUCCESS = "on_success"
    ON_FAILURE = "on_failure"
    ALWAYS = "always"
    MANUAL = "manual"
    DELAYED = "delayed"
    NEVER = "never"


class ArtifactsWhen(StrEnum):
    ON_SUCCESS = "on_success"
    ON_FAILURE = "on_failure"
    ALWAYS = "always"


class Variable(Struct, frozen=True, kw_only=True):
    """A variable as written; `expand` False keeps `$` literal (GitLab calls that raw)."""

    value: str
    expand: bool = True
    description: str | None = None
    options: tuple[str, ...] = ()


Variables = Mapping[str, Variable]


class Image(Struct, frozen=True, kw_only=True):
    name: str
    entrypoint: tuple[str, ...] | None = None
    docker_user: str | None = None
    docker_platform: str | None = None
    pull_policy: tuple[str, ...] = ()
    span: Span | None = None


class Service(Struct, frozen=True, kw_only=True):
    """`placed` is what a plan puts into its container (absolute path → text); never written in a
    CI file."""

    name: str
    aliases: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    variables: Mapping[str, Variable] = {}
    docker_user: str | None = None
    docker_platform: str | None = None
    pull_policy: tuple[str, ...] = ()
    placed: Mapping[str, str] = {}


class AllowFailure(Struct, frozen=True, kw_only=True):
    """`allow_failure: true|false`, or `exit_codes`, which are then the only ones allowed."""

    allowed: bool
    exit_codes: tuple[int, ...] = ()


class Changes(Struct, frozen=True, kw_only=True):
    """`paths` are globs; `regexp` stands in their place."""

    paths: tuple[str, ...] = ()
    regexp: str | None = None
    compare_to: str | None = None


class Exists(Struct, frozen=True, kw_only=True):
    """`paths` are globs; `regexp` stands in their place."""

    paths: tuple[str, ...] = ()
    regexp: str | None = None
    project: str | None = None
    ref: str | None = None


class Need(Struct, frozen=True, kw_only=True):
    """`needs:job`. `matrix` holds the selected combinations, each variable to its values."""

    job: str
    artifacts: bool = True
    optional: bool = False
    matrix: tuple[Mapping[str, tuple[str, ...]], ...] = ()
    span: Span | None = None


class CrossNeed(Struct, frozen=True, kw_only=True):
    """`needs:project` (project, ref, job) or `needs:pipeline` (pipeline, and job for artifacts)."""

    job: str | None = None
    project: str | None = None
    ref: str | None = None
    pipeline: str | None = None
    artifacts: bool = True
    optional: bool = False
    span: Span | None = None


class Rule(Struct, frozen=True, kw_only=True):
    """One entry of `rules:`, of a job, of `workflow:` or of an include."""

    if_: str | None = None
    changes: Changes | None = None
    exists: Exists | None = None
    when: When | None = None
    start_in: float | None = None
    allow_failure: AllowFailure | None = None
    variables: Mapping[str, Variable] | None = None
    needs: tuple[Need | CrossNeed, ...] | None = None
    interruptible: bool | None = None
    auto_cancel: Mapping[str, str] | None = None
    span: Span | None = None


class Policy(Struct, frozen=True, kw_only=True):
    """`only:` or `except:`; a null part is one that was not written."""

    refs: tuple[str, ...] | None = None
    variables: tuple[str, ...] | None = None
    changes: tuple[str, ...] | None = None
    kubernetes: str | None = None
    span: Span | None = None


class Parallel(Struct, frozen=True, kw_only=True):
    """`parallel: N` (total), or `parallel:matrix` (one map of variable → values per entry)."""

    total: int | None = None
    matrix: tuple[Mapping[str, tuple[str, ...]], ...] = ()


class Retry(Struct, frozen=True, kw_only=True):
    """`when` and `exit_codes` are alternatives: either may start another try."""

    max: int = 0
    when: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = ()


class Artifacts(Struct, frozen=True, kw_only=True):
    """`reports` maps a report type (dotenv, junit, …) to its path patterns, or to the raw value."""

    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    untracked: bool = False
    name: str | None = None
    when: ArtifactsWhen = ArtifactsWhen.ON_SUCCESS
    expire_in: str | None = None
    expose_as: str | None = None
    public: bool | None = None
    access: str | None = None
    reports: Mapping[str, Any] = {}


class CacheKey(Struct, frozen=True, kw_only=True):
    """A fixed `key`, or one computed from the content of `files` (with `prefix`)."""

    key: str | None = None
    files: tuple[str, ...] = ()
    files_commits: tuple[str, ...] = ()
    prefix: str | None = None


class Cache(Struct, frozen=True, kw_only=True):
    key: CacheKey = CacheKey(key="default")
    paths: tuple[str, ...] = ()
    untracked: bool = False
    unprotect: bool = False
    policy: str = "pull-push"
    when: str = "on_success"
    fallback_keys: tuple[str, ...] = ()


class Environment(Struct, frozen=True, kw_only=True):
    name: str
    url: str | None = None
    action: str = "start"
    on_stop: str | None = None
    auto_stop_in: str | None = None
    deployment_tier: str | None = None
    kubernetes: Mapping[str, Any] | None = None


class Trigger(Struct, frozen=True, kw_only=True):
    """A bridge job: `include` holds the normalised child includes, or `project` names another."""

    project: str | None = None
    branch: str | None = None
    strategy: str | None = None
    include: tuple[Mapping[str, Any], ...] = ()
    forward: Mapping[str, bool] = {}
    inputs: Mapping[str, Any] = {}


class Job(Struct, frozen=True, kw_only=True):
    """One visible job with every default applied; None means that the keyword is not in force.

    `inherit_variables` is True (all global variables), False (none) or the names inherited.
    `raw` is the merged mapping, for `render` and for keywords that run nothing here.
    `unresolved` names what the job refers to that no known file defines (reasons, ready to print).
    """

    name: str
    stage: str
    span: Span | None = None
    script: tuple[str, ...] = ()
    before_script: tuple[str, ...] = ()
    after_script: tuple[str, ...] = ()
    pre_get_sources_script: tuple[str, ...] = ()
    run: tuple[Mapping[str, Any], ...] = ()
    image: Image | None = None
    services: tuple[Service, ...] = ()
    variables: Mapping[str, Variable] = {}
    inherit_variables: bool | tuple[str, ...] = True
    rules: tuple[Rule, ...] | None = None
    only: Policy | None = None
    except_: Policy | None = None
    when: When | None = None
    start_in: float | None = None
    allow_failure: AllowFailure | None = None
    needs: tuple[Need | CrossNeed, ...] | None = None
    dependencies: tuple[str, ...] | None = None
    parallel: Parallel | None = None
    retry: Retry = Retry()
    timeout: float | None = None
    tags: tuple[str, ...] = ()
    artifacts: Artifacts | None = None
    cache: tuple[Cache, ...] = ()
    coverage: str | None = None
    environment: Environment | None = None
    interruptible: bool | None = None
    resource_group: str | None = None
    trigger: Trigger | None = None
    release: Mapping[str, Any] | None = None
    secrets: Mapping[str, Any] = {}
    id_tokens: Mapping[str, Any] = {}
    pages: bool | Mapping[str, Any] | None = None
    manual_confirmation: str | None = None
    raw: Mapping[str, Any] = {}
    unresolved: tuple[str, ...] = ()


class Workflow(Struct, frozen=True, kw_only=True):
    name: str | None = None
    rules: tuple[Rule, ...] | None = None
    auto_cancel: Mapping[str, str] = {}
    span: Span | None = None


class MissingInclude(Struct, frozen=True, kw_only=True):
    """An include that could not be read: what it is, where it was written, why it failed."""

    kind: str
    location: str
    project: str | None = None
    ref: str | None = None
    span: Span | None = None
    reason: str = ""


class Config(Struct, frozen=True, kw_only=True):
    """A whole configuration. `stages` includes `.pre` and `.post`; `jobs` keeps written order.

    `problems` are all findings, errors among them; `missing` are the includes not reached.
    """

    stages: tuple[str, ...]
    jobs: Mapping[str, Job]
    variables: Mapping[str, Variable] = {}
    workflow: Workflow = Workflow()
    problems: tuple[Problem, ...] = ()
    missing: tuple[MissingInclude, ...] = ()
