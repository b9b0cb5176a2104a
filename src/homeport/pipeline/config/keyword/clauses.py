"""`rules:changes` and `rules:exists`. Source: GitLab's CI/CD YAML reference, the same headings."""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.shapes import is_strings
from homeport.pipeline.model.config import Changes, Exists

MAX_PATHS = 50


def parse_changes(value: Any, entry: Entry) -> Changes | None:
    """A list of paths, or a mapping of `paths` and `compare_to`."""
    if isinstance(value, list):
        paths = _own_paths(value, entry)
        return None if paths is None else Changes(paths=paths)
    if not isinstance(value, dict):
        entry.say("should be an array or a hash", "wrong-type", verbatim=True)
        return None
    entry.keys(value, ("paths", "compare_to"))
    entry.required(value, ("paths",))
    found = value.get("paths")
    if not is_strings(found):
        entry.wrong(value, "paths", "should be an array of strings")
        return None
    if len(found) > MAX_PATHS:
        entry.wrong(value, "paths", f"has too many entries (maximum {MAX_PATHS})", "limit")
    return Changes(paths=tuple(found), compare_to=entry.string(value, "compare_to"))


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
    entry.keys(value, ("paths", "project", "ref"))
    entry.required(value, ("paths",))
    if value.get("ref") is not None:
        entry.required(value, ("project",))
    found = entry.strings(value, "paths") or ()
    if len(found) > MAX_PATHS:
        entry.wrong(value, "paths", f"has too many entries (maximum {MAX_PATHS})", "limit")
    return Exists(
        paths=found, project=entry.string(value, "project"), ref=entry.string(value, "ref")
    )


def _own_paths(value: Any, entry: Entry) -> tuple[str, ...] | None:
    if not is_strings(value):
        entry.config("should be an array of strings", "wrong-type")
        return None
    if len(value) > MAX_PATHS:
        entry.config(f"has too many entries (maximum {MAX_PATHS})", "limit")
    return tuple(value)
