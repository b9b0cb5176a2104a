"""`include:` → one mapping, file by file (GitLab `Config::External::Processor`)."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from homeport.errors import Problem, Span, UsageError
from homeport.pipeline.document.inputs import InputsError
from homeport.pipeline.document.interpolation import interpolate
from homeport.pipeline.document.load import load
from homeport.pipeline.document.merge import merge_all
from homeport.pipeline.include.api import Expanded, FileSource, IncludeContext
from homeport.pipeline.include.glob import match_paths
from homeport.pipeline.include.location import (
    Location,
    LocationError,
    check_location,
    check_rules,
    describe_entry,
    normalize_entry,
    parse_entry,
)
from homeport.pipeline.model.config import MissingInclude
from homeport.pipeline.model.document import Document, Map, Seq, span_of_value

Chain = tuple[Span, ...]
_UNREACHABLE = {
    "project": "files of another project are not read from here",
    "remote": "files on another host are not read from here",
    "template": "GitLab's own templates are not at hand here",
    "component": "components are not read from here",
}


def expand_includes(document: Document, source: FileSource, context: IncludeContext) -> Expanded:
    """Read and merge all that a root document includes, to any depth.

    An include that cannot be reached here, or whose rules or variables depend on facts that are
    not known here, becomes a `MissingInclude`, and the rest goes on. Raises `UsageError` in
    GitLab's words with every include that is wrong in itself: a local file that is missing, empty
    or broken, an entry of the wrong form, or more includes than GitLab allows (which is also how
    GitLab ends a circle).
    """
    expansion = _Expansion(document, source, context)
    try:
        content = interpolate(document, context.inputs, context.variables, context.masked)
    except InputsError as error:
        raise UsageError(
            Problem(message=message, code="inputs", span=Span(document.name, 1, 1))
            for message in error.messages
        ) from None
    content = expansion.expand(content, (), None)
    if expansion.errors:
        raise UsageError(expansion.errors)
    return Expanded(
        content=content,
        missing=tuple(expansion.missing),
        problems=tuple(expansion.problems),
        files=tuple(expansion.chains),
        chains=expansion.chains,
    )


class _Expansion:
    """What is shared by all files of one expansion."""

    def __init__(self, root: Document, source: FileSource, context: IncludeContext) -> None:
        self._source = source
        self._context = context
        self._documents: dict[str, Document] = {}
        self._included = 0
        self._size = 0
        self.errors: list[Problem] = []
        self.missing: list[MissingInclude] = []
        self.problems: list[Problem] = list(root.problems)
        self.chains: dict[str, Chain] = {root.name: ()}

    def expand(self, content: Map, chain: Chain, parent: str | None) -> Map:
        """A file's mapping on top of those it includes; `parent` is its path if it is included."""
        layers: list[Map] | None = None
        for location, span in self._locations(content, chain, parent):
            self._count(span, chain)
            layers = layers or []
            included = self._read(location, span, chain)
            if included is not None:
                layers.append(included)
        if layers is None:
            # GitLab leaves the keyword where nothing was included.
            return content
        merged = merge_all([*layers, content])
        whole = Map(merged, merged.mark, merged.marks)
        whole.pop("include", None)
        return whole

    def _locations(
        self, content: Map, chain: Chain, parent: str | None
    ) -> Iterator[tuple[Location, Span | None]]:
        entries = content.get("include")
        if not isinstance(entries, list):
            entries = [] if entries is None else [entries]
        written = content.get("include")
        for index, entry in enumerate(entries):
            if entry is None:
                continue
            owner, key = (written, index) if isinstance(written, Seq) else (content, "include")
            span = span_of_value(owner, key)
            try:
                yield from self._resolve(entry, span, parent)
            except LocationError as error:
                self._fail(str(error), span, chain)

    def _resolve(
        self, entry: Any, span: Span | None, parent: str | None
    ) -> Iterator[tuple[Location, Span | None]]:
        variables = self._context.variables
        entry = normalize_entry(entry, variables)
        if not self._is_allowed(entry, span):
            return
        written = entry.get("local")
        files = entry.get("file")
        if entry.get("project") and isinstance(files, list):
            for index, file in enumerate(files):
                location = parse_entry(Map({**entry, "file": file}), variables)
                yield location, span_of_value(files, index) or span
        elif isinstance(written, str) and "*" in written:
            for path in match_paths(written.lstrip("/"), self._source.paths()):
                if path != parent:
                    yield parse_entry(Map({**entry, "local": path}), variables), span
        else:
            yield parse_entry(entry, variables), span

    def _is_allowed(self, entry: Map, span: Span | None) -> bool:
        if entry.get("rules") is None:
            return True
        check_rules(entry["rules"])
        kind, name = describe_entry(entry)
        allowed = self._context.allows(entry, name)
        if allowed is None:
            self.missing.append(
                MissingInclude(
                    kind=kind,
                    location=self._mask(name),
                    project=str(entry["project"]) if "project" in entry else None,
                    ref=str(entry["ref"]) if "ref" in entry else None,
                    span=span,
                    reason="its rules depend on a fact that is not known here",
                )
            )
        return bool(allowed)

    def _count(self, span: Span | None, chain: Chain) -> None:
        limit = self._context.limits.includes
        self._included += 1
        if self._included > limit:
            self._fail(f"Maximum of {limit} nested includes are allowed!", span, chain)
            raise UsageError(self.errors)

    def _read(self, location: Location, span: Span | None, chain: Chain) -> Map | None:
        """What a location contributes; None when that is missing, or wrong and noted as such."""
        try:
            check_location(location)
            if location.kind == "local":
                return self._read_local(location, span, chain)
        except LocationError as error:
            if not location.unknown:
                self._fail(str(error), span, chain)
                return None
        names = ", ".join(f"${name}" for name in location.unknown)
        self.missing.append(
            MissingInclude(
                kind=location.kind,
                location=self._mask(str(location.name)),
                project=location.project and self._mask(location.project),
                ref=location.ref and self._mask(location.ref),
                span=span,
                reason=_UNREACHABLE.get(location.kind)
                or f"it depends on variables that are not known here: {names}",
            )
        )
        return None

    def _read_local(self, location: Location, span: Span | None, chain: Chain) -> Map | None:
        path = location.name
        source = self._source.read(path)
        if source is None:
            raise LocationError(f"Local file `{path}` does not exist!")
        inner = (span, *chain) if span else chain
        wrong = None
        content = None
        if not source.strip():
            wrong = f"Local file `{path}` is empty!"
        elif self._is_over(len(source)):
            wrong = "Total size of combined CI/CD configuration is too big"
        else:
            try:
                content = self._interpolate(path, source, location.inputs, inner)
            except UsageError as error:
                for problem in error.problems:
                    message = f"`{self._mask(path)}`: {problem.message}"
                    self.errors.append(replace(problem, message=message, included_from=inner))
                return None
            except InputsError as error:
                wrong = f"`{path}`: {', '.join(error.messages[:3])}"
            else:
                if not content:
                    wrong = f"Included file `{path}` does not have valid YAML syntax!"
        if wrong is not None:
            self._fail(wrong, span, chain)
        return self.expand(content, inner, path) if content else None

    def _is_over(self, size: int) -> bool:
        self._size += size
        return self._size > self._context.limits.total_size

    def _interpolate(self, path: str, source: bytes, inputs: Any, chain: Chain) -> Map:
        document = self._load(path, source, chain)
        return interpolate(document, inputs, self._context.variables, self._context.masked)

    def _load(self, path: str, source: bytes, chain: Chain) -> Document:
        document = self._documents.get(path)
        if document is None:
            document = self._documents[path] = load(source, path, self._context.limits)
            self.chains.setdefault(path, chain)
            self.problems += [replace(each, included_from=chain) for each in document.problems]
        return document

    def _fail(self, message: str, span: Span | None, chain: Chain) -> None:
        self.errors.append(
            Problem(message=self._mask(message), code="include", span=span, included_from=chain)
        )

    def _mask(self, text: str) -> str:
        for name in self._context.masked:
            value = self._context.variables.get(name)
            if value:
                text = text.replace(value, "x" * len(value))
        return text
