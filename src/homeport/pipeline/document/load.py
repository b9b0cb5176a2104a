"""A file's bytes → `Document`, with GitLab's limits, its split in header and content, its words."""

import re
from io import BytesIO
from typing import Any

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import StreamEndEvent
from yaml.reader import ReaderError
from yaml.scanner import ScannerError

from homeport.errors import Problem, Severity, Span, UsageError
from homeport.pipeline.document.build import TOO_BIG, Builder
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.model.document import Document, Map

# GitLab's own split, not YAML's: it takes the white space after the dashes with it.
_DIVIDER = re.compile(r"^---[ \t\r\n\f\v]+", re.MULTILINE)
_MAX_DOCUMENTS = 2
_DEFAULT_LIMITS = Limits()
_SMALLEST_RUBY_OBJECT = 40
_UNCLOSED = "found unexpected end of stream"


def load(source: bytes, name: str, limits: Limits = _DEFAULT_LIMITS) -> Document:
    """Parse one configuration file.

    `name` is the path that spans show. A file without any value gives an empty `content`. Raises
    `UsageError` with one problem: broken syntax, a value that GitLab's Ruby refuses, a top level
    that is no mapping, or a file beyond `limits`. Source: GitLab `Config::Yaml::Loader`.
    """
    text = _decode(source, name, limits)
    problems: list[Problem] = []
    documents: list[Map] = []
    for chunk in _split(text):
        value = _load_chunk(chunk, name, limits, problems)
        if not _is_blank(value):
            documents.append(_mapping(value, name))
    if not documents:
        return Document(name=name, content=Map(), problems=tuple(problems))
    if len(documents) > 1 and "spec" in documents[0]:
        return Document(
            name=name, header=documents[0], content=documents[-1], problems=tuple(problems)
        )
    return Document(name=name, content=documents[0], problems=tuple(problems))


def _decode(source: bytes, name: str, limits: Limits) -> str:
    if len(source) > limits.size:
        raise UsageError.of(
            TOO_BIG,
            code="yaml-too-big",
            span=Span(name, 1, 1),
            hint=f"the file is larger than {limits.size} bytes (GitLab's max_yaml_size_bytes)",
        )
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = source[: error.start].decode("utf-8-sig", "replace")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        raise UsageError.of(
            "invalid byte sequence in UTF-8",
            code="yaml-encoding",
            span=Span(name, line, column),
            hint="save the file as UTF-8",
        ) from None


def _split(text: str) -> list[str]:
    """The documents, each preceded by as many empty lines as keep its line numbers right."""
    chunks = []
    start = 0
    for divider in _DIVIDER.finditer(text):
        chunks.append((start, divider.start()))
        start = divider.end()
        if len(chunks) == _MAX_DOCUMENTS:
            break
    chunks.append((start, len(text)))
    return ["\n" * text.count("\n", 0, begin) + text[begin:end] for begin, end in chunks]


class _Stream(BytesIO):
    name: str


def _load_chunk(text: str, name: str, limits: Limits, problems: list[Problem]) -> Any:
    stream = _Stream(text.encode())
    stream.name = name
    parser = CParser(stream)
    builder = Builder(parser, limits)
    try:
        parser.get_event()
        if isinstance(parser.get_event(), StreamEndEvent):
            return None
        value = builder.build()
    except YAMLError as error:
        raise _syntax_error(error, text, name) from None
    finally:
        parser.dispose()
    problems.extend(builder.problems)
    if builder.values * _SMALLEST_RUBY_OBJECT > limits.size:
        problems.append(_over_gitlab_default(builder.values, name, limits))
    return value


def _over_gitlab_default(values: int, name: str, limits: Limits) -> Problem:
    return Problem(
        message=f"GitLab may refuse this file: `{TOO_BIG}`",
        code="yaml-big",
        severity=Severity.NOTE,
        span=Span(name, 1, 1),
        hint=f"its {values} values take more memory there than the {limits.size} bytes that "
        "max_yaml_size_bytes allows by default",
    )


def _mapping(value: Any, name: str) -> Map:
    if isinstance(value, Map):
        return value
    raise UsageError.of(
        "Invalid configuration format",
        code="yaml-format",
        span=Span(name, 1, 1),
        hint="the top level of the file must be a mapping, such as `job: {script: …}`",
    )


def _is_blank(value: Any) -> bool:
    """Rails' `blank?` of a whole document."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value is False or (isinstance(value, list | dict) and not value)


def _syntax_error(error: YAMLError, text: str, name: str) -> UsageError:
    """libyaml's finding in the form in which Psych, and so GitLab, reports it."""
    if isinstance(error, MarkedYAMLError):
        context = error.context_mark
        place = error.problem_mark or context
        if error.problem == _UNCLOSED and context:
            place = context  # what is not closed, not the end of the file
        line, column = (place.line + 1, place.column + 1) if place else (1, 1)
        said = context or (error.problem_mark if isinstance(error, ScannerError) else None)
        said_line, said_column = (said.line + 1, said.column + 1) if said else (1, 1)
        what = " ".join(part for part in (error.problem, error.context) if part)
    else:
        what, line, column = _unreadable(error, text)
        said_line = said_column = 1
    start = text.split("\n", line)[line - 1][column - 1 :] if line <= text.count("\n") + 1 else ""
    return UsageError.of(
        f"(<unknown>): {what} at line {said_line} column {said_column}",
        code="yaml-syntax",
        span=Span(name, line, column),
        hint=_remedy(what, start),
    )


def _remedy(what: str, start: str) -> str | None:
    """What to do about the commonest faults; `start` is the line from the fault on."""
    if what.startswith("mapping values are not allowed"):
        return "put a value that contains `: ` in quotes"
    if what.startswith("found character that cannot start any token"):
        if not start or start[0] == "\t":
            return "indent with spaces, not tabs"
        return f"put what begins with {start[0]} in quotes"
    if what.startswith(_UNCLOSED) and "quoted scalar" in what:
        return "close the quote"
    return None


def _unreadable(error: YAMLError, text: str) -> tuple[str, int, int]:
    if not isinstance(error, ReaderError):
        return str(error), 1, 1
    before = text.encode()[: error.position].decode("utf-8", "replace")
    return error.reason, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
