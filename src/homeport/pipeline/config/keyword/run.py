"""`run`: a job made of steps instead of a script.

Source: GitLab's CI/CD YAML reference, `run`, and its JSON schema of run steps.
"""

import re
from collections.abc import Mapping
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(
    name="run",
    run=YES,
    note="scripts and steps of the repository; a job with a step from elsewhere is not run: "
    "[how to](../how-to/run-steps.md)",
    cases=("steps", "steps-elsewhere", "steps-broken"),
)

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_STEP_KEYS = ("name", "env", "inputs", "step", "func")
_SCRIPT_KEYS = ("name", "env", "script")
_GIT = (("url", "rev"), ("url", "dir", "rev", "file"))
_OCI = (("registry", "repository", "tag"), ("registry", "repository", "tag", "dir", "file"))


def parse_run(value: Any, entry: Entry) -> tuple[Mapping[str, Any], ...] | None:
    """The steps as written."""
    if not isinstance(value, list):
        entry.owner("run value at root is not an array", "wrong-type")
        return None
    for index, step in enumerate(value):
        _check_step(step, f"/{index}", entry)
    return tuple(step for step in value if isinstance(step, dict))


def _check_step(step: Any, at: str, entry: Entry) -> None:
    kinds = [kind for kind in ("step", "func", "script") if isinstance(step, dict) and kind in step]
    if len(kinds) != 1:
        text = f"value at {at} should use only one of: step, func, script"
        entry.owner(f"run {text}", "conflict")
        return
    kind = kinds[0]
    name = step.get("name")
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        what = (
            "does not match pattern: ^[a-zA-Z_][a-zA-Z0-9_]*$"
            if isinstance(name, str)
            else ("is not a string" if "name" in step else None)
        )
        _complain(
            entry,
            f"string at `{at}/name` {what}"
            if what
            else f"object at `{at}` is missing required properties: name",
        )
    for key in step:
        if key not in (_SCRIPT_KEYS if kind == "script" else _STEP_KEYS):
            text = f"object property at `{at}/{key}` is a disallowed additional property"
            _complain(entry, text)
    _check_named(step, "env", at, entry, strings=True)
    _check_named(step, "inputs", at, entry, strings=False)
    if kind == "script":
        if not (isinstance(step["script"], str) and step["script"]):
            _complain(entry, f"value at `{at}/script` is not a string")
    elif not isinstance(step[kind], str):
        _check_reference(step[kind], f"{at}/{kind}", entry)


def _check_named(step: Any, key: str, at: str, entry: Entry, *, strings: bool) -> None:
    values = step.get(key)
    if key not in step:
        return
    if not isinstance(values, dict):
        _complain(entry, f"value at `{at}/{key}` is not an object")
        return
    for name, item in values.items():
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            text = f"object property at `{at}/{key}/{name}` is a disallowed additional property"
            _complain(entry, text)
        elif strings and not isinstance(item, str):
            _complain(entry, f"value at `{at}/{key}/{name}` is not a string")


def _check_reference(value: Any, at: str, entry: Entry) -> None:
    kind = next(
        (kind for kind in ("git", "oci") if isinstance(value, dict) and kind in value), None
    )
    inner = value.get(kind) if kind else None
    required, allowed = _GIT if kind == "git" else _OCI
    if (
        not isinstance(inner, dict)
        or len(value) != 1
        or any(key not in inner for key in required)
        or any(key not in allowed or not isinstance(item, str) for key, item in inner.items())
    ):
        _complain(entry, f"value at `{at}` does not match exactly one `oneOf` schema")


def _complain(entry: Entry, text: str) -> None:
    entry.owner(f"run {text}", "wrong-type")
