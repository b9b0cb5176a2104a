"""What Ruby makes of plain values where GitLab relies on it: `to_s` and `blank?`."""

from typing import Any

from homeport.pipeline.document.ruby import float_text


def ruby_string(value: Any) -> str:
    """`value.to_s` of a scalar as Ruby prints it (`1.0e+20`, `true`, `` for null)."""
    if isinstance(value, str):
        return str(value)
    if value is None:
        return ""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return float_text(value) if isinstance(value, float) else str(value)


def is_blank(value: Any) -> bool:
    """Rails' `blank?`: null, false, an empty or white string, an empty list or mapping."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value is False or (isinstance(value, list | dict) and not value)
