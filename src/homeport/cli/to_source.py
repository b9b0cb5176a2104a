"""`--artifacts-to-source`: what the jobs of a run left, into the working tree, and said."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from homeport.errors import Problem, Severity

if TYPE_CHECKING:
    from homeport.pipeline.execute.to_source import Copied
    from homeport.pipeline.flow import Evaluation


def copy_artifacts(evaluation: "Evaluation", run: str, jobs: Iterable[str]) -> "Iterator[Copied]":
    """Copy the artifacts of the jobs of a run, in their order."""
    from homeport.pipeline.execute.state import State
    from homeport.pipeline.execute.to_source import artifacts_to_source

    request = evaluation.request
    state = State.open(request.root, request.env, kept_runs=0, kept_bytes=0)
    return artifacts_to_source(state.folder / "runs" / run / "artifacts", jobs, request.root)


def tell_artifacts(evaluation: "Evaluation", run: str, jobs: Iterable[str]) -> None:
    """Copy them, and say of each job what became of them."""
    from homeport.cli.output import print_problems

    for copied in copy_artifacts(evaluation, run, jobs):
        files = "1 artifact" if copied.count == 1 else f"{copied.count} artifacts"
        note = f"{files} of {copied.job} copied to the working tree"
        print_problems(
            (
                Problem(code="to-source", severity=Severity.NOTE, message=note),
                *(
                    Problem(code="to-source", severity=Severity.WARNING, message=warning)
                    for warning in copied.warnings
                ),
            )
        )
