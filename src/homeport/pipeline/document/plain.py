"""A YAML text whose every scalar is a string (YAML's failsafe schema), with marks and limits."""

from io import BytesIO
from typing import Any

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import StreamEndEvent

from homeport.errors import Span, UsageError
from homeport.pipeline.document.build import Builder
from homeport.pipeline.document.limits import Limits


class _Stream(BytesIO):
    name: str


class _PlainBuilder(Builder):
    """Reads `1.10`, `yes` and nothing at all as what they look like."""

    __slots__ = ()

    def _plain_scalar(self, event: Any) -> Any:
        return event.value


def load_plain(source: bytes, name: str, limits: Limits | None = None) -> Any:
    """A `Map`, a `Seq` or a string; an empty file is an empty string. Raises `UsageError`."""
    stream = _Stream(source)
    stream.name = name
    parser = CParser(stream)
    try:
        parser.get_event()
        if isinstance(parser.get_event(), StreamEndEvent):
            return ""
        return _PlainBuilder(parser, limits or Limits()).build()
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        place = Span(name, mark.line + 1, mark.column + 1) if mark else Span(name, 1, 1)
        words = error.problem if isinstance(error, MarkedYAMLError) else str(error)
        raise UsageError.of(f"not valid YAML: {words}", code="yaml-syntax", span=place) from None
    finally:
        parser.dispose()
