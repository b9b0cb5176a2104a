"""`secrets`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("{A: {vault: a/b@c}}", {"A": {"vault": "a/b@c"}}),
    (
        "{A: {vault: {engine: {name: n, path: p}, path: q, field: f}, file: false}}",
        {
            "A": {
                "vault": {"engine": {"name": "n", "path": "p"}, "path": "q", "field": "f"},
                "file": False,
            }
        },
    ),
    (
        "{A: {azure_key_vault: {name: n, version: v}}}",
        {"A": {"azure_key_vault": {"name": "n", "version": "v"}}},
    ),
    (
        "{A: {gcp_secret_manager: {name: n}, token: $T}}",
        {"A": {"gcp_secret_manager": {"name": "n"}, "token": "$T"}},
    ),
    ("{A: {aws_secrets_manager: n}}", {"A": {"aws_secrets_manager": "n"}}),
    ("{A: {gitlab_secrets_manager: {name: n}}}", {"A": {"gitlab_secrets_manager": {"name": "n"}}}),
]

REFUSED = [
    ("a", ["jobs:x:secrets config should be a hash"]),
    (
        "{A: {}}",
        [
            "jobs:x:secrets:a config must use exactly one of these keys: vault, azure_key_vault, gcp_secret_manager, aws_secrets_manager, gitlab_secrets_manager, akeyless"
        ],
    ),
    ("{A: {vault: a/b@c, foo: d}}", ["jobs:x:secrets:a config contains unknown keys: foo"]),
    ("{A: {vault: 5}}", ["jobs:x:secrets:a:vault config should be a hash or a string"]),
    ("{A: {vault: a/b@c, file: 5}}", ["jobs:x:secrets:a:file config should be a boolean value"]),
    ("{A: {vault: a/b@c, token: 5}}", ["jobs:x:secrets:a token should be a string"]),
    (
        "{A: {gcp_secret_manager: {name: n}}}",
        ["jobs:x:secrets:a token is required with gcp secrets manager"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("secrets", value).secrets == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("secrets", value) == errors
