"""The jobs of a pipeline by what set it off: `only` words, and the trap of merge requests."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from homeport.pipeline.config.compose import compose
from homeport.pipeline.evaluate.evaluate import evaluate
from homeport.pipeline.facts.wanted import KINDS
from homeport.pipeline.model.trigger import Commit, MergeRequest, Project, Trigger, Unresolved

TABLE: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "sources.yml").read_text())
COMMIT = Commit(
    sha="a" * 40, title="t", message="t", description="", timestamp="2026-01-01", author="A <a>"
)


class NoFacts:
    def changed_files(self, _compare_to: str | None) -> Unresolved:
        return Unresolved("not asked")

    def files(self, _project: str | None, _ref: str | None) -> Unresolved:
        return Unresolved("not asked")


def jobs(content: dict[str, Any], kind: str) -> set[str]:
    config = compose(content)
    assert [problem for problem in config.problems if problem.severity == "error"] == []
    request = MergeRequest(target_branch="master", title="t")
    trigger = Trigger(
        root="/r",
        source=KINDS[kind],
        branch=None if kind == "tag" else "main",
        tag="v1" if kind == "tag" else None,
        commit=COMMIT,
        project=Project(host="gitlab.com", path="g/p"),
        merge_request=request if kind == "merge-request" else None,
        schedule_description="nightly" if kind == "schedule" else "",
    )
    return {job.name for job in evaluate(config, trigger, NoFacts()).jobs}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("word", TABLE["only"])
def test_the_words_of_only(word: str, kind: str) -> None:
    content = {"job": {"script": "x", "only": [word]}, "not": {"script": "x", "except": [word]}}
    content["always"] = {"script": "x", "rules": [{"when": "always"}]}  # type: ignore[dict-item]
    matches = kind in TABLE["only"][word].split()
    found = jobs(content, kind)
    assert ("job" in found) is matches
    # `except` alone keeps the default `only: [branches, tags]`.
    assert ("not" in found) is (not matches and kind != "merge-request")


@pytest.mark.parametrize(
    ("case", "kind"),
    [(case, kind) for case in TABLE["trap"] for kind in case["in"]],
    ids=lambda value: value["name"] if isinstance(value, dict) else value,
)
def test_the_trap(case: dict[str, Any], kind: str) -> None:
    assert jobs(case["config"], kind) == set(case["in"][kind].split())


def test_the_trap_is_said() -> None:
    config = compose({"plain": {"script": "x"}, "mr": {"script": "x", "only": ["merge_requests"]}})
    request = MergeRequest(target_branch="main", title="t")
    trigger = Trigger(
        root="/r",
        source=KINDS["merge-request"],
        branch="topic",
        commit=COMMIT,
        merge_request=request,
    )
    [plain] = evaluate(config, trigger, NoFacts()).excluded
    assert plain.decision.reason == (
        "it has no rules, and so is in pipelines of branches and tags alone"
    )
