"""The cases of GitLab's state machine (tests/vectors/*status.jsonl), those that end, for real:
each job succeeds or fails as the case says, and the run ends as GitLab's pipeline does."""

import json
from pathlib import Path
from typing import Any

import pytest

from testbed.runs import Repository

VECTORS = Path(__file__).parents[1] / "vectors"
ENDS = {"success", "failed", "skipped", "canceled", "manual"}
EVENTS = {"success": "exit 0", "drop": "exit 1"}
BY_ITSELF = {*EVENTS, "run"}


def cases() -> list[Any]:
    """Those whose every job ends, by itself and not by somebody's hand."""
    found = []
    texts = (path.read_text() for path in sorted(VECTORS.glob("*status.jsonl")))
    lines = [line for text in texts for line in text.splitlines()]
    for case in map(json.loads, lines):
        steps, after = case["input"]["transitions"], case["expected"]["after"]
        last = after[-1] if after else case["expected"]["init"]
        if all(step["event"] in BY_ITSELF for step in steps) and {*last["jobs"].values()} <= ENDS:
            found.append(pytest.param(case, last, id=case["case"]))
    return found


@pytest.mark.parametrize(("case", "last"), cases())
def test_a_run_ends_as_on_gitlab(tmp_path: Path, case: Any, last: Any) -> None:
    config = case["input"]["config"]
    for step in case["input"]["transitions"]:
        for job in step.get("jobs", ()):
            config[job]["script"] = EVENTS.get(step["event"], "exit 0")
    for job, status in last["jobs"].items():
        if status == "canceled":
            config[job]["script"] = "sleep 100"
    repository = Repository(tmp_path / "project", json.dumps(config), tmp_path / "home")
    done = repository.run()
    finished = {e["job"]: e["status"] for e in done.events if e["event"] == "job_finished"}
    assert finished == last["jobs"]
    assert done.events[-1]["status"] == last["pipeline"]
    assert done.events[-1]["stages"] == last["stages"]
    assert done.status == (1 if last["pipeline"] == "failed" else 0)


def test_the_cases_are_there() -> None:
    assert len(cases()) >= 22
