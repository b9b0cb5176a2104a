"""`artifacts`: what a job leaves behind. Source: GitLab's CI/CD YAML reference, `artifacts`."""

import re
from typing import Any

from homeport.pipeline.config.duration import is_never, parse_duration
from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.reports import parse_reports
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.shapes import is_strings
from homeport.pipeline.config.status import NO_EFFECT, YES, Keyword
from homeport.pipeline.model.config import Artifacts, ArtifactsWhen

STATUS = Keyword(
    name="artifacts",
    run=YES,
    parts=(
        Keyword(name="paths", run=YES, cases=("artifacts-handed-on",)),
        Keyword(name="exclude", run=YES),
        Keyword(name="untracked", run=YES),
        Keyword(name="when", run=YES, cases=("artifacts-when",)),
        Keyword(name="name", run=NO_EFFECT, note="nothing is uploaded"),
        Keyword(name="expire_in", run=NO_EFFECT, note="artifacts are kept as the settings say"),
        Keyword(name="expose_as", run=NO_EFFECT, note="there is no merge request to show it in"),
        Keyword(name="public", run=NO_EFFECT, note="nobody else sees them"),
        Keyword(name="access", run=NO_EFFECT, note="nobody else sees them"),
    ),
    cases=(
        "artifacts-handed-on",
        "artifacts-of-an-earlier-run",
    ),
)

KEYS = (
    "name", "untracked", "paths", "reports", "when", "expire_in", "expose_as", "exclude", "public",
    "access",
)  # fmt: skip
_WHEN = ("on_success", "on_failure", "always")
_ACCESS = ("none", "developer", "maintainer", "all")
_EXPOSE_AS = re.compile(r"\w[-\w ]*", re.ASCII)
_MAX_EXPOSE_AS = 100


def parse_artifacts(value: Any, entry: Entry) -> Artifacts | None:
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return None
    entry.keys(value, KEYS)
    exposed = value.get("expose_as")
    if exposed is not None and is_blank(value.get("paths")):
        entry.wrong(value, "paths", "can't be blank", "blank")
    if "access" in value and "public" in value:
        text = "these keys cannot be used together: "
        entry.config(
            text + ", ".join(key for key in value if key in ("access", "public")), "conflict"
        )
    name = entry.string(value, "name")
    public = entry.boolean(value, "public")
    untracked = entry.boolean(value, "untracked")
    paths = entry.strings(value, "paths")
    if exposed is not None:
        _check_exposed(value, entry)
    exclude = entry.strings(value, "exclude")
    when = entry.one_of(value, "when", _WHEN)
    expire_in = value.get("expire_in")
    if expire_in is not None and not is_expiry(expire_in):
        entry.wrong(value, "expire_in", "should be a duration", "invalid-duration")
        expire_in = None
    access = entry.one_of(value, "access", _ACCESS)
    reports = value.get("reports")
    if reports is not None:
        reports = parse_reports(reports, value, entry)
    return Artifacts(
        paths=paths or (),
        exclude=exclude or (),
        untracked=bool(untracked),
        name=name,
        when=ArtifactsWhen.ON_SUCCESS if when is None else ArtifactsWhen(when),
        expire_in=expire_in,
        expose_as=exposed if isinstance(exposed, str) else None,
        public=public,
        access=access,
        reports=reports or {},
    )


def is_expiry(value: Any) -> bool:
    """Whether `value` is a duration or `never`."""
    return isinstance(value, str) and (is_never(value) or parse_duration(value) is not None)


def _check_exposed(value: Any, entry: Entry) -> None:
    paths, exposed = value.get("paths"), value["expose_as"]
    if paths is not None and is_strings(paths) and any("*" in path for path in paths):
        text = "can't contain '*' when used with 'expose_as'"
        entry.wrong(value, "paths", text, "not-allowed")
    if not isinstance(exposed, str):
        entry.wrong(value, "expose_as", "should be a string")
        return
    if len(exposed) > _MAX_EXPOSE_AS:
        text = f"is too long (maximum is {_MAX_EXPOSE_AS} characters)"
        entry.wrong(value, "expose_as", text, "limit")
    if not _EXPOSE_AS.fullmatch(exposed):
        text = "can contain only letters, digits, '-', '_' and spaces"
        entry.wrong(value, "expose_as", text, "not-allowed")
