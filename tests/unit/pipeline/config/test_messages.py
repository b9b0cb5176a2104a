"""Every message of the validation, from a table of faults and of what is none."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from homeport.errors import Severity
from homeport.pipeline.config.compose import compose

CASES = yaml.safe_load(Path(__file__).with_name("messages.yml").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_errors(case: dict[str, Any]) -> None:
    content = case["file"] if "file" in case else {"x": {"script": "echo", **case["job"]}}
    problems = compose(content).problems
    found = [problem.message for problem in problems if problem.severity is Severity.ERROR]
    assert found == case["errors"]


def test_every_message_has_a_code() -> None:
    for case in CASES:
        content = case["file"] if "file" in case else {"x": {"script": "echo", **case["job"]}}
        for problem in compose(content).problems:
            assert problem.code.replace("-", "").isalpha()
            assert problem.code != "invalid"
