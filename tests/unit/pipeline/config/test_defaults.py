"""What jobs inherit, and the default of `only`."""

from typing import Any

import pytest

from homeport.errors import Severity
from homeport.pipeline.config.compose import compose
from homeport.pipeline.model.config import Image, Policy, Retry

BRANCHES_AND_TAGS = Policy(refs=("branches", "tags"))


@pytest.mark.parametrize(
    ("file", "job", "field", "expected"),
    [
        ({"image": "a"}, {}, "image", Image(name="a")),
        ({"default": {"image": "a"}}, {}, "image", Image(name="a")),
        ({"default": {"image": "a"}}, {"image": "b"}, "image", Image(name="b")),
        ({"default": {"image": "a"}}, {"image": None}, "image", Image(name="a")),
        ({"default": {"image": "a"}}, {"inherit": {"default": False}}, "image", None),
        ({"default": {"image": "a"}}, {"inherit": {"default": ["tags"]}}, "image", None),
        (
            {"default": {"image": "a"}},
            {"inherit": {"default": ["image"]}},
            "image",
            Image(name="a"),
        ),
        ({"before_script": "a"}, {}, "before_script", ("a",)),
        ({"before_script": "a"}, {"before_script": []}, "before_script", ()),
        ({"default": {"retry": 1}}, {}, "retry", Retry(max=1)),
        ({"default": {"interruptible": True}}, {}, "interruptible", True),
        ({"default": {"interruptible": True}}, {"interruptible": False}, "interruptible", False),
        ({"default": {"tags": ["a"]}}, {"tags": []}, "tags", ()),
        (
            {"default": {"hooks": {"pre_get_sources_script": "a"}}},
            {"inherit": {"default": ["hooks"]}},
            "pre_get_sources_script",
            ("a",),
        ),
        ({}, {}, "only", BRANCHES_AND_TAGS),
        ({}, {"only": None}, "only", BRANCHES_AND_TAGS),
        ({}, {"rules": [{"if": "$A"}]}, "only", None),
        ({}, {"rules": None}, "only", None),
        ({"workflow": {"rules": [{"if": "$A"}]}}, {}, "only", None),
        ({"workflow": {"name": "n"}}, {}, "only", BRANCHES_AND_TAGS),
        ({}, {"except": ["main"]}, "only", BRANCHES_AND_TAGS),
    ],
)
def test_defaults(file: dict[str, Any], job: dict[str, Any], field: str, expected: Any) -> None:
    config = compose({**file, "x": {"script": "echo", **job}})
    assert config.problems == ()
    assert getattr(config.jobs["x"], field) == expected


def test_a_default_timeout_is_not_applied_and_said_so() -> None:
    config = compose({"default": {"timeout": "1h"}, "x": {"script": "echo"}})
    assert config.jobs["x"].timeout is None
    assert [problem.code for problem in config.problems] == ["default-timeout-ignored"]
    assert config.problems[0].severity is Severity.NOTE


def test_a_trigger_job_inherits_what_it_may_hold() -> None:
    file = {"default": {"interruptible": True, "image": "a"}, "x": {"trigger": "g/p"}}
    job = compose(file).jobs["x"]
    assert job.interruptible is True
    assert job.image is None


def test_default_and_workflow_may_name_jobs() -> None:
    config = compose({"default": {"script": "a"}, "workflow": {"trigger": "g/p"}})
    assert config.problems == ()
    assert list(config.jobs) == ["default", "workflow"]
