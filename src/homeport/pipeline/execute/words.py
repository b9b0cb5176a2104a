"""What is told of a job before it runs, and after."""

from homeport.lib.units import format_seconds
from homeport.pipeline.execute.api import JobResult
from homeport.pipeline.model.plan import JobPlan
from homeport.pipeline.variables.expand import ExpansionError, expand, expand_all, has_reference


def shown_image(job: JobPlan) -> str | None:
    """The image as far as it is known before the job runs; what other jobs hand on stays as it is
    written."""
    if job.image is None or not has_reference(job.image.name):
        return None if job.image is None else job.image.name
    layers = {variable.key: variable for variable in (*job.variables, *job.overrides)}
    # A masked value is not looked into, not even by way of another variable.
    open_ones = tuple(variable for variable in layers.values() if not variable.masked)
    try:
        values = expand_all(
            open_ones,
            keep_undefined=True,
            expand_file_refs=False,
            expand_raw_refs=True,
        )
        shown = {variable.key: variable.value for variable in values}
        return expand(job.image.name, shown, keep_undefined=True)
    except ExpansionError:
        return job.image.name  # the job itself will fail of it


def failure_words(result: JobResult) -> str:
    """Why an attempt failed, in words."""
    if result.message:
        return result.message
    if result.exit_code is not None:
        return f"exit status {result.exit_code}"
    return str(result.failure or "unknown failure").replace("_", " ")


def delay_words(seconds: float) -> str:
    """What a delayed job waits for (`start_in`)."""
    return f"it is delayed and starts in {format_seconds(seconds)}; --now starts it at once"
