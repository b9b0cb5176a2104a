"""YAML tags as Psych reads them with the classes that GitLab permits."""

from binascii import a2b_base64
from typing import Any

from homeport.errors import UsageError
from homeport.pipeline.document.scalars import ScalarError, read_float, read_scalar
from homeport.pipeline.model.document import Map, Mark, Reference, Seq, Symbol, span_of

REFERENCE = "!reference"
_CORE = "tag:yaml.org,2002:"
_TEXT = ("!str", "!ruby/string", _CORE + "str")
_CLASSES = {
    "!set": "Psych::Set",
    "!ruby/array": "Array",
    "!ruby/hash": "Hash",
    "!ruby/class": "Class",
    "!ruby/module": "Module",
    "!ruby/encoding": "Encoding",
    "!ruby/exception": "Exception",
    "!ruby/object": "Object",
    "!ruby/range": "Range",
    "!ruby/regexp": "Regexp",
    "!ruby/struct": "Struct",
}
_NAMED = ("!ruby/", "!str:", "!seq:", "!map:")


def read_tagged_scalar(tag: str, text: str, mark: Mark) -> Any:
    """The value of a scalar with an explicit tag; an unknown tag is as good as none."""
    if tag == REFERENCE:
        return Reference(text, mark)
    if tag in _TEXT:
        return text
    if tag in ("!ruby/sym", "!ruby/symbol"):
        return Symbol(text)
    _refuse_class(tag, mark)
    try:
        if tag in ("!binary", _CORE + "binary"):
            return _decode(text)
        return read_float(text) if tag in ("!float", _CORE + "float") else read_scalar(text)
    except ScalarError as error:
        raise UsageError.of(str(error), code="yaml-scalar", span=span_of(mark)) from None


def tag_collection(tag: str, value: Map | Seq) -> Any:
    """The value of a mapping or sequence with an explicit tag."""
    mark = value.mark
    assert mark is not None  # noqa: S101 - every built collection has one
    if tag == REFERENCE:
        return Reference(value, mark)
    _refuse_class(tag, mark)
    if tag in ("!omap", _CORE + "omap"):
        if isinstance(value, Map):
            raise _refused("Psych::Omap", mark)
        return _ordered(value)
    return value


def _ordered(pairs: Seq) -> Map:
    result = Map(None, pairs.mark)
    for pair in pairs:
        if isinstance(pair, Map):
            result.update(pair)
            result.marks.update(pair.marks)
    return result


def _decode(text: str) -> str:
    try:
        return a2b_base64(text.encode()).decode("utf-8", "replace")
    except ValueError:
        return ""


def _refuse_class(tag: str, mark: Mark) -> None:
    """Raise for a tag that asks for a Ruby class."""
    tag = tag.replace(_CORE, "!")
    head, _, name = tag.partition(":")
    if head in _CLASSES:
        raise _refused(name or _CLASSES[head], mark)
    if name and tag.startswith(_NAMED):
        raise _refused(name, mark)


def _refused(name: str, mark: Mark) -> UsageError:
    return UsageError.of(
        f"Tried to load unspecified class: {name}", code="yaml-class", span=span_of(mark)
    )
