"""The whole of homeport on a closed network, step by step as the demonstration tells it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[2] / "example" / "closed_network" / "demo.py"

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make network namespaces"),
]


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    report = Path(tmp_path_factory.mktemp("demo"), "report.json")
    done = subprocess.run(
        [sys.executable, str(DEMO), "--json", str(report)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=110,
    )
    assert report.exists(), done.stdout[-4000:]
    return json.loads(report.read_text())  # type: ignore[no-any-return]


def test_every_step_comes_out_as_it_should(steps: list[dict[str, Any]]) -> None:
    wrong = [step for step in steps if not step["right"]]
    assert not wrong, json.dumps(wrong, indent=1)[-6000:]


def test_the_pipeline_is_red_then_green_then_green_without_the_internet(
    steps: list[dict[str, Any]],
) -> None:
    runs = [
        step["status"] for step in steps if step.get("command", [""])[:2] == ["homeport", "run"]
    ]
    assert runs == [1, 0, 0]


def test_no_word_of_a_traceback(steps: list[dict[str, Any]]) -> None:
    said = "".join(step["said"] for step in steps)
    assert "Traceback" not in said
    assert "internal error" not in said
