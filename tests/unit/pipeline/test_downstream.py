"""Ids and names of the pipelines of one run."""

from homeport.pipeline.downstream import MAX_PIPELINES, Numbers, with_prefix
from homeport.pipeline.model.plan import JobPlan, Plan, Runs


def plan(*jobs: JobPlan) -> Plan:
    return Plan(stages=("test",), jobs=jobs, root="/", sha="", ref="main", project_path="g/p")


def job(name: str, **fields: object) -> JobPlan:
    return JobPlan(name=name, stage="test", runs=Runs.SHELL, **fields)  # type: ignore[arg-type]


def test_pipelines_have_ids_after_the_main_one_up_to_gitlabs_limit() -> None:
    numbers = Numbers(plan(job("a")))
    ids = [numbers.next_pipeline() for _ in range(MAX_PIPELINES)]
    assert ids == [*range(2, MAX_PIPELINES + 1), None]


def test_jobs_have_ids_after_those_of_the_main_pipeline() -> None:
    numbers = Numbers(plan(job("a"), job("b")))
    assert [numbers.number_jobs(3), numbers.number_jobs(1), numbers.number_jobs(1)] == [3, 6, 7]


def test_jobs_are_named_after_their_trigger_job() -> None:
    numbers = Numbers(plan(job("a")))
    assert numbers.name_jobs("a", ["x", "y"], 2) == "a:"
    assert numbers.name_jobs("a:x", ["x"], 3) == "a:x:"


def test_no_two_jobs_of_a_run_have_one_name() -> None:
    numbers = Numbers(plan(job("a"), job("a:b")))
    assert numbers.name_jobs("a", ["x", "b"], 2) == "a (pipeline 2):"
    # That a job of a child is named like a grandchild is no problem either.
    assert numbers.name_jobs("c", ["d:e", "d"], 3) == "c:"
    assert numbers.name_jobs("c:d", ["e"], 4) == "c:d (pipeline 4):"


def test_a_plan_keeps_its_order_under_other_names() -> None:
    made = with_prefix(
        plan(job("a"), job("b", needs=("a",), dependencies=("a",)), job("c", needs=())), "t:"
    )
    assert [(each.name, each.needs, each.dependencies) for each in made.jobs] == [
        ("t:a", None, ()),
        ("t:b", ("t:a",), ("t:a",)),
        ("t:c", (), ()),
    ]
