"""What people type, as values."""

from typing import Any

import pytest

from homeport.cli.prompt import chosen_names
from homeport.cli.web_form import parse_inputs, typed
from homeport.errors import UsageError

MANUAL = ("deploy", "deploy: [a, b]", "roll back", "2")


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ("deploy", ("deploy",)),
        (" deploy: [a, b] ", ("deploy: [a, b]",)),
        ("roll back", ("roll back",)),
        ("roll back, deploy", ("roll back", "deploy")),
        ("1 3", ("deploy", "roll back")),
        ("2", ("2",)),  # a name goes before a number
        ("all", MANUAL),
        ("deploy deploy", ("deploy",)),
        ("deploy nothing", None),
        (",", None),
    ],
)
def test_which_manual_jobs_an_answer_means(answer: str, names: tuple[str, ...] | None) -> None:
    assert chosen_names(answer, MANUAL) == names


@pytest.mark.parametrize(
    ("spec", "text", "value"),
    [
        (None, "1", "1"),
        ({}, "true", "true"),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, "yes", "yes"),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "number"}, "7", 7),
        ({"type": "number"}, "x", "x"),
        ({"type": "array"}, '["a", 1]', ["a", 1]),
        ({"type": "array"}, "a", "a"),
        ({"type": "nonsense"}, "a", "a"),
        ({"type": []}, "a", "a"),
        ("broken", "a", "a"),
    ],
)
def test_the_text_of_an_input_has_the_type_that_is_specified(
    spec: Any, text: str, value: object
) -> None:
    found = typed(spec, text)
    assert (found, type(found)) == (value, type(value))


def test_an_input_is_a_name_and_a_value() -> None:
    assert parse_inputs(["a=b=c", "n="], {}) == {"a": "b=c", "n": ""}
    for pair in ("a", "=b"):
        with pytest.raises(UsageError, match="not of the form NAME=VALUE"):
            parse_inputs([pair], {})
