"""`rules:changes` and `rules:exists`. Source: GitLab's CI/CD YAML reference, the same headings."""

from typing import Any

from homeport.pipeline.conditions.path_patterns import is_path_pattern
from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.shapes import is_strings
from homeport.pipeline.model.config import Changes, Exists

MAX_PATHS = 50
MAX_REGEXP = 255


def parse_changes(value: Any, entry: Entry) -> Changes | None:
    """A list of paths, or a mapping of `paths` and `compare_to`."""
    if isinstance(value, list):
        paths = _own_paths(value, entry)
        return None if paths is None else Changes(paths=paths)
    if not isinstance(value, dict):
        entry.say("should be an array or a hash", "wrong-type", verbatim=True)
        return None
    entry.keys(value, ("paths", "compare_to", "regexp"))
    compare_to = entry.string(value, "compare_to")
    if "regexp" in value:
        return Changes(regexp=_regexp(value, entry), compare_to=compare_to)
    entry.required(value, ("paths",))
    found = value.get("paths")
    if not is_strings(found):
        entry.wrong(value, "paths", "should be an array of strings")
        return None
    if len(found) > MAX_PATHS:
        entry.wrong(value, "paths", f"has too many entries (maximum {MAX_PATHS})", "limit")
    return Changes(paths=tuple(found), compare_to=compare_to)


def parse_exists(value: Any, entry: Entry) -> Exists | None:
    """A list of paths (one string too), or a mapping of `paths`, `project` and `ref`."""
    if isinstance(value, list):
        paths = _own_paths(value, entry)
        return None if paths is None else Exists(paths=paths)
    if isinstance(value, str):
        entry.config("should be an array of strings", "wrong-type")
        return None
    if is_blank(value) and not isinstance(value, dict):
        return Exists(paths=())
    if not isinstance(value, dict):
        text = "should be a string, an array of strings, or a hash"
        entry.say(text, "wrong-type", verbatim=True)
        return None
    entry.keys(value, ("paths", "project", "ref", "regexp"))
    if "regexp" not in value:
        entry.required(value, ("paths",))
    if value.get("ref") is not None:
        entry.required(value, ("project",))
    project, ref = entry.string(value, "project"), entry.string(value, "ref")
    if "regexp" in value:
        return Exists(regexp=_regexp(value, entry), project=project, ref=ref)
    found = entry.strings(value, "paths") or ()
    if len(found) > MAX_PATHS:
        entry.wrong(value, "paths", f"has too many entries (maximum {MAX_PATHS})", "limit")
    return Exists(paths=found, project=project, ref=ref)


def _regexp(value: Any, entry: Entry) -> str | None:
    """A regular expression of Ruby's, without slashes, that stands in the place of `paths`."""
    if "paths" in value:
        entry.config("must use exactly one of these keys: paths, regexp", "conflict")
    regexp = entry.string(value, "regexp")
    if regexp is None:
        return None
    if len(regexp) > MAX_REGEXP:
        text = f"is too long (maximum is {MAX_REGEXP} characters)"
        entry.wrong(value, "regexp", text, "limit")
    elif not is_path_pattern(regexp):
        entry.wrong(value, "regexp", "is invalid", "invalid-regexp")
    return regexp


def _own_paths(value: Any, entry: Entry) -> tuple[str, ...] | None:
    if not is_strings(value):
        entry.config("should be an array of strings", "wrong-type")
        return None
    if len(value) > MAX_PATHS:
        entry.config(f"has too many entries (maximum {MAX_PATHS})", "limit")
    return tuple(value)
