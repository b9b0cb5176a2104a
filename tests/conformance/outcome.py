"""One case put to the code."""

from typing import Any, NamedTuple

from conformance import adapters
from conformance.comparison import agrees
from conformance.vectors import Case


class Outcome(NamedTuple):
    passed: bool
    actual: Any


def run_case(case: Case) -> Outcome:
    """Whether the code agrees with a case, and what it said; a crash is an answer too."""
    if case.kind is None:
        return Outcome(passed=False, actual="no adapter is for files of this name")
    try:
        actual = adapters.KINDS[case.kind](case.given, case.expected)
    except Exception as error:  # noqa: BLE001 - whatever it is, the case has failed
        return Outcome(passed=False, actual=f"{type(error).__name__}: {error}")
    return Outcome(passed=agrees(case.expected, actual), actual=actual)
