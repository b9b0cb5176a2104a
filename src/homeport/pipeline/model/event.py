"""What happens during a run: the only output of `execute/`, the only input of `report/`.

Times are seconds since the run began (monotonic); `at` is wall-clock time, ISO 8601 in UTC.
"""

from enum import StrEnum

from msgspec import Struct


class Status(StrEnum):
    """GitLab's statuses of a job, a stage or a pipeline."""

    CREATED = "created"
    WAITING_FOR_RESOURCE = "waiting_for_resource"
    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"
    SKIPPED = "skipped"
    MANUAL = "manual"
    SCHEDULED = "scheduled"


class FailureReason(StrEnum):
    """`retry:when` names, as GitLab documents them."""

    SCRIPT_FAILURE = "script_failure"
    RUNNER_SYSTEM_FAILURE = "runner_system_failure"
    STUCK_OR_TIMEOUT_FAILURE = "stuck_or_timeout_failure"
    JOB_EXECUTION_TIMEOUT = "job_execution_timeout"
    API_FAILURE = "api_failure"
    UNKNOWN_FAILURE = "unknown_failure"


class Event(Struct, frozen=True, kw_only=True, tag_field="event"):
    """`pipeline` is the trigger job whose child pipeline it happened in; None is the main one.
    Jobs of a child pipeline are named after it: `trigger job:job`."""

    time: float = 0.0
    pipeline: str | None = None


class RunStarted(Event, frozen=True, kw_only=True, tag="run_started"):
    run: str
    at: str
    jobs: tuple[str, ...]
    ref: str
    sha: str


class JobStarted(Event, frozen=True, kw_only=True, tag="job_started"):
    """`runs` is where; `image` the one the job names, also when it runs elsewhere."""

    job: str
    stage: str
    runs: str
    image: str | None = None
    attempt: int = 1


class JobOutput(Event, frozen=True, kw_only=True, tag="job_output"):
    """Consecutive lines of a job's log, already masked, without their line ends.

    A batch: output is the hot path, and one event a line would cost more than the line."""

    job: str
    lines: tuple[str, ...]


class JobNote(Event, frozen=True, kw_only=True, tag="job_note"):
    """Something homeport itself says about a job: a warning, a pulled image, an artifact."""

    job: str
    message: str
    warning: bool = False


class JobRetried(Event, frozen=True, kw_only=True, tag="job_retried"):
    job: str
    attempt: int
    reason: str


class JobFinished(Event, frozen=True, kw_only=True, tag="job_finished"):
    """`status` is final. `allowed` marks a failure that does not count; `reason` is for people."""

    job: str
    stage: str
    status: Status
    allowed: bool = False
    exit_code: int | None = None
    failure_reason: FailureReason | None = None
    reason: str | None = None
    duration: float | None = None
    coverage: str | None = None
    log: str | None = None


class ReleaseLink(Struct, frozen=True, kw_only=True):
    """A link of a release's assets; what is not given is empty."""

    name: str
    url: str
    filepath: str = ""
    link_type: str = ""


class ReleaseRecorded(Event, frozen=True, kw_only=True, tag="release_recorded"):
    """A job has come to its release, with every variable expanded; nothing is published. `ref` is
    what the tag would be made of."""

    job: str
    tag_name: str
    tag_message: str = ""
    name: str
    description: str
    ref: str
    milestones: tuple[str, ...] = ()
    released_at: str = ""
    links: tuple[ReleaseLink, ...] = ()


class DeploymentRecorded(Event, frozen=True, kw_only=True, tag="deployment_recorded"):
    """A job has deployed to an environment (`action` is `start`), or has stopped it (`stop`).
    `on_stop` is the job that would stop it."""

    job: str
    environment: str
    action: str
    tier: str
    url: str | None = None
    on_stop: str | None = None


class PagesKept(Event, frozen=True, kw_only=True, tag="pages_kept"):
    """A job has made a site, which lies in the folder `path` of its artifacts."""

    job: str
    path: str


class ChildStarted(Event, frozen=True, kw_only=True, tag="child_started"):
    """A trigger job has made a pipeline with these jobs; `id` is its `CI_PIPELINE_ID`."""

    job: str
    id: int
    jobs: tuple[str, ...]


class ChildFinished(Event, frozen=True, kw_only=True, tag="child_finished"):
    """The pipeline that `job` has made is over. `awaited` is whether the job took its status over
    (`trigger:strategy`); `blocked` and `failed` are as in `RunFinished`."""

    job: str
    id: int
    status: Status
    awaited: bool = False
    warnings: bool = False
    blocked: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    stages: dict[str, Status] = {}


class RunFinished(Event, frozen=True, kw_only=True, tag="run_finished"):
    """`blocked` are the manual jobs that a pipeline with status `manual` waits for (`running`: in
    a child pipeline); `failed` the jobs that failed and were not allowed to, which that status does
    not tell; `failed_children` the trigger jobs whose pipelines failed without their knowing."""

    run: str
    status: Status
    at: str
    warnings: bool = False
    blocked: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    failed_children: tuple[str, ...] = ()
    stages: dict[str, Status] = {}
