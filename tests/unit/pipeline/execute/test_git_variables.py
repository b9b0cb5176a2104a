"""What a job's variables say of its sources."""

from typing import Any

import pytest

from homeport.pipeline.execute.api import ExecutorError
from homeport.pipeline.execute.environment import Environment
from homeport.pipeline.execute.git_variables import clone_path, git_variables

BUILDS = {"CI_BUILDS_DIR": "/builds", "CI_SERVER_HOST": "gitlab.example.com"}


def environment(**values: str) -> Environment:
    return Environment(env={**BUILDS, **values}, files={}, secrets=frozenset())


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {"sources": True, "checkout": True, "depth": 20, "submodules": "none"}),
        ({"GIT_STRATEGY": "clone"}, {"sources": True, "checkout": True}),
        ({"GIT_STRATEGY": "none"}, {"sources": False, "checkout": False}),
        ({"GIT_STRATEGY": "empty", "GIT_SUBMODULE_STRATEGY": "normal"}, {"submodules": "none"}),
        ({"GIT_CHECKOUT": "false"}, {"sources": True, "checkout": False}),
        ({"GIT_CHECKOUT": "no"}, {"checkout": True}),
        ({"GIT_DEPTH": "5"}, {"depth": 5, "submodule_depth": 5}),
        ({"GIT_DEPTH": "5", "GIT_SUBMODULE_DEPTH": "0"}, {"depth": 5, "submodule_depth": 0}),
        ({"GIT_SUBMODULE_STRATEGY": "recursive"}, {"submodules": "recursive"}),
        ({"GIT_SUBMODULE_PATHS": " a  :(exclude)b "}, {"submodule_paths": ("a", ":(exclude)b")}),
        ({"GIT_SUBMODULE_FORCE_HTTPS": "true"}, {"https_host": "gitlab.example.com"}),
        ({"GIT_SUBMODULE_FORCE_HTTPS": "0"}, {"https_host": None}),
    ],
)
def test_variables(variables: dict[str, str], expected: dict[str, Any]) -> None:
    found = git_variables(environment(**variables))
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("variables", "warning"),
    [
        ({"GIT_STRATEGY": "shallow"}, "GIT_STRATEGY is shallow"),
        ({"GIT_SUBMODULE_UPDATE_FLAGS": "--jobs 4 --remote"}, "at the tip of their remote branch"),
    ],
)
def test_what_is_warned_about(variables: dict[str, str], warning: str) -> None:
    [said] = git_variables(environment(**variables)).warnings
    assert warning in said


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"GIT_SUBMODULE_STRATEGY": "all"}, "GIT_SUBMODULE_STRATEGY is all"),
        ({"GIT_SUBMODULE_PATHS": ":(exclude) a"}, "no space may follow"),
    ],
)
def test_what_is_refused(variables: dict[str, str], words: str) -> None:
    with pytest.raises(ExecutorError, match=words):
        git_variables(environment(**variables))


@pytest.mark.parametrize(
    ("wanted", "path"), [("", None), ("/builds/go/src/a", "go/src/a"), ("/builds/a/", "a")]
)
def test_a_place_of_ones_own(wanted: str, path: str | None) -> None:
    assert clone_path(environment(GIT_CLONE_PATH=wanted)) == path


@pytest.mark.parametrize("wanted", ["/builds", "/buildsx/a", "a", "/builds/../etc", "/tmp/a"])
def test_a_place_outside_of_the_builds(wanted: str) -> None:
    with pytest.raises(ExecutorError, match="has to be within /builds"):
        clone_path(environment(GIT_CLONE_PATH=wanted))
