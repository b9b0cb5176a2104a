"""`cache`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Cache, CacheKey, Job

ACCEPTED = [
    ("null", ()),
    ("{paths: [a]}", (Cache(paths=("a",)),)),
    (
        "{key: k, paths: [a], policy: pull, when: always, untracked: true, unprotect: true}",
        (
            Cache(
                key=CacheKey(key="k"),
                paths=("a",),
                policy="pull",
                when="always",
                untracked=True,
                unprotect=True,
            ),
        ),
    ),
    ("{key: {files: [a, /b], prefix: p}}", (Cache(key=CacheKey(files=("a", "b"), prefix="p")),)),
    ("{key: {files_commits: [a]}}", (Cache(key=CacheKey(files_commits=("a",))),)),
    (
        "{policy: $POLICY, fallback_keys: [a, b]}",
        (Cache(policy="$POLICY", fallback_keys=("a", "b")),),
    ),
    ("[{key: a}, {key: b}]", (Cache(key=CacheKey(key="a")), Cache(key=CacheKey(key="b")))),
    ("[]", ()),
]

REFUSED = [
    ("a", ["jobs:x:caches config can only be a hash or an array"]),
    ("[{}, {}, {}, {}, {}]", ["jobs:x:caches config no more than 4 caches can be created"]),
    ("[a]", ["jobs:x:cache config should be a hash"]),
    ("{path: [a]}", ["jobs:x:cache config contains unknown keys: path"]),
    ("{paths: a}", ["jobs:x:cache:paths config should be an array of strings"]),
    (
        "{policy: sometimes}",
        ["jobs:x:cache policy should be a variable or one of: pull-push, push, pull"],
    ),
    ("{when: never}", ["jobs:x:cache when should be one of: on_success, on_failure, always"]),
    ("{untracked: a}", ["jobs:x:cache:untracked config should be a boolean value"]),
    ("{unprotect: a}", ["jobs:x:cache:unprotect config should be a boolean value"]),
    ("{key: a/b}", ['jobs:x:cache:key config cannot contain the "/" character']),
    ("{key: ..}", ['jobs:x:cache:key config cannot be "." or ".."']),
    ("{key: [a]}", ["jobs:x:cache:key should be a hash, a string or a symbol"]),
    (
        "{key: {prefix: a}}",
        ["jobs:x:cache:key config must use exactly one of these keys: files, files_commits"],
    ),
    (
        "{key: {files: [a], files_commits: [b]}}",
        ["jobs:x:cache:key config must use exactly one of these keys: files, files_commits"],
    ),
    ("{key: {files: []}}", ["jobs:x:cache:key:files config requires at least 1 item"]),
    (
        "{key: {files_commits: [a, b, c]}}",
        ["jobs:x:cache:key:files_commits config has too many items (maximum is 2)"],
    ),
    (
        "{key: {files: [a,b,c,d,e,f,g,h,i,j,k]}}",
        ["jobs:x:cache:key:files config has too many items (maximum is 10)"],
    ),
    (
        "{fallback_keys: [a,b,c,d,e,f]}",
        ["jobs:x:cache fallback keys has to many entries (maximum 5)"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("cache", value).cache == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("cache", value) == errors
