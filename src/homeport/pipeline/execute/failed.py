"""The results of jobs that failed other than by their scripts."""

from msgspec import structs

from homeport.lib.redact import Redactor
from homeport.pipeline.execute.api import ExecutorError, JobResult
from homeport.pipeline.execute.dotenv import DotenvError
from homeport.pipeline.execute.output import Output
from homeport.pipeline.model.event import FailureReason, Status


def broken(error: Exception, redactor: Redactor) -> JobResult:
    """The result of a job whose place failed; the words may quote a value, so they are redacted."""
    failure = FailureReason.RUNNER_SYSTEM_FAILURE
    if isinstance(error, ExecutorError):
        failure = error.failure
    text = (
        f"cannot write {error.filename or 'the log'}: {error.strerror}"
        if isinstance(error, OSError)
        else str(error)
    )
    return JobResult(status=Status.FAILED, failure=failure, message=redactor.redact_text(text))


def refused(result: JobResult, error: DotenvError, output: Output) -> JobResult:
    """GitLab refuses the upload of a bad dotenv report, and with it the job fails."""
    message = f"the dotenv report was refused: {error}"
    output.note(f"ERROR: {message}", warning=True)
    if result.status is not Status.SUCCESS:
        return result
    return structs.replace(
        result,
        status=Status.FAILED,
        failure=FailureReason.SCRIPT_FAILURE,
        message=message,
    )
