"""`artifacts:reports`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Artifacts, Job

ACCEPTED = [
    ("{reports: {junit: a.xml}}", Artifacts(reports={"junit": ("a.xml",)})),
    (
        "{reports: {junit: [a, b], dotenv: c}}",
        Artifacts(reports={"junit": ("a", "b"), "dotenv": ("c",)}),
    ),
    ("{reports: {annotations: [a.json]}}", Artifacts(reports={"annotations": ("a.json",)})),
    (
        "{reports: {coverage_report: {coverage_format: cobertura, path: a}}}",
        Artifacts(reports={"coverage_report": {"coverage_format": "cobertura", "path": "a"}}),
    ),
    ("{reports: null}", Artifacts()),
]

REFUSED = [
    ("{reports: a}", ["jobs:x:artifacts reports should be a hash"]),
    ("{reports: {unit: a}}", ["jobs:x:artifacts:reports config contains unknown keys: unit"]),
    (
        "{reports: {junit: 5}}",
        ["jobs:x:artifacts:reports junit should be an array of strings or a string"],
    ),
    (
        "{reports: {coverage_report: a}}",
        ["jobs:x:artifacts:reports:coverage_report config should be a hash"],
    ),
    (
        "{reports: {coverage_report: {coverage_format: lcov, path: a}}}",
        [
            "jobs:x:artifacts:reports:coverage_report coverage format must be one of supported formats: cobertura, jacoco."
        ],
    ),
    (
        "{reports: {coverage_report: {coverage_format: jacoco}}}",
        [
            "jobs:x:artifacts:reports:coverage_report path should be a string",
            "jobs:x:artifacts:reports:coverage_report path can't be blank",
        ],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("artifacts", value).artifacts == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("artifacts", value) == errors
