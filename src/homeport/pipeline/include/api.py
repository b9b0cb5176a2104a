"""What `expand_includes` needs from outside, and what it gives back."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from homeport.errors import Problem, Span
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.model.config import MissingInclude
from homeport.pipeline.model.document import Map


class FileSource(Protocol):
    """The files of this repository. Paths are relative to its root, with `/` and no `./`."""

    def read(self, path: str) -> bytes | None:
        """A regular file's bytes (one more than the limit at most); None if there is none."""
        ...

    def paths(self) -> tuple[str, ...]:
        """Every path of the repository, for patterns; asked only when a pattern is used."""
        ...


def _undecided(_entry: Map, _location: str) -> bool | None:
    return None


class IncludeContext(Struct, frozen=True, kw_only=True):
    """The run that the includes belong to.

    `variables` are those that may stand in locations. `allows` decides `include:rules`: it gets
    the whole entry (its `rules` are a list of mappings with keys that GitLab allows) and the
    entry's location for messages, and answers None when a fact is not known here. `inputs` are
    the values for the root file's `spec:inputs`. `masked` names the variables
    whose values no text may show.
    """

    variables: Mapping[str, str] = {}
    allows: Callable[[Map, str], bool | None] = _undecided
    inputs: Mapping[str, Any] = {}
    masked: frozenset[str] = frozenset()
    limits: Limits = Limits()


class Expanded(Struct, frozen=True, kw_only=True):
    """All files in one mapping, deep-merged in GitLab's order: an including file comes last.

    `files` are the paths read, the root first, each once; `chains` tells for each which include
    entries led to it, nearest first. `problems` are warnings and notes of the loader.
    """

    content: Map
    missing: tuple[MissingInclude, ...] = ()
    problems: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()
    chains: Mapping[str, tuple[Span, ...]] = {}
