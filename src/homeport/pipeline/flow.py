"""The flow of the pipeline half, read from top to bottom.

`evaluate_pipeline`: load → expand → parse → evaluate. `run_pipeline`: plan → execute → report.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, structs

from homeport.errors import Severity, UsageError
from homeport.pipeline.config.compose import compose
from homeport.pipeline.config.extends import resolve_extends
from homeport.pipeline.config.keyword.rules import read_include_rules
from homeport.pipeline.document.load import load
from homeport.pipeline.document.reference import resolve_references
from homeport.pipeline.evaluate.evaluate import evaluate
from homeport.pipeline.evaluate.rules import RuleBook
from homeport.pipeline.facts.changes import GitFacts
from homeport.pipeline.facts.repository import read_trigger
from homeport.pipeline.include.api import Expanded, IncludeContext
from homeport.pipeline.include.expand import expand_includes
from homeport.pipeline.include.local import WorktreeSource
from homeport.pipeline.model.config import Config, Variable, When
from homeport.pipeline.model.document import Document, Map
from homeport.pipeline.model.pipeline import Pipeline, Verdict
from homeport.pipeline.model.trigger import Facts, Trigger, Unresolved
from homeport.pipeline.variables.predefined import pipeline_variables
from homeport.settings.model import Settings


class Request(Struct, frozen=True, kw_only=True):
    """What to evaluate: the file (relative to the root) of the working tree at `root`, as a push
    of `branch` or `tag` (None: what is checked out)."""

    root: Path
    settings: Settings
    file: str = ".gitlab-ci.yml"
    branch: str | None = None
    tag: str | None = None


class Evaluation(Struct, frozen=True, kw_only=True):
    """A pipeline and all that it was made of; `files` are the CI files that were read."""

    request: Request
    trigger: Trigger
    merged: Map
    config: Config
    pipeline: Pipeline
    files: tuple[str, ...]


def evaluate_pipeline(request: Request) -> Evaluation:
    """The pipeline of a request. Raises `UsageError` with every problem of a broken file; problems
    of a valid file, and includes that could not be read, are in the result."""
    trigger = _trigger(request)
    facts = GitFacts(request.root, trigger)
    source = WorktreeSource(request.root, listing=lambda: _listing(facts))
    expanded = _expand(_read(source, request), source, trigger, facts)
    merged, unresolved = _resolve(expanded)
    config = _with_chains(
        compose(merged, unresolved=unresolved, missing=expanded.missing), expanded
    )
    _refuse_errors(config)
    return Evaluation(
        request=request,
        trigger=trigger,
        merged=merged,
        config=config,
        pipeline=evaluate(config, trigger, facts),
        files=expanded.files,
    )


def _trigger(request: Request) -> Trigger:
    settings = request.settings
    return read_trigger(
        request.root,
        config_path=request.file,
        branch=request.branch,
        tag=request.tag,
        now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        variables={
            name: Variable(value=variable.value, expand=variable.expand)
            for name, variable in settings.variables.items()
        },
        masked=frozenset(name for name in settings.variables if settings.masks(name)),
        files=frozenset(name for name, variable in settings.variables.items() if variable.file),
    )


def _read(source: WorktreeSource, request: Request) -> Document:
    content = source.read(request.file)
    if content is None:
        path = request.root / request.file
        if path.is_dir():
            what = "is a folder, not a file"
        elif path.exists():
            what = "cannot be read, or lies outside of the repository"
        else:
            what = "does not exist"
        raise UsageError.of(
            f"{request.file} {what}",
            code="no-file",
            hint=f"looked in {request.root}; name another file with -f FILE",
        )
    return load(content, request.file)


def _listing(facts: Facts) -> tuple[str, ...]:
    files = facts.files(None, None)
    return () if isinstance(files, Unresolved) else files


def _expand(document: Document, source: WorktreeSource, trigger: Trigger, facts: Facts) -> Expanded:
    variables = pipeline_variables(trigger)
    variables.update((key, variable.value) for key, variable in trigger.variables.items())
    book = RuleBook(facts)

    def allows(entry: Map, _location: str) -> bool | None:
        rules = read_include_rules(entry)
        verdict = book.decide(rules, variables, When.ALWAYS).decision.verdict
        return None if verdict is Verdict.UNRESOLVED else verdict is Verdict.IN

    context = IncludeContext(variables=variables, allows=allows, masked=trigger.masked)
    return expand_includes(document, source, context)


def _resolve(expanded: Expanded) -> tuple[Map, Mapping[str, tuple[str, ...]]]:
    """`extends` and `!reference` applied; with includes missing, what cannot be is set apart."""
    partial = bool(expanded.missing)
    extended, lost = resolve_extends(expanded.content, partial=partial)
    merged, also_lost = resolve_references(extended, partial=partial)
    return merged, {**lost, **also_lost}


def _with_chains(config: Config, expanded: Expanded) -> Config:
    """The configuration with the loader's own findings, and for each finding in an included file
    the includes that led there."""
    chains = expanded.chains
    problems = tuple(
        structs.replace(problem, included_from=chains[problem.span.file])
        if problem.span is not None and chains.get(problem.span.file)
        else problem
        for problem in (*expanded.problems, *config.problems)
    )
    return structs.replace(config, problems=problems)


def _refuse_errors(config: Config) -> None:
    if any(problem.severity is Severity.ERROR for problem in config.problems):
        raise UsageError(config.problems)
