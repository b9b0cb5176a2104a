"""`artifacts:reports`: files that GitLab reads, by type of report.

Source: GitLab's CI/CD YAML reference, `artifacts:reports`.
"""

from collections.abc import Mapping
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.status import PARTLY, YES, Keyword

STATUS = Keyword(
    name="artifacts:reports",
    run=PARTLY,
    note="kept as files of the run",
    parts=(
        Keyword(name="dotenv", run=YES, cases=("dotenv",)),
        Keyword(name="accessibility", run=PARTLY, note="kept as files"),
        Keyword(name="annotations", run=PARTLY, note="kept as files"),
        Keyword(name="api_fuzzing", run=PARTLY, note="kept, findings counted"),
        Keyword(name="browser_performance", run=PARTLY, note="kept as files"),
        Keyword(name="codequality", run=PARTLY, note="kept, findings counted"),
        Keyword(name="container_scanning", run=PARTLY, note="kept, findings counted"),
        Keyword(name="coverage_fuzzing", run=PARTLY, note="kept, findings counted"),
        Keyword(
            name="coverage_report",
            run=PARTLY,
            note="kept, covered lines told",
        ),
        Keyword(name="cyclonedx", run=PARTLY, note="kept as files"),
        Keyword(name="dast", run=PARTLY, note="kept, findings counted"),
        Keyword(name="dependency_scanning", run=PARTLY, note="kept, findings counted"),
        Keyword(name="junit", run=PARTLY, note="kept and summed up"),
        Keyword(name="load_performance", run=PARTLY, note="kept as files"),
        Keyword(name="metrics", run=PARTLY, note="kept as files"),
        Keyword(name="repository_xray", run=PARTLY, note="kept as files"),
        Keyword(name="requirements", run=PARTLY, note="kept as files"),
        Keyword(name="sarif", run=PARTLY, note="kept, findings counted"),
        Keyword(name="sast", run=PARTLY, note="kept, findings counted"),
        Keyword(name="secret_detection", run=PARTLY, note="kept, findings counted"),
        Keyword(name="terraform", run=PARTLY, note="kept as files"),
    ),
)

_FILES = (
    "junit", "api_fuzzing", "coverage_fuzzing", "sast", "secret_detection", "dependency_scanning",
    "container_scanning", "cluster_image_scanning", "dast", "performance", "browser_performance",
    "load_performance", "license_scanning", "metrics", "lsif", "dotenv", "terraform",
    "accessibility", "requirements", "requirements_v2", "cyclonedx", "annotations",
    "repository_xray", "sarif",
)  # fmt: skip
_KEYS = frozenset((*_FILES, "codequality", "coverage_report"))
_COVERAGE_FORMATS = ("cobertura", "jacoco")


def parse_reports(value: Any, owner: Any, parent: Entry) -> Mapping[str, Any]:
    """Type of report → its paths; `coverage_report` keeps its mapping."""
    entry = parent.child(owner, "reports")
    if not isinstance(value, dict):
        parent.wrong(owner, "reports", "should be a hash")
        return {}
    entry.keys(value, _KEYS)
    result: dict[str, Any] = {}
    for key in _FILES:
        if value.get(key) is not None:
            result[key] = entry.string_or_strings(value, key) or ()
    quality = value.get("codequality")
    if quality is not None:
        result["codequality"] = (
            (quality,)
            if isinstance(quality, str)
            else tuple(quality)
            if isinstance(quality, list)
            else ()
        )
    coverage = value.get("coverage_report")
    if coverage is not None:
        _check_coverage(coverage, entry.child(value, "coverage_report"))
        result["coverage_report"] = coverage
    return result


def _check_coverage(value: Any, entry: Entry) -> None:
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return
    entry.keys(value, ("coverage_format", "path"))
    found = value.get("coverage_format")
    if is_blank(found):
        entry.wrong(value, "coverage_format", "can't be blank", "blank")
    if found not in _COVERAGE_FORMATS:
        text = f"must be one of supported formats: {', '.join(_COVERAGE_FORMATS)}."
        entry.wrong(value, "coverage_format", text, "not-allowed")
    entry.string(value, "path", required=True)
