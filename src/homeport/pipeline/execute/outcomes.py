"""What a job that succeeded does on a GitLab server: releases, deployments, sites. Here they are
recorded as events, and nothing is published.

GitLab Runner makes a release right after the script, and it fails the job if it cannot; a
deployment is known when the job has ended, with the variables of its own dotenv report; a site is a
folder of the artifacts, and without that folder GitLab's `pages:deploy` fails.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from homeport.pipeline.execute.api import JobResult
from homeport.pipeline.execute.environment import Environment, expand_as_runner
from homeport.pipeline.model.event import (
    DeploymentRecorded,
    Event,
    FailureReason,
    PagesKept,
    ReleaseLink,
    ReleaseRecorded,
    Status,
)
from homeport.pipeline.model.plan import JobPlan

_DEPLOYING = frozenset({"start", "stop"})
"""Actions of an environment that make or end a deployment; the others only look at it."""


class Outcomes(Struct, frozen=True, kw_only=True):
    """Those of one attempt; `hide` masks a text, `tell` takes the events."""

    job: JobPlan
    environment: Environment
    hide: Callable[[str], str]
    tell: Callable[[Event], None]
    time: Callable[[], float]

    def release(self, result: JobResult) -> JobResult:
        """After the scripts: the release, if they succeeded."""
        written = self.job.release
        if written is None or result.status is not Status.SUCCESS:
            return result
        tag = self._text(written, "tag_name")
        if not tag:
            return _failed(
                result,
                FailureReason.SCRIPT_FAILURE,
                f"the release has no tag: tag_name {written['tag_name']} is empty",
            )
        links = (written.get("assets") or {}).get("links") or ()
        self.tell(
            ReleaseRecorded(
                time=self.time(),
                job=self.job.name,
                tag_name=tag,
                tag_message=self._text(written, "tag_message"),
                name=self._text(written, "name") or tag,
                description=self._text(written, "description"),
                ref=self._text(written, "ref") or self.environment.env.get("CI_COMMIT_SHA", ""),
                milestones=tuple(map(self._expand, _listed(written.get("milestones")))),
                released_at=self._text(written, "released_at"),
                links=tuple(
                    ReleaseLink(
                        name=self._text(link, "name"),
                        url=self._text(link, "url"),
                        filepath=self._text(link, "filepath"),
                        link_type=self._text(link, "link_type"),
                    )
                    for link in links
                ),
            )
        )
        return result

    def end(self, result: JobResult, artifacts: Path) -> JobResult:
        """After the artifacts: the site, and the deployment."""
        if result.status is not Status.SUCCESS:
            return result
        if self.job.pages is not None:
            folder = self._site(artifacts, self.environment.expand(self.job.pages))
            if folder is None:
                return _failed(
                    result,
                    FailureReason.UNKNOWN_FAILURE,
                    f"its site cannot be published, as there is no {self.job.pages} with files "
                    "in its artifacts: on GitLab, pages:deploy fails",
                )
            self.tell(PagesKept(time=self.time(), job=self.job.name, path=str(folder)))
        self._deploy(result)
        return result

    def _deploy(self, result: JobResult) -> None:
        found = self.job.environment
        if found is None or found.action not in _DEPLOYING:
            return
        seen = {**self.environment.env, **result.dotenv}
        self.tell(
            DeploymentRecorded(
                time=self.time(),
                job=self.job.name,
                environment=self.hide(found.name),
                action=found.action,
                tier=self.environment.env.get("CI_ENVIRONMENT_TIER", ""),
                url=None if found.url is None else self.hide(expand_as_runner(found.url, seen)),
                on_stop=found.on_stop,
            )
        )

    def _site(self, artifacts: Path, path: str) -> Path | None:
        """The folder, if it has something in it; what leads out of the artifacts is none."""
        folder = (artifacts / path.lstrip("/")).resolve()
        if not folder.is_relative_to(artifacts.resolve()) or not folder.is_dir():
            return None
        files = (entry for entry in folder.rglob("*") if entry.is_file())
        return folder if any(entry.stat().st_size for entry in files) else None

    def _text(self, written: Mapping[str, Any], key: str) -> str:
        value = written.get(key)
        return "" if value is None else self._expand(str(value))

    def _expand(self, text: str) -> str:
        return self.hide(self.environment.expand(text)).strip()


def _listed(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value or ()))


def _failed(result: JobResult, failure: FailureReason, message: str) -> JobResult:
    return structs.replace(
        result, status=Status.FAILED, exit_code=None, failure=failure, message=message
    )
