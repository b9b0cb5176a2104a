"""`needs`, of a job, of a trigger job and of a rule.

Source: GitLab's CI/CD YAML reference, `needs`, `needs:project`, `needs:pipeline`, `needs:optional`,
`rules:needs`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.parallel import has_number, parse_parallel
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.shapes import places
from homeport.pipeline.config.status import NOT_RUN, YES, Keyword
from homeport.pipeline.model.config import CrossNeed, Need

STATUS = Keyword(
    name="needs",
    evaluated=True,
    run=YES,
    parts=(
        Keyword(name="job", evaluated=True, run=YES, cases=("needs-absent-job",)),
        Keyword(name="artifacts", evaluated=True, run=YES, cases=("needs-missing-artifacts",)),
        Keyword(name="optional", evaluated=True, run=YES, cases=("needs-optional-absent",)),
        Keyword(name="parallel:matrix", evaluated=True, run=YES, cases=("matrix",)),
        Keyword(
            name="project",
            run=YES,
            note="from a mapped folder, archive or checkout, else from the GitLab server",
            cases=("needs-project", "needs-project-nowhere"),
        ),
        Keyword(name="pipeline", run=NOT_RUN, note="except with `optional`"),
        Keyword(
            name="pipeline:job",
            run=YES,
            note="of a pipeline above a child pipeline",
            cases=("child-needs-parent-job",),
        ),
    ),
    cases=(
        "dag-not-waves",
        "needs-empty-starts-at-once",
        "needs-closure",
    ),
)

Needs = tuple[Need | CrossNeed, ...]

MAX_CROSS = 5
"""How many needs may name other pipelines, and as many other projects."""


def parse_job_needs(value: Any, entry: Entry) -> Needs | None:
    return _parse(value, entry, ("job", "cross_dependency"))


def parse_bridge_needs(value: Any, entry: Entry) -> Needs | None:
    needs = _parse(value, entry, ("job", "bridge"))
    if needs is not None and sum(map(is_bridge_need, needs)) > 1:
        entry.owner("config should contain at most one bridge need", "conflict")
    return needs


def parse_rule_needs(value: Any, entry: Entry) -> Needs | None:
    return _parse(value, entry, ("job",))


def is_bridge_need(need: Need | CrossNeed) -> bool:
    """Whether a need makes its job a bridge that mirrors an upstream pipeline."""
    return isinstance(need, CrossNeed) and need.job is None


def _kind(need: Need | CrossNeed) -> str:
    if isinstance(need, Need):
        return "job"
    return "bridge" if is_bridge_need(need) else "cross_dependency"


def _parse(value: Any, entry: Entry, allowed: tuple[str, ...]) -> Needs | None:
    if not isinstance(value, dict | list):
        entry.config("can only be a hash or an array", "wrong-type")
        return None
    if isinstance(value, dict) and not value:
        entry.config("can not be an empty hash", "blank")
        return None
    if has_number(value):
        entry.config('cannot use "parallel: <number>".', "not-allowed")
        return None
    if isinstance(value, dict):
        found = [_need(value, entry.child(value, None, "need"))]
    else:
        found = [
            _need(owner[index], entry.child(owner, index, "need")) for owner, index in places(value)
        ]
    needs = tuple(need for need in found if need is not None)
    extra = dict.fromkeys(kind for kind in map(_kind, needs) if kind not in allowed)
    if extra:
        entry.config(f"uses invalid types: {', '.join(extra)}", "not-allowed")
    cross = [need for need in needs if isinstance(need, CrossNeed)]
    if any(
        sum(getattr(need, kind) is not None for need in cross) > MAX_CROSS
        for kind in ("pipeline", "project")
    ):
        entry.config(f"must be less than or equal to {MAX_CROSS}", "limit")
    return needs


def _need(value: Any, place: Entry) -> Need | CrossNeed | None:
    if value is None:
        return None
    if isinstance(value, str):
        if is_blank(value):
            place.config("can't be blank", "blank")
            return None
        return Need(job=str(value), span=place.span)
    if not isinstance(value, dict):
        place.say("has an unsupported type", "wrong-type", verbatim=True)
        return None
    return _mapping(value, place)


def _mapping(value: Any, place: Entry) -> Need | CrossNeed | None:
    has_job = "job" in value
    project = "project" in value
    if has_job and not (project or "ref" in value or "pipeline" in value):
        return _job(value, place)
    if has_job and "pipeline" in value and not project:
        return _cross(value, place, ("pipeline", "job"), ("optional",))
    if not has_job and not project:
        return _cross(value, place, ("pipeline",), None)
    return _cross(value, place, ("project", "ref", "job"), ("optional",))


def _job(value: Any, place: Entry) -> Need | None:
    place.keys(value, ("job", "artifacts", "optional", "parallel"))
    name = place.string(value, "job", required=True)
    artifacts = place.boolean(value, "artifacts")
    optional = place.boolean(value, "optional")
    parallel = value.get("parallel")
    if parallel is not None:
        parallel = parse_parallel(parallel, place.child(value, "parallel"))
    if not name:
        return None
    return Need(
        job=name,
        artifacts=artifacts is not False,
        optional=bool(optional),
        matrix=parallel.matrix if parallel is not None else (),
        span=place.span,
    )


def _cross(
    value: Any, place: Entry, names: tuple[str, ...], more: tuple[str, ...] | None
) -> CrossNeed | None:
    """A need of another pipeline or project; `more` is None for a bridge's, which has no flags."""
    place.keys(value, names if more is None else (*names, "artifacts", *more))
    found = {name: place.string(value, name, required=True) for name in names}
    artifacts = place.boolean(value, "artifacts")
    optional = place.boolean(value, "optional")
    if not all(found.values()):
        return None
    return CrossNeed(
        **found,
        artifacts=artifacts is not False,
        optional=bool(optional),
        span=place.span,
    )
