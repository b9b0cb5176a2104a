"""Why a job did not start, in words that name the job or stage that is to blame."""

from collections.abc import Sequence

from homeport.pipeline.model.config import When
from homeport.pipeline.model.event import Status
from homeport.pipeline.status.board import Board
from homeport.pipeline.status.job import StatusJob

_WORDS = {
    Status.FAILED: "failed",
    Status.CANCELED: "was canceled",
    Status.SKIPPED: "was skipped",
    Status.MANUAL: "is a manual job that was not started",
}


class Reasons:
    """Remembers the first job that went wrong, so that each answer costs only a job's own needs.

    `note` must be told of every job that failed or was canceled and may not, before `why_skipped`
    is asked about jobs that were skipped in consequence.
    """

    def __init__(self, stages: Sequence[str], jobs: Sequence[StatusJob]) -> None:
        self._position = {name: place for place, name in enumerate(stages)}
        self._jobs = {job.name: job for job in jobs}
        self._culprit: tuple[StatusJob, Status] | None = None

    def note(self, name: str, status: Status) -> None:
        job = self._jobs[name]
        if (
            self._culprit is None
            or self._position[job.stage] < self._position[self._culprit[0].stage]
        ):
            self._culprit = (job, status)

    def why_skipped(self, name: str, board: Board) -> str:
        """The reason for a job with status skipped."""
        job = self._jobs[name]
        if job.when is When.NEVER:
            return "when: never"
        if job.needs is not None:
            return self._why_by_needs(job, job.needs, board)
        if job.when is When.ON_FAILURE:
            return "no job of an earlier stage failed"
        if self._culprit is None:
            return "an earlier stage did not succeed"
        culprit, status = self._culprit
        return f"{culprit.name} (stage {culprit.stage}) {_WORDS[status]}"

    def _why_by_needs(self, job: StatusJob, needs: tuple[str, ...], board: Board) -> str:
        statuses = [(need, board.status(need)) for need in needs if need in self._jobs]
        for wanted in (Status.SKIPPED, Status.MANUAL, Status.FAILED, Status.CANCELED):
            if wanted is Status.FAILED and job.when is When.ON_FAILURE:
                continue
            for need, status in statuses:
                if status is wanted and (status in _NEVER_RAN or not board.may_fail(need)):
                    return f"needs {need}, which {_WORDS[status]}"
        return "no job that it needs failed"


_NEVER_RAN = (Status.SKIPPED, Status.MANUAL)
