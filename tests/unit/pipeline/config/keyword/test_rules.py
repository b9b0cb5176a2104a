"""`rules`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job, When

ACCEPTED = [
    ("[{if: $A}]", [None]),
    ("[{if: $A, when: manual}, {when: never}]", [When.MANUAL, When.NEVER]),
    ("[{changes: [a]}, {changes: {paths: [a], compare_to: b}}]", [None, None]),
    (r"[{changes: {regexp: '\\Asrc/'}}, {exists: {regexp: '^(?!docs/)'}}]", [None, None]),
    ("[{exists: [a]}, {exists: {paths: [a], project: g/p, ref: b}}]", [None, None]),
    (
        "[[{if: $A}], {if: $B, allow_failure: true, variables: {A: b}, needs: [a], interruptible: true}]",
        [None, None],
    ),
    ("[{when: delayed, start_in: 1 day}]", [When.DELAYED]),
]

REFUSED = [
    ("a", ["jobs:x rules should be an array containing hashes and arrays of hashes"]),
    ("[]", ["jobs:x:rules config can't be blank"]),
    ("[a]", ["jobs:x rules should be an array containing hashes and arrays of hashes"]),
    ("[{}]", ["jobs:x:rules:rule config can't be blank"]),
    ("[{iff: $A}]", ["jobs:x:rules:rule config contains unknown keys: iff"]),
    ('[{if: "$A =="}]', ["jobs:x:rules:rule if invalid expression syntax"]),
    ("[{if: 5}]", ["jobs:x:rules:rule if invalid expression syntax"]),
    ("[{when: sometimes}]", ["jobs:x:rules:rule when unknown value: sometimes"]),
    (
        "[{if: $A, start_in: 1 day}]",
        ["jobs:x:rules:rule config contains disallowed keys: start_in"],
    ),
    (
        "[{when: delayed, start_in: 8 days}]",
        ["jobs:x:rules:rule start in should not exceed the limit"],
    ),
    (
        "[{if: $A, allow_failure: {exit_codes: 1}}]",
        ["jobs:x:rules:rule allow failure should be a boolean value"],
    ),
    ("[{if: $A, interruptible: 5}]", ["jobs:x:rules:rule interruptible should be a boolean value"]),
    ("[{changes: a}]", ["jobs:x:rules:rule:changes should be an array or a hash"]),
    ("[{changes: [1]}]", ["jobs:x:rules:rule:changes config should be an array of strings"]),
    (
        "[{changes: {paths: [a], regexp: b}}]",
        ["jobs:x:rules:rule:changes config must use exactly one of these keys: paths, regexp"],
    ),
    ("[{changes: {regexp: '['}}]", ["jobs:x:rules:rule:changes regexp is invalid"]),
    ("[{exists: {regexp: 5}}]", ["jobs:x:rules:rule:exists regexp should be a string"]),
    (
        f"[{{exists: {{regexp: {'a' * 256}}}}}]",
        ["jobs:x:rules:rule:exists regexp is too long (maximum is 255 characters)"],
    ),
    (
        "[{changes: {paths: [a], compare_to: 5}}]",
        ["jobs:x:rules:rule:changes compare to should be a string"],
    ),
    ("[{exists: a}]", ["jobs:x:rules:rule:exists config should be an array of strings"]),
    (
        "[{exists: {paths: [a], ref: b}}]",
        ["jobs:x:rules:rule:exists config missing required keys: project"],
    ),
    ("[{if: $A, variables: a}]", ["jobs:x:rules:rule:variables config should be a hash"]),
    ("[{if: $A, needs: [c]}]", ["x job: undefined need: c"]),
]

JOBS = [
    (
        "{script: a, rules: [{if: $A}], except: [b]}",
        ["jobs:x config key may not be used with `rules`: except"],
    ),
    ("{trigger: a/b, rules: [{if: $A, when: manual}]}", []),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert [item.when for item in job_of("rules", value).rules or ()] == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("rules", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors
