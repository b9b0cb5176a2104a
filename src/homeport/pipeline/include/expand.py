"""`include:` → one mapping, file by file (GitLab `Config::External::Processor`)."""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace

from homeport.errors import Problem, Severity, Span, UsageError
from homeport.pipeline.document.inputs import InputsError
from homeport.pipeline.document.interpolation import interpolate
from homeport.pipeline.document.load import load
from homeport.pipeline.document.merge import merge_all
from homeport.pipeline.include.api import (
    Expanded,
    Fetched,
    FileSource,
    IncludeContext,
    RemoteSource,
    UnreachedError,
)
from homeport.pipeline.include.glob import match_paths
from homeport.pipeline.include.header import check_included_inputs, merge_inputs, with_offered
from homeport.pipeline.include.location import (
    HEADER_KINDS,
    KINDS,
    Location,
    LocationError,
    check_location,
    check_rules,
    describe_entry,
    normalize_entry,
    parse_entry,
)
from homeport.pipeline.include.origin import Origin, read_artifact, read_local, say_empty, wanted_of
from homeport.pipeline.model.config import MissingInclude
from homeport.pipeline.model.document import Document, Map, Seq, span_of_value

Chain = tuple[Span, ...]
_UNREACHABLE = {
    "project": "files of another project are not read from here",
    "remote": "files on another host are not read from here",
    "template": "GitLab's own templates are not at hand here",
    "component": "components are not read from here",
}


