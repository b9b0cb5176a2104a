"""`$[[ … ]]` blocks → values (GitLab `Config::Interpolation`)."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from homeport.errors import Span
from homeport.pipeline.document.functions import Scope, apply_functions
from homeport.pipeline.document.inputs import InputsError, resolve_inputs
from homeport.pipeline.document.ruby import float_text, inspect_value
from homeport.pipeline.model.document import Document, Map, Seq, span_of_value

_BLOCK = r"\$\[\[\s*(\S.*?\S)\s*\]\]"
_SEGMENT = r"([^\[\]]+)((?:\[[0-9]{1,9}\])*)"
_INPUTS_WITHOUT_HEADER = (
    "Given inputs not defined in the `spec` section of the included configuration file"
)
_LATER = "matrix"
_MAX_BLOCKS = 10_000
_MAX_FUNCTIONS = 3
_MAX_ACCESS_BYTES = 1024
_MAX_INDICES = 5
_MAX_NODE_BYTES = 1024 * 1024


def interpolate(
    document: Document,
    given: Any = None,
    variables: Mapping[str, str] | None = None,
    masked: Collection[str] = (),
    component: Mapping[str, Any] | None = None,
) -> Map:
    """A document's content with its blocks replaced by the values of its inputs.

    `given` is the mapping under `inputs` of whoever includes the file; `variables` and the names
    in `masked` are for `expand_vars`; `component` describes the component that the file is. A
    document without a header is returned as it is. Raises `InputsError`.
    """
    if document.header is None:
        if given:
            raise InputsError([_INPUTS_WITHOUT_HEADER])
        return document.content
    # Most files have no header, and none of what reads one.
    from homeport.pipeline.document.header import check_header

    spec = check_header(document.header)
    context: dict[str, Any] = {"inputs": resolve_inputs(spec.get("inputs"), given)}
    wanted = spec.get("component")
    if wanted:
        facts = component or {}
        context["component"] = {name: facts[name] for name in wanted if name in facts}
    template = _Template(context, Scope(variables or {}, masked))
    content: Map = template.fill(document.content)
    return content


def evaluate_block(
    text: str, context: Mapping[str, Any], scope: Scope, *, block: str | None = None
) -> Any:
    """The value of what stands inside one block: an access, and functions after `|`.

    A block about the matrix of a job is left as it is written (`block`): its job is not made yet.
    """
    access, *functions = (part.strip() for part in text.split("|"))
    if block is not None and access.split(".", 1)[0] == _LATER:
        return block
    value = _read_access(access, context)
    if len(functions) > _MAX_FUNCTIONS:
        raise InputsError(["too many functions in interpolation block"])
    return apply_functions(functions, value, scope)


def find_blocks(text: str) -> list[tuple[str, str]]:
    """Each whole block in a text, and what stands inside it."""
    if "$[[" not in text:
        return []
    import re2

    return [(match.group(0), match.group(1)) for match in re2.finditer(_BLOCK, text)]


def _read_access(access: str, context: Mapping[str, Any]) -> Any:
    if len(access.encode()) > _MAX_ACCESS_BYTES:
        raise InputsError(["maximum interpolation expression size exceeded"])
    names = access.split(".")
    if len(names) < 2:
        raise InputsError(
            ["invalid pattern used for interpolation. valid pattern is $[[ inputs.input ]]"]
        )
    if access.count("[") > _MAX_INDICES:
        raise InputsError([f"too many array indices in `{access}` (maximum depth: {_MAX_INDICES})"])
    value: Any = context
    for name in names:
        segment = re.fullmatch(_SEGMENT, name)
        key, indices = (segment[1], segment[2]) if segment else (name, "")
        if not isinstance(value, dict) or key not in value:
            raise InputsError([f"unknown interpolation provided: `{key}` in `{access}`"])
        value = value[key]
        for index in map(int, re.findall("[0-9]+", indices)):
            value = _read_index(value, index, access)
    return value


def _read_index(value: Any, index: int, access: str) -> Any:
    if not isinstance(value, list):
        raise InputsError([f"cannot index into non-array value at [{index}] in `{access}`"])
    if index >= len(value):
        raise InputsError([f"array index {index} out of bounds (size: {len(value)}) in `{access}`"])
    return value[index]


class _Template:
    """Fills in blocks; collections without one keep their identity."""

    def __init__(self, context: Mapping[str, Any], scope: Scope) -> None:
        self._context = context
        self._scope = scope
        self._blocks: dict[str, Any] = {}
        self._filled: dict[int, Any] = {}

    def fill(self, node: Any) -> Any:
        if isinstance(node, str):
            return self._fill_text(node) if "$[[" in node else node
        if not isinstance(node, Map | Seq):
            return node
        known = self._filled.get(id(node))
        if known is None:
            known = self._fill_map(node) if isinstance(node, Map) else self._fill_seq(node)
            self._filled[id(node)] = known
        return known

    def _fill_map(self, node: Map) -> Map:
        items = []
        for key, item in node.items():
            try:
                items.append((key, self.fill(key), item, self.fill(item)))
            except InputsError as error:
                raise _placed(error, span_of_value(node, key)) from None
        if all(key is new_key and item is new for key, new_key, item, new in items):
            return node
        filled = Map(None, node.mark)
        for key, new_key, _, new in items:
            name = new_key if not isinstance(new_key, list | dict) else inspect_value(new_key)
            filled[name] = new
            if key in node.marks:
                filled.marks[name] = node.marks[key]
        return filled

    def _fill_seq(self, node: Seq) -> Seq:
        items = []
        for index, item in enumerate(node):
            try:
                items.append(self.fill(item))
            except InputsError as error:
                raise _placed(error, span_of_value(node, index)) from None
        if all(item is new for item, new in zip(node, items, strict=True)):
            return node
        filled = Seq(None, node.mark)
        for index, (item, new) in enumerate(zip(node, items, strict=True)):
            # An array that stands for a whole item is inserted, not nested.
            values = new if isinstance(item, str) and isinstance(new, list) else [new]
            filled.extend(values)
            if index < len(node.marks):
                filled.marks.extend([node.marks[index]] * len(values))
        return filled

    def _fill_text(self, text: str) -> Any:
        if len(text.encode()) > _MAX_NODE_BYTES:
            raise InputsError(["config node too large"])
        blocks = find_blocks(text)
        if not blocks:
            return text
        for block, inside in blocks:
            if block not in self._blocks:
                self._blocks[block] = evaluate_block(
                    inside, self._context, self._scope, block=block
                )
        if len(self._blocks) > _MAX_BLOCKS:
            raise InputsError(["too many interpolation blocks"])
        if len(blocks) == 1 and blocks[0][0] == text:
            return self._blocks[text]
        for block, _ in blocks:
            text = text.replace(block, _text(self._blocks[block]))
            if len(text) > _MAX_NODE_BYTES:
                raise InputsError(["config node too large"])
        return text


def _placed(error: InputsError, span: Span | None) -> InputsError:
    """The error with the place of the innermost value that it is about."""
    if error.places or span is None:
        return error
    return InputsError(error.messages, dict.fromkeys(error.messages, span))


def _text(value: Any) -> str:
    """A value inside a longer text: Ruby's `to_s`."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return float_text(value) if isinstance(value, float) else inspect_value(value)
