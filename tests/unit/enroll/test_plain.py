"""Values travel as JSON, and what comes back is not believed."""

import json
from typing import Any

import pytest

from homeport.enroll.errors import EnrollError
from homeport.enroll.model import (
    Effect,
    Engine,
    EnginePlan,
    EnrollPlan,
    FileChange,
    FileState,
    KeyChange,
    Limit,
    Mirror,
    Mode,
    Ownership,
    Request,
)
from homeport.enroll.plain import from_json, from_plain, to_json, to_plain

STATE = FileState("a\udcffb", 0o640, 1, 2)
PLAN = EnrollPlan(
    Request(Mirror("https://m", "https://m:1", paths={"docker.io": "hub"}), Mode.ONLY, ("a", "b")),
    (
        EnginePlan(
            Engine("docker", "docker:x", "Docker", facts={"flags": ["-H"], "n": None}),
            (
                FileChange(
                    "/etc/x",
                    None,
                    STATE,
                    Ownership.KEYS,
                    "why",
                    "json",
                    (KeyChange(("a", "b"), False, None, True, [1, {"c": 2.5}]),),
                ),
            ),
            Effect.RELOAD,
            limits=(Limit("x", "y"),),
        ),
    ),
)


def test_a_plan_comes_back_as_it_was() -> None:
    assert from_json(EnrollPlan, to_json(PLAN)) == PLAN
    assert "\\udcff" in to_json(PLAN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"request": None}, "EnrollPlan.request is not an object"),
        ({"engines": {}}, "EnrollPlan.engines is not a list"),
        ({"engines": [{"engine": 3}]}, r"EnrollPlan.engines\[0\].engine is not an object"),
        ({"engines": [{}]}, "is not an object with engine"),
    ],
)
def test_the_wrong_shape_is_told_with_its_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(EnrollError, match=message):
        from_plain(EnrollPlan, {**to_plain(PLAN), **change})


def test_wrong_scalars_are_refused() -> None:
    data = to_plain(STATE)
    for name, value in (("mode", True), ("mode", "1"), ("content", 3), ("uid", None)):
        with pytest.raises(EnrollError, match=name):
            from_plain(FileState, {**data, name: value})
    with pytest.raises(EnrollError, match="Mode"):
        from_plain(Request, {"mirror": to_plain(PLAN.request.mirror), "mode": "other"})


def test_no_json_is_refused() -> None:
    for text in ("", "{", "[" * 100_000, json.dumps([1])):
        with pytest.raises(EnrollError):
            from_json(EnrollPlan, text)
