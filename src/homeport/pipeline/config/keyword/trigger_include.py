"""`trigger:include`: the files of a child pipeline, at most three.

Source: GitLab's CI/CD YAML reference, `trigger:include`, `include`.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.rules import parse_include_rules
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.shapes import places

MAX_INCLUDES = 3
_KEYS = (
    "local", "file", "remote", "project", "ref", "integrity", "cache", "template", "artifact",
    "inputs", "job", "rules", "component",
)  # fmt: skip
_HASH = "sha256-"


def parse_includes(value: Any, entry: Entry) -> tuple[Mapping[str, Any], ...]:
    """Each include as a mapping; a bare string is a local file or, by its form, a remote one."""
    if isinstance(value, dict):
        entry.config("should be an array or a string", "wrong-type")
        return ()
    if isinstance(value, str):
        return (_from_string(value),)
    if not isinstance(value, list):
        entry.config("should be an array or a string", "wrong-type")
        return ()
    if len(value) > MAX_INCLUDES:
        entry.config(f"is too long (maximum is {MAX_INCLUDES})", "limit")
    found = [
        _include(owner[index], entry.child(owner, index, "include"))
        for owner, index in places(value)
    ]
    return tuple(include for include in found if include is not None)


def _from_string(value: str) -> Mapping[str, Any]:
    return {"remote" if value.startswith(("http://", "https://")) else "local": str(value)}


def _include(value: Any, entry: Entry) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return _from_string(value)
    if not isinstance(value, dict):
        entry.config("should be a hash or a string", "wrong-type")
        return None
    if value.get("project") not in (None, False) and is_blank(value.get("file")):
        entry.config("must specify the file where to fetch the config from", "missing-key")
    if value.get("integrity") not in (None, False):
        _check_integrity(value, entry)
    entry.keys(value, _KEYS)
    if value.get("artifact") not in (None, False) and is_blank(value.get("job")):
        entry.config("must specify the job where to fetch the artifact from", "missing-key")
    rules = value.get("rules")
    if rules is not None:
        _check_rules(rules, value, entry)
    return value


def _check_integrity(value: Any, entry: Entry) -> None:
    if is_blank(value.get("remote")):
        entry.config("integrity can only be specified for remote includes", "not-allowed")
    integrity = value["integrity"]
    if not (isinstance(integrity, str) and integrity.startswith(_HASH)):
        entry.config(f"integrity hash must start with '{_HASH}'", "not-allowed")
        return
    try:
        a2b_base64(integrity.removeprefix(_HASH), strict_mode=True)
    except (Base64Error, ValueError):
        entry.config("integrity hash must be base64 encoded", "not-allowed")


def _check_rules(rules: Any, owner: Any, entry: Entry) -> None:
    if not (isinstance(rules, list) and all(isinstance(rule, dict) for rule in rules)):
        entry.wrong(owner, "rules", "should be an array of hashes")
        return
    parse_include_rules(rules, entry.child(owner, "rules"))
