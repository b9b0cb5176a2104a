"""GitLab's dialect of patterns in `include:local`."""

import pytest

from homeport.pipeline.include.glob import match_paths

PATHS = (
    "ci/b.yml",
    "ci/a.yml",
    "ci/a.yaml",
    "ci/axyml",
    "ci/deep/c.yml",
    "ci/deep/er/d.yml",
    ".gitlab-ci.yml",
    "ci.yml",
    "ci/[x].yml",
)


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("ci/*.yml", ["ci/[x].yml", "ci/a.yml", "ci/b.yml"]),
        ("ci/**.yml", ["ci/[x].yml", "ci/a.yml", "ci/b.yml", "ci/deep/c.yml", "ci/deep/er/d.yml"]),
        ("ci/**/*.yml", ["ci/deep/c.yml", "ci/deep/er/d.yml"]),
        ("*.yml", [".gitlab-ci.yml", "ci.yml"]),
        ("ci/[x]*", ["ci/[x].yml"]),
        ("ci/a?y*", []),
        ("*/deep/*", ["ci/deep/c.yml"]),
        ("none/*", []),
    ],
)
def test_match(pattern: str, paths: list[str]) -> None:
    assert match_paths(pattern, PATHS) == paths


def test_many_stars_cost_nothing() -> None:
    assert match_paths("**a" * 50 + "!", ["a" * 2000]) == []
