"""Whole configurations through the normal path: load, includes, extends, references, compose."""

import json
from collections.abc import Mapping
from typing import Any

from conformance.description import describe_job, describe_need, describe_variables
from conformance.values import load_given
from homeport.errors import Severity, UsageError
from homeport.pipeline.config.compose import compose
from homeport.pipeline.config.extends import resolve_extends
from homeport.pipeline.config.instances import interpolate, interpolate_needs
from homeport.pipeline.document.reference import resolve_references
from homeport.pipeline.evaluate.matrix import Expansion
from homeport.pipeline.include.api import IncludeContext
from homeport.pipeline.include.expand import expand_includes
from homeport.pipeline.model.config import Config, Job, Need


class Files:
    """A repository with nothing in it but the configuration and, if a vector has them, `files`."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        self._files = files

    def read(self, path: str) -> bytes | None:
        content = self._files.get(path)
        if content is None:
            return None
        return (content if isinstance(content, str) else json.dumps(content)).encode()

    def paths(self) -> tuple[str, ...]:
        return tuple(self._files)


def read_config(given: Mapping[str, Any]) -> Config:
    """The validated configuration of a vector. Raises `UsageError` as the flow does."""
    variables = given.get("variables") or {}
    context = IncludeContext(variables=variables, inputs=given.get("inputs") or {})
    document = load_given(given)
    content = expand_includes(document, Files(given.get("files") or {}), context).content
    return compose(resolve_references(resolve_extends(content)[0])[0])


def answer_errors(given: Mapping[str, Any], _expected: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        config = read_config(given)
    except UsageError as error:
        messages = [problem.message for problem in error.problems]
        return {"valid": False, "errors": messages, "warnings": []}
    found: dict[Severity, list[str]] = {severity: [] for severity in Severity}
    for problem in config.problems:
        found[problem.severity].append(problem.message)
    return {
        "valid": not found[Severity.ERROR],
        "errors": found[Severity.ERROR],
        "warnings": found[Severity.WARNING],
        "stages": list(config.stages),
        "workflow_name": config.workflow.name,
        "variables": describe_variables(config.variables),
        "jobs": {name: describe_job(job) for name, job in config.jobs.items()},
    }


def answer_extends(given: Mapping[str, Any], expected: Mapping[str, Any]) -> Mapping[str, Any]:
    if "jobs" in expected:
        return answer_errors(given, expected)
    limits = {}
    if "max_nesting_levels" in given:
        limits["max_nesting"] = given["max_nesting_levels"]
    try:
        return {"config": resolve_extends(load_given(given).content, **limits)[0], "errors": []}
    except UsageError as error:
        return {"errors": [problem.message for problem in error.problems]}


def answer_matrix(given: Mapping[str, Any], expected: Mapping[str, Any]) -> Mapping[str, Any]:
    if "jobs" not in given:
        value, errors = interpolate(given["value"], given.get("matrix"))
        return {"value": value, "errors": list(errors)}
    config = read_config({"config": given["jobs"]})
    expansion = Expansion(config.jobs)
    made = {
        instance.name: instance for name in config.jobs for instance in expansion.of(name) or ()
    }
    names = list(made) or list(config.jobs)
    problems = [each.message for each in config.problems if each.severity is Severity.ERROR]
    return {
        "names": names if len(expected.get("names", ())) <= len(made) else _all_names(config),
        "job_variables": _shape(
            expected.get("job_variables"), {name: dict(one.variables) for name, one in made.items()}
        ),
        "parallel_total": _shape(
            expected.get("parallel_total"), {name: one.total for name, one in made.items()}
        ),
        "needs": _by_job(config, expansion, "needs", expected.get("needs") or {}),
        "dependencies": _by_job(
            config, expansion, "dependencies", expected.get("dependencies") or {}
        ),
        "errors": problems,
    }


def _all_names(config: Config) -> list[str]:
    """Every job, the parallel ones as their instances."""
    expansion = Expansion(config.jobs)
    made = (
        one
        for name in config.jobs
        for one in [each.name for each in expansion.of(name) or ()] or [name]
    )
    return list(dict.fromkeys(made))


def _shape(expected: Any, found: Mapping[str, Any]) -> Any:
    """What was found by name, as a list, or as one value that all share; as the vector has it."""
    if isinstance(expected, list):
        return list(found.values())
    if isinstance(expected, Mapping) and expected and not (set(expected) & set(found)):
        return next(iter(found.values()), None)
    if isinstance(expected, Mapping):
        return {name: value for name, value in found.items() if name in expected}
    values = list(found.values())
    return values[0] if values and all(value == values[0] for value in values) else values


def _by_job(
    config: Config, expansion: Expansion, keyword: str, expected: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What the expected jobs name, as exact names; instances of parallel jobs by their own."""
    found: dict[str, Any] = {}
    for name, job in config.jobs.items():
        for instance in expansion.of(name) or (None,):
            made = name if instance is None else instance.name
            for wanted in (made, name):
                if wanted in expected and wanted not in found:
                    matrix = {} if instance is None else instance.variables
                    whole = any(isinstance(each, Mapping) for each in expected[wanted] or ())
                    found[wanted] = _names(job, matrix, expansion, keyword, whole=whole)
    return found


def _names(
    job: Job, matrix: Mapping[str, str], expansion: Expansion, keyword: str, *, whole: bool
) -> list[Any]:
    if keyword == "dependencies":
        return list(expansion.expand_names(job.dependencies or ()))
    needs = interpolate_needs(job, matrix)[0] if matrix else job.needs or ()
    exact = [one for need in needs if isinstance(need, Need) for one in expansion.expand_need(need)]
    return [describe_need(one) if whole else one.job for one in exact]
