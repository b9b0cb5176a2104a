"""`spec:include` → the inputs of the files that a header includes (GitLab `External::Header`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from homeport.errors import Span
from homeport.pipeline.document.inputs import InputsError
from homeport.pipeline.include.location import LocationError
from homeport.pipeline.model.document import Document, Map, span_of_key


def check_included_inputs(content: Map, name: str) -> Map:
    """The mapping under `inputs` of a file that a header includes.

    Raises `LocationError` when the file holds anything else.
    """
    unknown = ", ".join(f":{key}" for key in content if key != "inputs")
    if unknown:
        raise LocationError(f"Header include file `{name}` contains unknown keys: [{unknown}]")
    inputs = content.get("inputs")
    return inputs if isinstance(inputs, Map) else Map()


def merge_inputs(document: Document, spec: Map, parts: Sequence[Map]) -> Document:
    """The document with the inputs of `parts` before those that its header specifies itself.

    Raises `InputsError` for a name that is specified twice.
    """
    own = spec.get("inputs")
    inputs = Map(None, spec.mark)
    twice: dict[str, Span | None] = {}
    for part in (*parts, own if isinstance(own, Map) else Map()):
        for key, value in part.items():
            if key in inputs:
                twice.setdefault(str(key), span_of_key(part, key))
            inputs[key] = value
            if key in part.marks:
                inputs.marks[key] = part.marks[key]
    if twice:
        message = (
            f"Duplicate input keys found: {', '.join(twice)}. Input keys must be unique across all "
            "included files and inline specifications."
        )
        place = next(iter(twice.values()))
        raise InputsError([message], {message: place} if place else None)
    header = Map(dict(document.header or {}), spec.mark)
    header["spec"] = Map({**spec, "inputs": inputs}, spec.mark, spec.marks)
    header["spec"].pop("include", None)
    return replace(document, header=header)


def with_offered(
    given: Any,
    document: Document,
    offered: Mapping[str, Mapping[str, Any]],
    component: Mapping[str, Any] | None = None,
) -> Any:
    """The inputs of an include, with what is offered to every file that specifies such an input
    (under `""`), and to the component that the file is. `given` may be what chooses them."""
    spec = document.header.get("spec") if document.header else None
    specified = spec.get("inputs") if isinstance(spec, dict) else None
    if callable(given):
        given = given(specified if isinstance(specified, dict) else {})
    if (
        not offered
        or not isinstance(specified, dict)
        or not (given is None or isinstance(given, dict))
    ):
        return given
    values = dict(given or {})
    for name in ("", str((component or {}).get("name", ""))):
        values.update({key: v for key, v in offered.get(name, {}).items() if key in specified})
    return values