def expand_includes(
    document: Document,
    source: FileSource,
    context: IncludeContext,
    elsewhere: Callable[[], RemoteSource] | None = None,
) -> Expanded:
    """Read and merge all that a root document includes, to any depth.

    `elsewhere` gives the files of other projects and hosts, and is called when the first is
    wanted. An include that cannot be reached here, or whose rules or variables depend on facts that
    are not known here, becomes a `MissingInclude`, and the rest goes on. Raises `UsageError` in
    GitLab's words with every include that is wrong in itself: a file that is missing, empty
    or broken, an entry of the wrong form, or more includes than GitLab allows (which is also how
    GitLab ends a circle).
    """
    expansion = _Expansion(document, context, elsewhere)
    origin = Origin(source=source, path=None, home=True, variables=context.variables)
    content = expansion.expand_root(document, origin)
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

    def __init__(
        self,
        root: Document,
        context: IncludeContext,
        elsewhere: Callable[[], RemoteSource] | None,
    ) -> None:
        self._context = context
        self._open = elsewhere
        self._elsewhere: RemoteSource | None = None
        self._documents: dict[str, Document] = {}
        self._included = 0
        self._size = 0
        self.errors: list[Problem] = []
        self.missing: list[MissingInclude] = []
        self.problems: list[Problem] = list(root.problems)
        self.chains: dict[str, Chain] = {root.name: ()}

    def expand_root(self, document: Document, origin: Origin) -> Map:
        context, start = self._context, Span(document.name, 1, 1)
        try:
            document = self._with_header(document, origin, ())
            inputs = with_offered(context.inputs, document, context.offered)
            content = interpolate(document, inputs, context.variables, context.masked)
        except InputsError as error:
            found = [
                Problem(message=each, code="inputs", span=error.places.get(each, start))
                for each in error.messages
            ]
            raise UsageError([*self.errors, *found]) from None
        return self.expand(content, (), origin)

    def expand(self, content: Map, chain: Chain, origin: Origin) -> Map:
        """A file's mapping on top of those it includes."""
        found = list(self._locations(content, origin, KINDS))
        self._prepare(each for each, _ in found if isinstance(each, Location))
        layers: list[Map] | None = None
        for location, span in found:
            if isinstance(location, LocationError):
                self._fail(str(location), span, chain)
                continue
            self._count(span, chain)
            layers = layers or []
            included = self._read(location, span, chain, origin)
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
        self, content: Map, origin: Origin, kinds: tuple[str, ...]
    ) -> Iterator[tuple[Location | LocationError, Span | None]]:
        written = content.get("include")
        entries = written if isinstance(written, list) else [written]
        for index, entry in enumerate(entries):
            if entry is None:
                continue
            owner, key = (written, index) if isinstance(written, Seq) else (content, "include")
            span = span_of_value(owner, key)
            try:
                yield from self._resolve(entry, span, origin, kinds)
            except LocationError as error:
                yield error, span

    def _resolve(
        self, entry: Any, span: Span | None, origin: Origin, kinds: tuple[str, ...]
    ) -> Iterator[tuple[Location, Span | None]]:
        variables = origin.variables
        entry = normalize_entry(entry, variables)
        if not self._is_allowed(entry, span, origin):
            return
        written = entry.get("local")
        files = entry.get("file")
        if entry.get("project") and isinstance(files, list):
            for index, file in enumerate(files):
                location = parse_entry(Map({**entry, "file": file}), variables, kinds)
                yield location, span_of_value(files, index) or span
        elif isinstance(written, str) and "*" in written and origin.source is not None:
            try:
                paths = match_paths(written.lstrip("/"), origin.source.paths())
            except UnreachedError as error:
                self._miss(parse_entry(entry, variables, kinds), span, str(error))
                return
            for path in paths:
                if path != origin.path:
                    yield parse_entry(Map({**entry, "local": path}), variables, kinds), span
        else:
            yield parse_entry(entry, variables, kinds), span

    def _is_allowed(self, entry: Map, span: Span | None, origin: Origin) -> bool:
        if entry.get("rules") is None:
            return True
        check_rules(entry["rules"])
        kind, name = describe_entry(entry)
        reason = "its rules depend on a fact that is not known here"
        allowed: bool | None = None
        if origin.home:
            allowed = self._context.allows(entry, name)
        else:
            try:
                allowed = self._context.allows_there(entry, origin.source, origin.variables)
            except UnreachedError as error:
                reason = str(error)
        if allowed is None:
            self.missing.append(
                MissingInclude(
                    kind=kind,
                    location=self._mask(name),
                    project=str(entry["project"]) if "project" in entry else None,
                    ref=str(entry["ref"]) if "ref" in entry else None,
                    span=span,
                    reason=self._mask(reason),
                )
            )
        return bool(allowed)

    def _count(self, span: Span | None, chain: Chain) -> None:
        limit = self._context.limits.includes
        self._included += 1
        if self._included > limit:
            self._fail(f"Maximum of {limit} nested includes are allowed!", span, chain)
            raise UsageError(self.errors)

    def _prepare(self, locations: Iterator[Location]) -> None:
        """Begin to fetch all that one file includes, so that the slowest is all that is waited
        for."""
        wanted = [
            wanted_of(each)
            for each in locations
            if each.kind in _UNREACHABLE and isinstance(each.name, str) and not each.unknown
        ]
        if wanted and self._open is not None:
            if self._elsewhere is None:
                self._elsewhere = self._open()
            self._elsewhere.prepare(wanted[: self._context.limits.includes])

    def _read(
        self, location: Location, span: Span | None, chain: Chain, origin: Origin
    ) -> Map | None:
        """What a location contributes; None when that is missing, or wrong and noted as such."""
        found = self._fetch(location, span, chain, origin)
        if found is None:
            return None
        inner = (span, *chain) if span else chain
        content = self._content(found, location, inner, span, chain)
        if not content:
            return None
        return self.expand(content, inner, self._origin_of(found, location, origin))

    def _fetch(
        self, location: Location, span: Span | None, chain: Chain, origin: Origin
    ) -> Fetched | None:
        try:
            check_location(location, in_child=self._context.artifact is not None)
            if location.kind == "component" and origin.source is None:
                raise LocationError("Unable to use components outside of a project context")
            if location.kind == "local":
                found = read_local(location.name, origin)
            elif location.kind == "artifact" and not location.unknown:
                found = read_artifact(location, origin, self._context.artifact)
            elif self._elsewhere is None or location.unknown:
                self._miss(location, span, None)
                return None
            else:
                found = self._elsewhere.fetch(wanted_of(location))
        except LocationError as error:
            if location.unknown:
                self._miss(location, span, None)
            else:
                self._fail(str(error), span, chain)
            return None
        except UnreachedError as error:
            self._miss(location, span, str(error))
            return None
        if found.note is not None:
            note = Problem(
                message=found.note,
                code="include-stale",
                severity=Severity.NOTE,
                span=span,
                included_from=chain,
            )
            self.problems.append(note)
        if not found.content.strip():
            self._fail(say_empty(location), span, chain)
            return None
        return found

    def _origin_of(self, found: Fetched, location: Location, origin: Origin) -> Origin:
        if location.kind == "local":
            return replace(origin, path=location.name)
        return Origin(
            source=found.source,
            path=location.name if location.kind == "project" else None,
            prefix=found.prefix,
            # GitLab hands nothing on to what a file of no project includes.
            variables={} if found.source is None else origin.variables,
            component=found.component,
        )

    def _content(
        self, found: Fetched, location: Location, inner: Chain, span: Span | None, chain: Chain
    ) -> Map | None:
        shown = location.name
        wrong = None
        content: Map | None = None
        if self._is_over(len(found.content)):
            wrong = "Total size of combined CI/CD configuration is too big"
        else:
            try:
                content = self._interpolate(found, location, inner)
            except UsageError as error:
                for problem in error.problems:
                    message = f"`{self._mask(shown)}`: {problem.message}"
                    self.errors.append(replace(problem, message=message, included_from=inner))
                return None
            except LocationError as error:
                wrong = str(error)
            except InputsError as error:
                wrong = f"`{shown}`: {', '.join(error.messages[:3])}"
                place = None if error.given else error.places.get(error.messages[0])
                span, chain = (place, inner) if place else (span, chain)
            else:
                if not content:
                    wrong = f"Included file `{shown}` does not have valid YAML syntax!"
        if wrong is not None:
            self._fail(wrong, span, chain)
        return content

    def _is_over(self, size: int) -> bool:
        self._size += size
        return self._size > self._context.limits.total_size

    def _interpolate(self, found: Fetched, location: Location, chain: Chain) -> Map:
        document = self._load(found, chain)
        header = document.header.get("spec") if document.header else None
        if isinstance(header, dict) and "include" in header:
            if location.kind == "component":
                raise LocationError(
                    f"Component `{location.name}` cannot use `spec:include`. "
                    "This keyword is not supported in components"
                )
            inner = Origin(
                source=found.source,
                path=None,
                prefix=found.prefix,
                home=location.kind == "local" and not found.prefix,
                variables={} if found.source is None else self._context.variables,
            )
            document = self._with_header(document, inner, chain)
        return interpolate(
            document,
            with_offered(location.inputs, document, self._context.offered, found.component),
            self._context.variables,
            self._context.masked,
            component=found.component,
        )

    def _with_header(self, document: Document, origin: Origin, chain: Chain) -> Document:
        """The document with the inputs of the files of its `spec:include`."""
        spec = document.header.get("spec") if document.header else None
        if not isinstance(spec, Map) or not spec.get("include"):
            return document
        found = list(self._locations(spec, origin, HEADER_KINDS))
        self._prepare(each for each, _ in found if isinstance(each, Location))
        parts: list[Map] = []
        for location, span in found:
            if isinstance(location, LocationError):
                self._fail(str(location), span, chain)
                continue
            self._count(span, chain)
            read = self._fetch(location, span, chain, origin)
            if read is None:
                continue
            inner = (span, *chain) if span else chain
            content = self._content(read, location, inner, span, chain)
            try:
                parts += [check_included_inputs(content, location.name)] if content else []
            except LocationError as error:
                self._fail(str(error), span, chain)
        return merge_inputs(document, spec, parts)

    def _load(self, found: Fetched, chain: Chain) -> Document:
        name = found.name
        document = self._documents.get(name)
        if document is None:
            document = self._documents[name] = load(found.content, name, self._context.limits)
            self.chains.setdefault(name, chain)
            self.problems += [replace(each, included_from=chain) for each in document.problems]
        return document

    def _miss(self, location: Location, span: Span | None, reason: str | None) -> None:
        if reason is None:
            names = ", ".join(f"${name}" for name in location.unknown)
            reason = f"it depends on variables that are not known here: {names}"
            if self._open is None or not names:
                reason = _UNREACHABLE.get(location.kind, reason)
        self.missing.append(
            MissingInclude(
                kind=location.kind,
                location=self._mask(str(location.name)),
                project=location.project and self._mask(location.project),
                ref=location.ref and self._mask(location.ref),
                span=span,
                reason=self._mask(reason),
            )
        )

    def _fail(self, message: str, span: Span | None, chain: Chain) -> None:
        message = self._mask(message)
        self.errors.append(Problem(message=message, code="include", span=span, included_from=chain))

    def _mask(self, text: str) -> str:
        for name in self._context.masked:
            value = self._context.variables.get(name)
            if value:
                text = text.replace(value, "x" * len(value))
        return text
