"""What the tables of a keyword are tried with: one value, one whole job, or one whole file."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from homeport.errors import Severity
from homeport.pipeline.config.compose import compose
from homeport.pipeline.document.load import load
from homeport.pipeline.model.config import Job

PLAIN = {"script": ["echo"]}


def written(text: str) -> Mapping[Any, Any]:
    """The file as homeport loads it: values as Ruby's Psych makes them."""
    return load(text.encode(), ".gitlab-ci.yml").content


def faults(content: Mapping[Any, Any]) -> list[str]:
    problems = compose(content).problems
    assert all(problem.code != "invalid" for problem in problems)
    return [problem.message for problem in problems if problem.severity is Severity.ERROR]


def job_with(keyword: str, value: str) -> dict[Any, Any]:
    """A file with jobs `a` and `b`, and `x` that has a script and the keyword."""
    return {"a": PLAIN, "b": PLAIN, "x": {**PLAIN, **written(f"{keyword}: {value}")}}


@pytest.fixture
def job_of() -> Callable[[str, str], Job]:
    """(keyword, value in YAML) → the job that has it, which must be without fault."""

    def read(keyword: str, value: str) -> Job:
        content = job_with(keyword, value)
        assert faults(content) == []
        return compose(content).jobs["x"]

    return read


@pytest.fixture
def value_errors() -> Callable[[str, str], list[str]]:
    """(keyword, value in YAML) → the errors of a job that has it."""
    return lambda keyword, value: faults(job_with(keyword, value))


@pytest.fixture
def job_errors() -> Callable[[str], list[str]]:
    """A whole job in YAML → its errors."""
    return lambda job: faults({"a": PLAIN, "b": PLAIN, **written(f"x: {job}")})


@pytest.fixture
def file_errors() -> Callable[[str], list[str]]:
    """A whole file in YAML → its errors."""
    return lambda file: faults(written(file))
