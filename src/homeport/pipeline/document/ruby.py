"""Ruby's own spelling of values, where GitLab's messages and merged files show it."""

from math import inf, isnan
from typing import Any

from homeport.pipeline.model.document import Reference, Symbol

_ESCAPES = {
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\f": "\\f",
    "\v": "\\v",
    "\b": "\\b",
    "\a": "\\a",
    "\x1b": "\\e",
    '"': '\\"',
    "\\": "\\\\",
}


def inspect_value(value: Any) -> str:
    """`value.inspect`: `["a", 1]`, `{"b"=>nil}`, `:word`."""
    if isinstance(value, dict):
        items = (f"{inspect_value(key)}=>{inspect_value(item)}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inspect_value, value)) + "]"
    return inspect_reference(value) if isinstance(value, Reference) else _inspect_scalar(value)


def _inspect_scalar(value: Any) -> str:
    if isinstance(value, Symbol):
        return f":{value}" if value.isidentifier() else f":{_quote(value)}"
    if isinstance(value, str):
        return _quote(value)
    if value is None or isinstance(value, bool):
        return {None: "nil", True: "true", False: "false"}[value]
    return float_text(value) if isinstance(value, float) else str(value)


def inspect_reference(reference: Reference) -> str:
    """A `!reference` tag as GitLab's messages name it."""
    path = reference.path
    # An empty scalar or mapping is shown as the empty list it is not.
    return "!reference []" if path in ("", None, {}) else f"!reference {inspect_value(path)}"


def float_text(value: float) -> str:
    """`value.to_s` of a float: `1.0e+20`, `0.5`, `NaN`, `Infinity`."""
    if isnan(value):
        return "NaN"
    if value in (inf, -inf):
        return "Infinity" if value > 0 else "-Infinity"
    text = repr(value)
    if abs(value) >= 1e15 and text.endswith(".0"):
        # Ruby turns whole numbers to exponents one power of ten earlier than Python.
        digits = text.lstrip("-").removesuffix(".0").rstrip("0")
        text = f"{'-' if value < 0 else ''}{digits[0]}.{digits[1:] or '0'}e+15"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}{e}{exponent}"


def _quote(text: str) -> str:
    out = []
    for index, char in enumerate(text):
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif char == "#" and text[index + 1 : index + 2] in ("{", "$", "@"):
            out.append("\\#")
        elif char.isprintable():
            out.append(char)
        else:
            out.append(f"\\x{ord(char):02X}" if char < "\x80" else f"\\u{ord(char):04X}")
    return '"' + "".join(out) + '"'
