"""`default`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable

import pytest

FILES = [
    (
        "{default: {image: a, tags: [b], hooks: {pre_get_sources_script: c}, id_tokens: {T: {aud: d}}, identity: google_cloud}, x: {script: e}}",
        [],
    ),
    (
        "{default: {services: [a], cache: {paths: [b]}, retry: 1, interruptible: true, artifacts: {paths: [c]}, timeout: 1h}, x: {script: e}}",
        [],
    ),
    ("{default: null, x: {script: e}}", []),
    ("{default: {script: a, stage: test}, x: {script: e}}", []),
    ("{default: a, x: {script: e}}", ["default config should be a hash"]),
    ("{default: {stage: a}, x: {script: e}}", ["default config contains unknown keys: stage"]),
    (
        "{default: {image: 5}, x: {script: e}}",
        ["default:image config should be a hash or a string"],
    ),
    ("{default: {retry: 5}, x: {script: e}}", ["retry config must be less than or equal to 2"]),
    (
        "{services: [a], default: {services: [b]}, x: {script: e}}",
        ["services is defined in top-level and `default:` entry"],
    ),
]


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
