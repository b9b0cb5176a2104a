"""What `expand_includes` needs from outside, and what it gives back."""

from collections.abc import Callable, Mapping, Sequence
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


class Wanted(Struct, frozen=True, kw_only=True):
    """One file from elsewhere.

    `name` is a path in `project` at `ref`, a URL, a template's name or a component's address, all
    with their variables replaced. `integrity` is what the file must be (`sha256-` and base64),
    `fresh` how many seconds old a copy may be (None: the reader's own choice).
    """

    kind: str
    name: str
    project: str | None = None
    ref: str | None = None
    integrity: str | None = None
    fresh: float | None = None


class Fetched(Struct, frozen=True, kw_only=True):
    """A file from elsewhere.

    `prefix` before a path names a file of the same project in messages; `source` reads those files
    (None: the file belongs to no project, and can include no local files). `component` are the
    facts of the component that the file is (`spec:component`), `note` what the reader should know.
    """

    content: bytes
    name: str
    prefix: str = ""
    source: FileSource | None = None
    component: Mapping[str, Any] = {}
    note: str | None = None


class UnreachedError(Exception):
    """A file, or a list of files, that cannot be had now; the text is the reason."""


class RemoteSource(Protocol):
    """The files of other projects and hosts.

    Its reads, and those of the `FileSource` that it gives, raise `UnreachedError` for what cannot
    be had now, and `LocationError`, in GitLab's words, for what is wrong in itself.
    """

    def prepare(self, wanted: Sequence[Wanted]) -> None:
        """Begin to fetch what will be read next; returns at once."""
        ...

    def fetch(self, wanted: Wanted) -> Fetched:
        """The file, read once and then remembered."""
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
