"""What a configuration becomes for one trigger: the jobs that are in, those that are out, and why.

Made by `evaluate/`, read by `plan/`, `cli` (`list`, `explain`). Nothing here depends on a machine.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from homeport.errors import Problem, Span
from homeport.pipeline.model.config import (
    AllowFailure,
    CrossNeed,
    Job,
    MissingInclude,
    Need,
    Variable,
    When,
)


class Verdict(StrEnum):
    """Whether a job (or the pipeline, by `workflow`) is in; UNRESOLVED when a fact is missing."""

    IN = "in"
    OUT = "out"
    UNRESOLVED = "unresolved"


class Check(Struct, frozen=True, kw_only=True):
    """One condition that was looked at: `clause` is `if`, `changes`, `exists`, `only:refs` …;
    `result` True, False, or None when a fact was missing; `values` the variables that it read."""

    clause: str
    text: str
    result: bool | None
    values: Mapping[str, str | None] = {}
    note: str | None = None
    span: Span | None = None


class Decision(Struct, frozen=True, kw_only=True):
    """Why a job is in or out: the rule that matched (counted from 1) and what was checked."""

    verdict: Verdict
    reason: str
    rule: int | None = None
    checks: tuple[Check, ...] = ()
    span: Span | None = None


class PipelineJob(Struct, frozen=True, kw_only=True):
    """A job of the pipeline. `group` is the name before parallel expansion.

    `needs` is None for stage ordering; else the exact job names (absent optional ones dropped).
    `dependencies` are the exact names whose artifacts are fetched.
    `variables` are job-level variables with those of the matching rule and of the matrix.
    `environment` is the expanded name of its environment.
    """

    name: str
    group: str
    job: Job
    stage: str
    decision: Decision
    when: When = When.ON_SUCCESS
    allow_failure: AllowFailure = AllowFailure(allowed=False)
    start_in: float | None = None
    needs: tuple[Need, ...] | None = None
    cross_needs: tuple[CrossNeed, ...] = ()
    dependencies: tuple[str, ...] = ()
    variables: Mapping[str, Variable] = {}
    matrix: Mapping[str, str] = {}
    node_index: int | None = None
    node_total: int | None = None
    interruptible: bool = False
    environment: str | None = None
    unresolved: tuple[str, ...] = ()


class Pipeline(Struct, frozen=True, kw_only=True):
    """`jobs` are those in (and the unresolved), in stage order; `excluded` those left out.

    `workflow` tells whether there is a pipeline at all; `stages` only those with jobs in them.
    """

    workflow: Decision
    stages: tuple[str, ...]
    jobs: tuple[PipelineJob, ...]
    excluded: tuple[PipelineJob, ...] = ()
    name: str | None = None
    variables: Mapping[str, Variable] = {}
    auto_cancel: Mapping[str, str] = {}
    problems: tuple[Problem, ...] = ()
    missing: tuple[MissingInclude, ...] = ()
