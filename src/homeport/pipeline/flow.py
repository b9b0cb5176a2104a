"""The flow of an evaluation, read from top to bottom: load → expand → parse → evaluate.

What follows for a run (plan → execute → report) is in `run.py`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from homeport.errors import Problem, Severity, UsageError
from homeport.lib.git import Git
from homeport.pipeline.config.compose import compose
from homeport.pipeline.config.extends import resolve_extends
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.document.load import load
from homeport.pipeline.document.merge import merge_all
from homeport.pipeline.document.reference import resolve_references
from homeport.pipeline.evaluate.evaluate import evaluate
from homeport.pipeline.evaluate.needs import MAX_NEEDS
from homeport.pipeline.evaluate.rules import RuleBook
from homeport.pipeline.facts.changes import GitFacts
from homeport.pipeline.facts.given import REPOSITORY_FILE, Given, give_variables
from homeport.pipeline.facts.repository import read_trigger
from homeport.pipeline.facts.wanted import Wanted
from homeport.pipeline.include.api import (
    Choose,
    Expanded,
    FileSource,
    IncludeContext,
    Key,
    Locked,
    RemoteSource,
)
from homeport.pipeline.include.local import WorktreeSource
from homeport.pipeline.model.config import Config, When
from homeport.pipeline.model.document import Document, Map, Seq
from homeport.pipeline.model.pipeline import Pipeline, Verdict
from homeport.pipeline.model.trigger import Facts, Trigger, Unresolved
from homeport.pipeline.variables.predefined import pipeline_variables
from homeport.pipeline.variables.scoped import chosen_values
from homeport.settings.model import Settings

Artifact = Callable[[str, str], bytes | None]
"""Reads a file from the artifacts of a job: `(job, path)`."""


class Request(Struct, frozen=True, kw_only=True):
    """What to evaluate: the file (relative to the root) of the working tree at `root`, for the
    `wanted` pipeline. `home` is the user's home folder, for variable files. `count_changes` is
    whether somebody wants to know how many changes are not committed, which costs a look at every
    file. `env` is the environment of the command: where credentials and proxies are looked up.
    `offline` forbids every fetch of an include, `refresh` reads all of them anew. `overlay` is a
    file, if it is there, that goes on top of the CI file and all that it includes; `inputs` chooses
    the values of the CI file's inputs, `offered` those of all files (`IncludeContext`);
    `variables_file` holds variables, relative to the root, `shared_variables` are a further such
    file's name and content (`give_variables`)."""

    root: Path
    settings: Settings
    env: Mapping[str, str] = {}
    file: str = ".gitlab-ci.yml"
    wanted: Wanted = Wanted()
    home: str | None = None
    offline: bool = False
    refresh: bool = False
    count_changes: bool = False
    overlay: str | None = None
    inputs: Choose | None = None
    offered: Mapping[str, Mapping[str, Any]] = {}
    variables_file: str = REPOSITORY_FILE
    shared_variables: tuple[str, bytes] | None = None


class Evaluation(Struct, frozen=True, kw_only=True):
    """A pipeline and all that it was made of; `files` are the CI files that were read, `used`
    the includes from elsewhere as the lock file names them."""

    request: Request
    git: Git
    trigger: Trigger
    merged: Map
    config: Config
    pipeline: Pipeline
    files: tuple[str, ...]
    used: Mapping[Key, Locked] = {}


def evaluate_pipeline(request: Request) -> Evaluation:
    """The pipeline of a request. Raises `UsageError` with every problem of a broken file; problems
    of a valid file, and includes that could not be read, are in the result."""
    git = Git(request.root)
    given = _give(request, git)
    return _evaluate(request, git, given.trigger, given.problems, inputs=request.inputs)


def evaluate_child(
    parent: Evaluation,
    trigger: Trigger,
    include: Sequence[Mapping[str, Any]],
    artifact: Artifact,
) -> Evaluation:
    """The child pipeline of `trigger` that these entries of `trigger:include` make; `artifact`
    reads a file that a job of the parent has left. Raises as `evaluate_pipeline` does."""
    entries = [entry if isinstance(entry, Map) else Map(dict(entry)) for entry in include]
    root = Document(name=parent.request.file, content=Map({"include": Seq(list(entries))}))
    request = structs.replace(parent.request, overlay=None, offered={})
    return _evaluate(request, parent.git, trigger, (), root=root, artifact=artifact)


