"""Which jobs a change of files concerns."""

from homeport.pipeline.model.config import (
    Artifacts,
    Changes,
    Exists,
    Job,
    Need,
    Policy,
    Rule,
    Variable,
)
from homeport.pipeline.model.pipeline import Decision, Pipeline, PipelineJob, Verdict
from homeport.pipeline.model.trigger import Trigger
from homeport.pipeline.plan.concerned import concerned_jobs

IN = Decision(verdict=Verdict.IN, reason="")


def job(
    name: str,
    *rules: Rule,
    needs: tuple[str, ...] | None = None,
    takes: tuple[str, ...] = (),
    variables: dict[str, Variable] | None = None,
    **keywords: object,
) -> PipelineJob:
    config = Job(name=name, stage="test", rules=rules or None, **keywords)  # type: ignore[arg-type]
    return PipelineJob(
        name=name,
        group=name,
        job=config,
        stage="test",
        decision=IN,
        needs=None if needs is None else tuple(Need(job=need) for need in needs),
        dependencies=takes,
        variables=variables or {},
    )


def changes(*paths: str) -> Rule:
    return Rule(changes=Changes(paths=paths))


def concerned(*jobs: PipelineJob, paths: tuple[str, ...], bad: tuple[str, ...] = ()) -> set[str]:
    pipeline = Pipeline(workflow=IN, stages=("test",), jobs=jobs)
    good = {job.name for job in jobs} - set(bad)
    return set(concerned_jobs(jobs, pipeline, Trigger(root="/r"), paths, good))


def test_conditions_on_paths_are_matched_with_what_changed() -> None:
    jobs = (
        job("src", Rule(if_="$X"), changes("src/*")),
        job("docs", changes("docs/**/*")),
        job("exists", Rule(exists=Exists(paths=("**/*.rb",)))),
        job("only", only=Policy(changes=("lib/*",))),
        job("except", except_=Policy(changes=("lib/*",))),
        job("always"),
    )
    assert concerned(*jobs, paths=("src/a",)) == {"src", "always"}
    assert concerned(*jobs, paths=("docs/a/b", "lib/a")) == {"docs", "only", "except", "always"}
    assert concerned(*jobs, paths=("x/a.rb",)) == {"exists", "always"}
    assert concerned(*jobs, paths=()) == set()


def test_variables_in_patterns_are_those_of_the_job() -> None:
    one = job("one", changes("$DIR/*"), variables={"DIR": Variable(value="src")})
    other = job("other", changes("$DIR/*"))
    assert concerned(one, other, paths=("src/a",)) == {"one"}


def test_what_needs_a_concerned_job_or_takes_its_artifacts_runs_too() -> None:
    never = changes("nothing")
    jobs = (
        job("build", changes("src/*"), artifacts=Artifacts(paths=("made",))),
        job("needs", never, needs=("build",)),
        job("far", never, needs=("needs",)),
        job("takes", never, takes=("build",)),
        job("apart", never, takes=("needs",)),
    )
    assert concerned(*jobs, paths=("src/a",)) == {"build", "needs", "far", "takes"}


def test_what_has_not_succeeded_runs_again_whatever_changes() -> None:
    jobs = (job("bad", changes("src/*")), job("good", changes("src/*")))
    assert concerned(*jobs, paths=("docs/a",), bad=("bad",)) == {"bad"}
