"""Which steps of `run:` are in this repository, and which would have to be fetched."""

from collections.abc import Mapping
from typing import Any


def reference(step: Mapping[str, Any]) -> Any:
    """What a step names; None for a script."""
    return step.get("func", step.get("step"))


def remote_step(step: Mapping[str, Any]) -> str | None:
    """In words, the git repository or registry that a step comes from; None for one from here."""
    named = reference(step)
    if named is None or _is_path(named):
        return None
    if not isinstance(named, Mapping):
        return str(named)
    inner = next(iter(named.values()), None)
    if not isinstance(inner, Mapping):
        return str(inner)
    parts = ("url", "registry", "repository", "dir", "rev", "tag")
    return " ".join(str(inner[part]) for part in parts if part in inner)


def _is_path(named: Any) -> bool:
    """What begins with a host, or has a version, is not in this repository."""
    if not isinstance(named, str) or ":" in named or "@" in named:
        return False
    return named.startswith((".", "/")) or "." not in named.split("/", 1)[0]
