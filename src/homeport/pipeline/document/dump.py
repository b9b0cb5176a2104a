"""Values → YAML as Ruby's Psych writes it, which is how GitLab shows a merged configuration."""

import re
from io import BytesIO
from typing import Any

from yaml._yaml import CEmitter
from yaml.events import (
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from homeport.pipeline.document.ruby import float_text
from homeport.pipeline.document.scalars import ScalarError, read_scalar
from homeport.pipeline.model.document import Map, Reference, Symbol

_INNER_NEWLINE = re.compile(r"\n(?!\n?\Z)")
_LEADING_SIGN = re.compile(r"^\W[^\"]*$", re.MULTILINE)
_NOT_OCTAL = re.compile(r"0[0-7]*[89]")
_LINE_WIDTH = 80


def dump(config: Map) -> str:
    """A merged configuration as YAML text, the same for the same values.

    It is libyaml's emitter with Psych's choice of styles, keys in the order of the mapping, and no
    aliases. `load` reads the same values from it; keys that are no text are the exception, since
    GitLab turns them into text.
    """
    stream = BytesIO()
    emitter = CEmitter(stream, allow_unicode=True, width=_LINE_WIDTH, encoding="utf-8")
    emit = emitter.emit
    emit(StreamStartEvent(encoding="utf-8"))
    emit(DocumentStartEvent(explicit=True))
    _emit_value(emit, config)
    emit(DocumentEndEvent(explicit=False))
    emit(StreamEndEvent())
    emitter.dispose()
    return stream.getvalue().decode()


def _emit_value(emit: Any, value: Any) -> None:
    if isinstance(value, dict):
        emit(MappingStartEvent(None, None, True, flow_style=False))
        for key, item in value.items():
            _emit_value(emit, _key(key))
            _emit_value(emit, item)
        emit(MappingEndEvent())
    elif isinstance(value, list):
        _emit_items(emit, value)
    elif isinstance(value, Reference):
        _emit_reference(emit, value)
    elif isinstance(value, str) and not isinstance(value, Symbol):
        emit(_text_event(value))
    else:
        emit(ScalarEvent(None, None, (True, False), _scalar_text(value)))


def _emit_items(emit: Any, values: list[Any], tag: str | None = None) -> None:
    emit(SequenceStartEvent(None, tag, tag is None, flow_style=False))
    for item in values:
        _emit_value(emit, item)
    emit(SequenceEndEvent())


def _emit_reference(emit: Any, reference: Reference) -> None:
    if isinstance(reference.path, list):
        _emit_items(emit, reference.path, "!reference")
    else:
        emit(ScalarEvent(None, "!reference", (False, False), str(reference.path)))


def _key(key: Any) -> Any:
    """GitLab's `deep_stringify_keys`."""
    return key if isinstance(key, str) else _scalar_text(key)


def _scalar_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return {"NaN": ".nan", "Infinity": ".inf", "-Infinity": "-.inf"}.get(
            float_text(value), float_text(value)
        )
    return f":{value}" if isinstance(value, Symbol) else str(value)


def _text_event(text: str) -> ScalarEvent:
    if _INNER_NEWLINE.search(text):
        return ScalarEvent(None, None, (True, True), text, style="|")
    if text == "<<":
        return ScalarEvent(None, "tag:yaml.org,2002:str", (False, False), text, style="'")
    if text in ("y", "n") or _LEADING_SIGN.search(text):
        return ScalarEvent(None, None, (True, True), text, style='"')
    style = "'" if _reads_otherwise(text) or _NOT_OCTAL.match(text) else ""
    return ScalarEvent(None, None, (True, True), text, style=style)


def _reads_otherwise(text: str) -> bool:
    """Whether Psych would not read the text, unquoted, as text."""
    try:
        value = read_scalar(text)
    except ScalarError:
        return True
    return not isinstance(value, str) or isinstance(value, Symbol)
