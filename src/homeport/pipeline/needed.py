"""Where jobs get the artifacts of other pipelines from."""

from collections.abc import Callable
from functools import partial

from homeport.errors import MissingError
from homeport.pipeline.execute.handover import Given
from homeport.pipeline.execute.state import Run
from homeport.pipeline.flow import Evaluation
from homeport.pipeline.model.config import CrossNeed
from homeport.pipeline.model.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.gitlab.api import GitLab

Find = Callable[[CrossNeed], Given | None]

_PATIENCE = 300.0
"""Seconds for a download."""


def with_other_projects(above: Find, evaluation: Evaluation, plan: Plan, run: Run) -> Find:
    """Finds the jobs of other projects, too; `above` finds those of the pipelines above."""
    if not any(need.project for job in plan.jobs for need in job.upstream):
        return above
    from homeport.pipeline.execute.other_projects import OtherProjects

    request = evaluation.request
    others = OtherProjects(
        run,
        mapped=request.settings.needs_artifacts,
        checkouts=request.settings.projects,
        env=request.env,
        server=partial(_server, evaluation),
    )
    return lambda need: others.find(need) if need.project else above(need)


def _server(evaluation: Evaluation) -> "GitLab":
    """The server of the repository's own remote. Raises `MissingError` if it may not be asked."""
    from homeport.gitlab.api import GitLab, api_address
    from homeport.gitlab.fetch import Fetcher

    request, own = evaluation.request, evaluation.trigger.project
    settings = request.settings
    if request.offline:
        raise MissingError.of("--offline forbids to ask the server", code="offline")
    if own is None:
        raise MissingError.of("no remote names a GitLab server to ask", code="no-remote")
    fetcher = Fetcher(
        hosts=settings.hosts,
        ca=settings.ca,
        env=request.env,
        connect_timeout=settings.connect_timeout,
    )
    base = api_address(own.host, settings.hosts, scheme=own.protocol)
    return GitLab(base, fetcher, timeout=_PATIENCE)
