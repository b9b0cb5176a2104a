"""`workflow`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable

import pytest

FILES = [
    (
        "{workflow: {name: n $A, rules: [{if: $A, variables: {B: c}}, {when: never}]}, x: {script: e}}",
        [],
    ),
    (
        "{workflow: {rules: [{if: $A, auto_cancel: {on_new_commit: none, on_job_failure: all}}]}, x: {script: e}}",
        [],
    ),
    (
        "{workflow: {auto_cancel: {on_new_commit: interruptible, on_job_failure: none}}, x: {script: e}}",
        [],
    ),
    ("{workflow: a, x: {script: e}}", ["workflow config should be a hash"]),
    ("{workflow: {rule: a}, x: {script: e}}", ["workflow config contains unknown keys: rule"]),
    ("{workflow: {rules: []}, x: {script: e}}", ["workflow:rules config can't be blank"]),
    ("{workflow: {rules: a}, x: {script: e}}", ["workflow:rules config should be an array"]),
    (
        "{workflow: {rules: [{when: manual}]}, x: {script: e}}",
        ["workflow:rules:rule when unknown value: manual"],
    ),
    (
        "{workflow: {rules: [{if: $A, auto_cancel: a}]}, x: {script: e}}",
        ["workflow:rules:rule:auto_cancel config should be a hash"],
    ),
    (
        "{workflow: {auto_cancel: {on_new_commit: all}}, x: {script: e}}",
        ["workflow:auto_cancel on new commit must be one of: conservative, interruptible, none"],
    ),
    (
        "{workflow: {auto_cancel: {on_job_failure: some}}, x: {script: e}}",
        ["workflow:auto_cancel on job failure must be one of: none, all"],
    ),
]


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