def evaluate_downstream(
    request: Request, become: Callable[[Trigger], Trigger], inputs: Mapping[str, Any]
) -> Evaluation:
    """The pipeline that a trigger job makes of another project's checkout: `become` makes its
    trigger of what that says, `inputs` are those of its CI file. Raises as `evaluate_pipeline`."""
    git = Git(request.root)
    given = _give(request, git)
    return _evaluate(request, git, become(given.trigger), given.problems, inputs=inputs)


def _evaluate(
    request: Request,
    git: Git,
    trigger: Trigger,
    noted: tuple[Problem, ...],
    *,
    root: Document | None = None,
    artifact: Artifact | None = None,
    inputs: Mapping[str, Any] | Choose | None = None,
) -> Evaluation:
    """The pipeline of a trigger, from its own root document or from the file of the request."""
    facts = GitFacts(git, trigger)
    source = _source(request, trigger, facts)
    used: dict[Key, Locked] = {}
    elsewhere = _elsewhere(request, git, trigger, source, used)
    document = root or _read(source, request, trigger)
    expanded = _expand(
        document,
        source,
        trigger,
        facts,
        elsewhere,
        request=request,
        artifact=artifact,
        inputs=inputs,
    )
    if request.overlay is not None:
        over = source.read(request.overlay)
        if over is not None:
            document = load(over, request.overlay, _limits(request))
            also = _expand(document, source, trigger, facts, elsewhere, request=request)
            expanded = _on_top(expanded, also)
    merged, unresolved = _resolve(expanded)
    config = _with_chains(
        compose(
            merged,
            unresolved=unresolved,
            missing=expanded.missing,
            written=expanded.content,
        ),
        expanded,
    )
    _refuse_errors(config)
    needs = request.settings.limits.needs
    pipeline = evaluate(config, trigger, facts, max_needs=MAX_NEEDS if needs is None else needs)
    problems = (*noted, *_chained(pipeline.problems, expanded))
    return Evaluation(
        request=request,
        git=git,
        trigger=trigger,
        merged=merged,
        config=config,
        pipeline=structs.replace(pipeline, problems=problems) if problems else pipeline,
        files=expanded.files,
        used=used,
    )


def read_root_file(request: Request) -> tuple[Trigger, bytes]:
    """The facts of a request, and the bytes of the CI file that it would evaluate."""
    git = Git(request.root)
    trigger = _give(request, git).trigger
    source = _source(request, trigger, GitFacts(git, trigger))
    return trigger, _read_bytes(source, request, trigger)


def _give(request: Request, git: Git) -> Given:
    trigger = read_trigger(
        git,
        wanted=request.wanted,
        config_path=request.file,
        now=now(),
        count_changes=request.count_changes,
    )
    return give_variables(
        trigger,
        request.settings,
        request.home,
        request.env,
        file=request.variables_file,
        shared=request.shared_variables,
    )


def _source(request: Request, trigger: Trigger, facts: Facts) -> FileSource:
    """The working tree, or the tree of the commit alone."""
    if not trigger.committed or trigger.commit is None:
        return WorktreeSource(
            request.root, listing=lambda: _listing(facts), limits=_limits(request)
        )

    from homeport.pipeline.include.tree import TreeSource

    return TreeSource(
        request.root,
        trigger.commit.sha,
        listing=lambda: _listing(facts),
        limits=_limits(request),
    )


def _limits(request: Request) -> Limits:
    """GitLab's limits, but for those that the user's server has changed."""
    own = request.settings.limits
    changed = {
        "includes": own.includes,
        "size": own.yaml_size,
        "depth": own.yaml_depth,
        "total_size": own.yaml_total_size,
    }
    given = {name: value for name, value in changed.items() if value is not None}
    return structs.replace(Limits(), **given)


def _read(source: FileSource, request: Request, trigger: Trigger) -> Document:
    return load(_read_bytes(source, request, trigger), request.file, _limits(request))


def _read_bytes(source: FileSource, request: Request, trigger: Trigger) -> bytes:
    content = source.read(request.file)
    if content is None:
        path = request.root / request.file
        if trigger.committed and trigger.commit is not None:
            what = f"is not a file of commit {trigger.commit.sha[:8]}"
        elif path.is_dir():
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
    return content


def _listing(facts: Facts) -> tuple[str, ...]:
    files = facts.files(None, None)
    return () if isinstance(files, Unresolved) else files


