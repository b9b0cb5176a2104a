"""Parallel jobs, by GitLab's own vectors."""

from homeport.pipeline.config.compose import compose
from homeport.pipeline.config.instances import interpolate_needs
from homeport.pipeline.evaluate.matrix import Expansion, instances
from homeport.pipeline.model.config import Job, Need, Parallel


def test_instances_of_a_matrix_know_their_place() -> None:
    made = instances("b", Parallel(matrix=({"OS": ("linux", "darwin"), "ARCH": ("amd64",)},)))
    assert [(one.name, one.index, one.total, dict(one.variables)) for one in made] == [
        ("b: [linux, amd64]", 1, 2, {"OS": "linux", "ARCH": "amd64"}),
        ("b: [darwin, amd64]", 2, 2, {"OS": "darwin", "ARCH": "amd64"}),
    ]


def test_needs_follow_the_matrix_of_their_own_job() -> None:
    need = Need(job="build", matrix=({"OS": ("$[[ matrix.OS ]]",)},))
    job = Job(name="test", stage="test", needs=(need,))
    needs, errors = interpolate_needs(job, {"OS": "linux"})
    assert errors == ()
    assert list(needs) == [Need(job="build", matrix=({"OS": ("linux",)},))]


def test_an_unknown_matrix_name_is_said_once_and_leaves_the_needs_alone() -> None:
    job = Job(name="test", stage="test", needs=(Need(job="build-$[[ matrix.NO ]]"),))
    needs, errors = interpolate_needs(job, {"OS": "linux"})
    assert needs == job.needs
    assert errors == ("'NO' does not exist in matrix configuration",)


def test_needs_that_pick_from_a_matrix_and_use_one_are_told_apart() -> None:
    rows = [{"OS": ["linux", "darwin"]}]
    pick = {"job": "build", "parallel": {"matrix": [{"OS": ["$[[ matrix.OS ]]"]}]}}
    config = compose(
        {
            "stages": ["build", "test"],
            "build": {"stage": "build", "script": "x", "parallel": {"matrix": rows}},
            "test": {"stage": "test", "script": "x", "parallel": {"matrix": rows}, "needs": [pick]},
        }
    )
    assert config.problems == ()
    needs, _ = interpolate_needs(config.jobs["test"], {"OS": "darwin"})
    expansion = Expansion(config.jobs)
    assert [
        one.job for need in needs if isinstance(need, Need) for one in expansion.expand_need(need)
    ] == ["build: [darwin]"]
