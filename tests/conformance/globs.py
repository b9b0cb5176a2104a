"""The three dialects of path patterns."""

from collections.abc import Mapping
from typing import Any

from homeport.pipeline.conditions.globs import doublestar, doublestar_exclude, ruby_fnmatch
from homeport.pipeline.include.glob import match_paths


def answer_fnmatch(given: Mapping[str, Any], _expected: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ruby's `File.fnmatch?(pattern, path, FNM_PATHNAME | FNM_DOTMATCH | FNM_EXTGLOB)`."""
    return {"matches": ruby_fnmatch(given["pattern"], given["path"])}


def answer_include(given: Mapping[str, Any], _expected: Mapping[str, Any]) -> Mapping[str, Any]:
    """Which paths of a repository an `include:local` pattern stands for."""
    found = match_paths(given["pattern"].lstrip("/"), tuple(given["files"]))
    return {"files": list(found)}


def answer_doublestar(given: Mapping[str, Any], _expected: Mapping[str, Any]) -> Mapping[str, Any]:
    """Whether GitLab Runner takes a path for `artifacts:paths` (`taken`), or leaves it out for
    `artifacts:exclude` (`excluded`)."""
    pattern, path = given["pattern"], given["path"]
    return {"taken": doublestar(pattern, path), "excluded": doublestar_exclude(pattern, path)}
