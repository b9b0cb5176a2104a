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


Key = tuple[str, str, str, str]


class Locked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file from elsewhere, as `homeport.lock` names it.

    `kind` is that of the include; `source` the project as `HOST/PATH`, the URL without user and
    password, or the template's host; `ref` the ref or version as written; `file` its path (`*` for
    the list of a project's files); `commit` what the ref was, and `tag` what a range of versions
    was; `sha256` is that of the content, hexadecimal.
    """

    kind: str
    source: str
    ref: str = ""
    file: str = ""
    commit: str = ""
    tag: str = ""
    sha256: str

    @property
    def key(self) -> Key:
        return self.kind, self.source, self.ref, self.file

    @property
    def title(self) -> str:
        """The include as a person names it."""
        what = f"{self.source}:{self.file}" if self.file else self.source
        return f"{self.kind} {what}" + (f" at {self.ref}" if self.ref else "")


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


class DeadHostError(UnreachedError):
    """The same, and nothing else on that host can be had either."""


class ProjectReader(Protocol):
    """A project as one server, or one checkout, has it; `commit` is what `resolve` gave.

    Raises `UnreachedError`; None is what the server says is not there.
    """

    def resolve(self, ref: str) -> str | None:
        """The commit that a branch, a tag, a full SHA or `HEAD` names."""
        ...

    def read(self, commit: str, path: str) -> bytes | None:
        """A file's bytes, one more than the limit at most."""
        ...

    def paths(self, commit: str) -> tuple[str, ...]:
        """Every path of a commit."""
        ...

    def versions(self) -> dict[str, str]:
        """The commit of each tag, or of each release where the server tells."""
        ...


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


def _undecided_there(
    _entry: Map, _source: FileSource | None, _variables: Mapping[str, str]
) -> bool | None:
    return None


Choose = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""The values of inputs, for the mapping under `spec:inputs`."""


class IncludeContext(Struct, frozen=True, kw_only=True):
    """The run that the includes belong to.

    `variables` are those that may stand in locations. `allows` decides `include:rules`: it gets
    the whole entry (its `rules` are a list of mappings with keys that GitLab allows) and the
    entry's location for messages, and answers None when a fact is not known here; `allows_there`
    is the same for an entry in a file from elsewhere: with the files of that file's project (None
    if it has none), and the variables that it sees. `inputs` are
    the values for the root file's `spec:inputs`, or what makes them of what it specifies (not
    checked yet); `offered` are values by component that go before
    those of an include, under `""` for whatever file has such an input, the root among them:
    GitLab has no such thing. `masked` names the variables
    whose values no text may show. `artifact` reads a file from the artifacts of a job of the
    parent pipeline (None: the job left none; `LocationError` for what is wrong with the file);
    only a child pipeline has it.
    """

    variables: Mapping[str, str] = {}
    allows: Callable[[Map, str], bool | None] = _undecided
    allows_there: Callable[[Map, FileSource | None, Mapping[str, str]], bool | None] = (
        _undecided_there
    )
    inputs: Mapping[str, Any] | Choose = {}
    offered: Mapping[str, Mapping[str, Any]] = {}
    masked: frozenset[str] = frozenset()
    limits: Limits = Limits()
    artifact: Callable[[str, str], bytes | None] | None = None


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