def _elsewhere(
    request: Request, git: Git, trigger: Trigger, source: FileSource, used: dict[Key, Locked]
) -> Callable[[], RemoteSource]:
    """What opens the other projects and hosts; what is read there is put into `used`."""

    def open_all() -> RemoteSource:
        from homeport.pipeline.facts.remote import remote_address
        from homeport.pipeline.include.elsewhere import Here
        from homeport.pipeline.include.lock import LOCK_FILE, read_lock
        from homeport.pipeline.include.opening import open_elsewhere

        content = source.read(LOCK_FILE)
        address = remote_address(git.config, trigger.branch)
        masked = trigger.masked
        values = (each.value for each in trigger.variables if each.key in masked and each.value)
        return open_elsewhere(
            own=None if address is None else trigger.project,
            address=address,
            settings=request.settings,
            env=request.env,
            locked={} if content is None else read_lock(content),
            used=used,
            offline=request.offline,
            refresh=request.refresh,
            secrets=frozenset(values),
            limits=_limits(request),
            here=Here(sha=trigger.commit.sha, source=source) if trigger.commit else None,
        )

    return open_all


def _expand(
    document: Document,
    source: FileSource,
    trigger: Trigger,
    facts: Facts,
    elsewhere: Callable[[], RemoteSource],
    *,
    request: Request,
    artifact: Artifact | None = None,
    inputs: Mapping[str, Any] | Choose | None = None,
) -> Expanded:
    if document.header is None and document.content.get("include") is None and not inputs:
        # Most files: what reads the others need not even be imported.
        return Expanded(
            content=document.content,
            problems=document.problems,
            files=(document.name,),
            chains={document.name: ()},
        )
    from homeport.pipeline.include.expand import expand_includes

    variables = pipeline_variables(trigger)
    variables.update(chosen_values(trigger.variables, None))
    book = RuleBook(facts)

    def allows(entry: Map, _location: str) -> bool | None:
        from homeport.pipeline.config.keyword.rules import read_include_rules

        rules = read_include_rules(entry)
        verdict = book.decide(rules, variables, When.ALWAYS).decision.verdict
        return None if verdict is Verdict.UNRESOLVED else verdict is Verdict.IN

    def allows_there(entry: Map, source: FileSource | None, seen: Mapping[str, str]) -> bool | None:
        from homeport.pipeline.config.keyword.rules import read_include_rules
        from homeport.pipeline.facts.there import FactsThere

        rules = read_include_rules(entry)
        facts_there = FactsThere(facts, source.paths if source else tuple)
        verdict = RuleBook(facts_there).decide(rules, seen, When.ALWAYS).decision.verdict
        return None if verdict is Verdict.UNRESOLVED else verdict is Verdict.IN

    context = IncludeContext(
        variables=variables,
        allows=allows,
        allows_there=allows_there,
        offered=request.offered,
        masked=trigger.masked,
        limits=_limits(request),
        artifact=artifact,
        inputs=inputs or {},
    )
    return expand_includes(document, source, context, elsewhere)


def _on_top(under: Expanded, over: Expanded) -> Expanded:
    """Two files, each with all that it includes, in one."""
    return Expanded(
        content=merge_all((under.content, over.content)),
        missing=(*under.missing, *over.missing),
        problems=(*under.problems, *over.problems),
        files=tuple(dict.fromkeys((*under.files, *over.files))),
        chains={**over.chains, **under.chains},
    )


def _resolve(expanded: Expanded) -> tuple[Map, Mapping[str, tuple[str, ...]]]:
    """`extends` and `!reference` applied; with includes missing, what cannot be is set apart."""
    partial = bool(expanded.missing)
    try:
        extended, lost = resolve_extends(expanded.content, partial=partial)
        merged, also_lost = resolve_references(extended, partial=partial)
    except UsageError as error:
        raise UsageError(_chained(error.problems, expanded)) from error
    return merged, {**lost, **also_lost}


def _with_chains(config: Config, expanded: Expanded) -> Config:
    """The configuration with the loader's own findings, and where each finding comes from."""
    problems = _chained((*expanded.problems, *config.problems), expanded)
    return structs.replace(config, problems=problems)


def _chained(problems: Iterable[Problem], expanded: Expanded) -> tuple[Problem, ...]:
    """For each finding in an included file, the includes that led there."""
    chains = expanded.chains
    return tuple(
        structs.replace(problem, included_from=chains[problem.span.file])
        if problem.span is not None and chains.get(problem.span.file)
        else problem
        for problem in problems
    )


def _refuse_errors(config: Config) -> None:
    if any(problem.severity is Severity.ERROR for problem in config.problems):
        raise UsageError(config.problems)


def now() -> str:
    """The time of day, ISO 8601 in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
