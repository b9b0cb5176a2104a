"""The scripts of a job in an open session, each within its time, and what they come to."""

from collections.abc import Callable, Sequence
from time import monotonic

from msgspec import structs

from homeport.lib.deadlines import Deadlines
from homeport.lib.units import format_seconds
from homeport.pipeline.execute.api import (
    ExecutorError,
    Exit,
    JobResult,
    Session,
    Sink,
    Snapshot,
    Stop,
)
from homeport.pipeline.execute.environment import Environment, parse_duration
from homeport.pipeline.execute.output import Output
from homeport.pipeline.execute.script import script_text
from homeport.pipeline.model.event import FailureReason, Status
from homeport.pipeline.model.plan import JobPlan

AFTER_SCRIPT_TIMEOUT = 300.0
"""Seconds for after_script, unless RUNNER_AFTER_SCRIPT_TIMEOUT says otherwise."""

_EXPIRED = "timeout"


class ScriptRunner:
    """Runs before_script with script, and then after_script, once.

    `session` is where they run. `out_of_time` tells afterwards whether the job's whole time was
    used up. `on_failure` is called between the two when the first has failed.
    `tree` is what the workspace is made of.
    """

    def __init__(
        self,
        job: JobPlan,
        environment: Environment,
        session: Session,
        output: Output,
        *,
        deadlines: Deadlines,
        colour: bool,
        tree: Snapshot,
    ) -> None:
        self._deadlines = deadlines
        self._job = job
        self._environment = environment
        self.session = session
        self._output = output
        self._colour = colour
        self._tree = tree
        self.out_of_time = False
        self.on_failure: Callable[[], object] = lambda: None

    def before_sources(self, stop: Stop) -> JobResult | None:
        """Run `hooks:pre_get_sources_script`; the result of the job if that was its end."""
        # Not in the project's folder: that is made anew for the sources.
        script = 'cd "$CI_BUILDS_DIR" || exit 1\n'
        script += self._text(self._job.pre_get_sources_script)
        ended, expired = self._within(script, self._job.timeout, stop)
        if expired:
            self.out_of_time = True
            return _expired(self._job.timeout)
        result = _result(ended, stop)
        return None if result.status is Status.SUCCESS else result

    def run(self, stop: Stop) -> JobResult:
        """The result as far as the scripts decide it."""
        result = self._script(stop)
        if result.status is Status.FAILED:
            self.on_failure()
        if self._job.after_script:
            result = self._after_script(result, stop)
        return result

    def _script(self, stop: Stop) -> JobResult:
        job = self._job
        limit = self._limit("RUNNER_SCRIPT_TIMEOUT", job.timeout)
        script = self._text((*job.before_script, *job.script))
        seconds = min(limit, job.timeout)
        if job.run:
            ended, expired = self._steps(seconds, stop)
        else:
            ended, expired = self._within(script, seconds, stop)
        if expired:
            self.out_of_time = limit >= job.timeout
            return _expired(seconds)
        return _result(ended, stop)

    def _steps(self, seconds: float, stop: Stop) -> tuple[Exit, bool]:
        """Run the steps of `run:`, all within this time."""
        from homeport.pipeline.execute.steps import Steps

        until = monotonic() + seconds
        expired = False

        def execute(script: str, sink: Sink) -> Exit:
            nonlocal expired
            left = max(0.0, until - monotonic())
            ended, expired = self._within(script, left, stop, sink=sink)
            return ended

        steps = Steps(
            execute=execute,
            sink=self._output.write,
            say=self._output.note,
            variables=self._environment.env,
            project_dir=self.session.project_dir,
            colour=self._colour,
        )
        ended = steps.run(self._job.run, self._tree)
        return ended, expired

    def _after_script(self, result: JobResult, stop: Stop) -> JobResult:
        """Run it whatever became of the job, also when that was stopped.

        It has time of its own; a stop that comes while it runs does not end it, as on GitLab. An
        urgent one does, and lets it not even begin.
        """
        if stop.killed:
            return result
        self._output.note("Running after_script")
        script = self._text(self._job.after_script, status=result.status)
        limit = self._limit("RUNNER_AFTER_SCRIPT_TIMEOUT", AFTER_SCRIPT_TIMEOUT)
        try:
            ended, expired = self._within(script, limit, stop, urgent=True)
        except ExecutorError as error:
            ended, expired = Exit(code=None, message=str(error)), False
        if ended.code == 0 and not expired:
            return result
        if expired:
            failed = f"execution took longer than {format_seconds(limit)}"
        else:
            failed = ended.message or f"exit code {ended.code}"
        if not self._environment.is_off("AFTER_SCRIPT_IGNORE_ERRORS"):
            self._warn(f"WARNING: after_script failed, but job will continue unaffected: {failed}")
            return result
        self._warn(f"ERROR: after_script failed: {failed}")
        if result.status is not Status.SUCCESS:
            return result
        return structs.replace(
            result,
            status=Status.FAILED,
            exit_code=ended.code,
            failure=FailureReason.JOB_EXECUTION_TIMEOUT
            if expired
            else FailureReason.SCRIPT_FAILURE,
            message=f"after_script failed: {failed}",
        )

    def _within(
        self,
        script: str,
        seconds: float,
        outer: Stop,
        *,
        urgent: bool = False,
        sink: Sink | None = None,
    ) -> tuple[Exit, bool]:
        """Run a script, whether it was ended because its time was over.

        `urgent` lets only an urgent request of `outer` end it.
        """
        own = Stop()

        def heed() -> None:
            if outer.killed:
                own.kill(outer.reason or "killed")
            elif not urgent:
                own.request(outer.reason or "canceled")

        unsubscribe = outer.subscribe(heed)
        cancel = self._deadlines.after(seconds, lambda: own.request(_EXPIRED))
        try:
            ended = self.session.run(script, sink or self._output.write, own)
        finally:
            cancel()
            unsubscribe()
        self._output.end_part()
        return ended, ended.code is None and own.reason == _EXPIRED

    def _text(self, commands: Sequence[str], status: Status | None = None) -> str:
        on = self._environment.is_on
        return script_text(
            commands,
            exports={} if status is None else {"CI_JOB_STATUS": status.value},
            colour=self._colour,
            trace=on("CI_DEBUG_TRACE"),
            subshell=on("FF_USE_NEW_BASH_EVAL_STRATEGY"),
            checked=on("FF_ENABLE_BASH_EXIT_CODE_CHECK"),
        )

    def _limit(self, variable: str, default: float) -> float:
        """A time limit that a variable may set, in seconds."""
        text = self._environment.env.get(variable, "")
        if not text:
            return default
        seconds = parse_duration(text)
        if seconds is None or seconds <= 0:
            self._warn(f"WARNING: {variable} is no duration such as 10m: {text}")
            return default
        return seconds

    def _warn(self, message: str) -> None:
        self._output.note(message, warning=True)


def _expired(seconds: float) -> JobResult:
    return JobResult(
        status=Status.FAILED,
        failure=FailureReason.JOB_EXECUTION_TIMEOUT,
        message=f"execution took longer than {format_seconds(seconds)}",
    )


def _result(ended: Exit, stop: Stop) -> JobResult:
    if stop.reason is not None:
        return JobResult(status=Status.CANCELED, message=stop.reason)
    if ended.code == 0:
        return JobResult(status=Status.SUCCESS, exit_code=0)
    return JobResult(
        status=Status.FAILED,
        exit_code=ended.code,
        failure=ended.failure or FailureReason.SCRIPT_FAILURE,
        message=ended.message,
    )
