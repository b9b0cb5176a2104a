"""What jobs hand to each other: artifacts, dotenv variables, and the memory of how they ended.

In GitLab a job's artifacts go up to the server and come down into the jobs that depend on it; here
they are a tree in the run's folder, copied in and out.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from homeport.lib.units import format_seconds
from homeport.pipeline.execute.api import ExecutorError, JobResult, Selection, Session
from homeport.pipeline.execute.dotenv import DotenvLimits, parse_dotenv
from homeport.pipeline.execute.state import Finished, Run
from homeport.pipeline.execute.workspace import remove
from homeport.pipeline.model.config import Artifacts, ArtifactsWhen, CrossNeed
from homeport.pipeline.model.event import Status
from homeport.pipeline.model.plan import JobPlan

_NOTHING = "No files to upload"


class Needed(Struct, frozen=True, kw_only=True):
    """What a job gets from those that it depends on, in their order; `notes` are for people."""

    artifacts: tuple[Path, ...] = ()
    dotenv: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()


class Given(Struct, frozen=True, kw_only=True):
    """How a job ended, and the tree of its artifacts, if it left any."""

    status: Status
    artifacts: Path | None


class Handover:
    """The exchange of one run, used by several threads: each job writes only under its own name."""

    def __init__(
        self, run: Run, earlier: Callable[[str], Finished | None], dotenv_limits: DotenvLimits
    ) -> None:
        self._run = run
        self._dotenv_limits = dotenv_limits
        self._earlier = earlier
        self._results: dict[str, JobResult] = {}
        self._filled: set[str] = set()

    def needed_by(self, job: JobPlan) -> Needed:
        """What there is for `job`. A dependency without artifacts gives none, as on GitLab; one
        whose artifacts were there and are gone raises `ExecutorError`."""
        trees: list[Path] = []
        dotenv: dict[str, str] = {}
        notes: list[str] = []
        for name in job.dependencies:
            result = self._results.get(name)
            if result is not None:
                tree = self._run.artifacts_path(name)
                if tree.is_dir():
                    trees.append(tree)
                elif name in self._filled:
                    raise ExecutorError(
                        "This job could not start because it could not retrieve the needed "
                        f"artifacts: those of {name} are gone"
                    )
                dotenv |= result.dotenv
                continue
            found = self._earlier(name)
            if found is None:
                continue
            dotenv |= found.dotenv
            if found.artifacts is not None:
                trees.append(found.artifacts)
            if found.artifacts is not None or found.dotenv:
                age = format_seconds(found.age)
                notes.append(f"Artifacts of {name} are from run {found.run}, {age} ago")
        return Needed(artifacts=tuple(trees), dotenv=dotenv, notes=tuple(notes))

    def needed_from(
        self,
        upstream: Sequence[CrossNeed],
        expand: Callable[[str], str],
        find: Callable[[CrossNeed], Given | None],
    ) -> tuple[Path, ...]:
        """The artifacts of jobs in the pipelines above, and of other projects. Like GitLab, takes
        those of a job that has succeeded, and fails without it."""
        trees = []
        for written in upstream:
            need = _expanded(written, expand)
            try:
                given = find(need)
            except ExecutorError as error:
                if need.optional:
                    continue
                raise ExecutorError(
                    "This job could not start because it could not retrieve the needed artifacts: "
                    f"{error}"
                ) from error
            if given is not None and given.status is Status.SUCCESS:
                trees += [given.artifacts] if given.artifacts else []
            elif not need.optional:
                raise ExecutorError(
                    "This job could not start because it could not retrieve the needed artifacts: "
                    f"pipeline {need.pipeline} is none above this one, or its job {need.job} has "
                    "not succeeded"
                )
        return tuple(trees)

    def find(self, name: str) -> Given | None:
        """What a job of this pipeline that has ended gives to others, or one of an earlier run."""
        result = self._results.get(name)
        if result is None:
            found = self._earlier(name)
            return None if found is None else Given(status=found.status, artifacts=found.artifacts)
        tree = self._run.artifacts_path(name)
        return Given(status=result.status, artifacts=tree if tree.is_dir() else None)

    def take(
        self,
        job: JobPlan,
        session: Session,
        *,
        success: bool,
        expand: Callable[[str], str],
        warn: Callable[[str], None],
    ) -> dict[str, str]:
        """Store the job's artifacts and reports; the variables of its dotenv report.

        Raises `DotenvError` for a report that GitLab would refuse.
        """
        from homeport.pipeline.execute.stored_tree import discard

        artifacts = job.artifacts
        if artifacts is None:
            return {}
        tree = self._run.artifacts_path(job.name)
        discard(str(tree))  # an earlier attempt's
        if _is_due(artifacts, success=success) and (artifacts.paths or artifacts.untracked):
            selection = Selection(
                paths=tuple(expand(path) for path in artifacts.paths),
                exclude=tuple(expand(path) for path in artifacts.exclude),
                untracked=artifacts.untracked,
            )
            if self._store(session, selection, tree, warn):
                self._filled.add(job.name)
        return self._take_reports(job, artifacts.reports, session, expand, warn)

    def remember(self, job: str, result: JobResult) -> None:
        """Keep how a job ended, for this run and for later ones."""
        self._results[job] = result
        self._run.record(job, result)

    def _take_reports(
        self,
        job: JobPlan,
        reports: Mapping[str, Any],
        session: Session,
        expand: Callable[[str], str],
        warn: Callable[[str], None],
    ) -> dict[str, str]:
        """Reports are taken whatever `artifacts:when` says."""
        top = self._run.reports_path(job.name)
        remove(str(top))
        dotenv: dict[str, str] = {}
        for kind, value in reports.items():
            paths = tuple(expand(path) for path in _report_paths(value))
            if not paths:
                continue
            tree = top / kind
            if self._store(session, Selection(paths=paths), tree, warn) and kind == "dotenv":
                dotenv = parse_dotenv(
                    _read_files(tree, self._dotenv_limits.size), self._dotenv_limits
                )
        return dotenv

    def _store(
        self, session: Session, selection: Selection, place: Path, warn: Callable[[str], None]
    ) -> bool:
        """Collect under another name first, so that a tree is whole or not there."""
        from homeport.pipeline.execute.artifacts import missing_words
        from homeport.pipeline.execute.objects import Objects
        from homeport.pipeline.execute.stored_tree import StoredTree, discard, move

        partial = f"{place.parent}/.{place.name}.partial"
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            tree = StoredTree(partial, Objects(self._run.objects_path))
            unmatched = session.collect(selection, tree)
            for pattern in unmatched:
                warn(f"WARNING: {missing_words(pattern, session.project_dir)}")
            if not tree.count:
                warn(f"ERROR: {_NOTHING}")
                return False
            tree.finish()
            move(partial, str(place))
        except OSError as error:
            raise ExecutorError(
                f"cannot store the artifacts in {place}: {error.strerror}"
            ) from error
        finally:
            discard(partial)
        return True


def _expanded(need: CrossNeed, expand: Callable[[str], str]) -> CrossNeed:
    names = {name: getattr(need, name) for name in ("job", "project", "ref", "pipeline")}
    return structs.replace(
        need, **{name: expand(text) for name, text in names.items() if text is not None}
    )


def _is_due(artifacts: Artifacts, *, success: bool) -> bool:
    if artifacts.when is ArtifactsWhen.ALWAYS:
        return True
    return success == (artifacts.when is ArtifactsWhen.ON_SUCCESS)


def _report_paths(value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        value = value.get("path")
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list | tuple) else ()


def _read_files(tree: Path, limit: int) -> list[tuple[str, bytes]]:
    """Regular files only: a link in an artifact could name any file of this machine. Of each no
    more than `limit` bytes, which is too many."""
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    found = []
    for path in files:
        with path.open("rb") as file:
            found.append((str(path.relative_to(tree)), file.read(limit)))
    return found
