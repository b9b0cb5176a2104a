"""`homeport lint --mirror`: which images of a pipeline would not come through the mirror, and why.

In: a configuration and its merged text. Out: warnings and notes, each at the line to change.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from homeport.errors import Problem, Severity, Span
from homeport.oci.dockerfile import base_images
from homeport.pipeline.config.shapes import places
from homeport.pipeline.model.config import Config, Job, Service
from homeport.pipeline.model.document import span_of_value
from homeport.pipeline.plan.own_engine import (
    Tool,
    Used,
    beside_hub,
    builds_in,
    expanded,
    is_kaniko,
    service_tool,
    used_in,
)
from homeport.pipeline.plan.through_mirror import Mirror
from homeport.pipeline.variables.scope import inherited

Read = Callable[[str], str | None]
"""The text of a file of the repository by its path in it, None if there is none."""

_HUB_ALONE = "registry-mirrors of a Docker engine cover Docker Hub alone"
_OTHERS = "containerd, Podman and Docker's containerd image store take it through the mirror"
_SCRIPTS = ("before_script", "script", "after_script")


def lint_for_mirror(
    config: Config, merged: Mapping[Any, Any], mirror: Mirror, read: Read
) -> tuple[Problem, ...]:
    """Each finding once, however many jobs share its line. `merged` is the whole configuration
    with the places of its values."""
    found: dict[tuple[str, Span | None, str], Problem] = {}
    linter = _Linter(config, merged, mirror, read)
    for job in config.jobs.values():
        for problem in linter.job(job):
            shared = "" if problem.span else problem.message
            found.setdefault((problem.code, problem.span, shared), problem)
    return tuple(found.values())


class _Linter:
    def __init__(
        self, config: Config, merged: Mapping[Any, Any], mirror: Mirror, read: Read
    ) -> None:
        self._config = config
        self._merged = merged
        self._mirror = mirror
        self._read = read

    def job(self, job: Job) -> Iterator[Problem]:
        yield from self._images(job)
        for number, service in enumerate(job.services):
            yield from self._service(job, number, service)
        for keyword in _SCRIPTS:
            commands: tuple[str, ...] = getattr(job, keyword)
            for used in used_in(commands):
                span = self._place(job, keyword, used.command)
                yield from self._used(job, used, span)
            for build in builds_in(commands):
                span = self._place(job, keyword, build.command)
                yield from self._dockerfile(build.dockerfile, span)
        yield from self._kaniko_image(job)

    def _kaniko_image(self, job: Job) -> Iterator[Problem]:
        """A job of kaniko's image whose script does not name the program by its path."""
        commands = (*job.before_script, *job.script)
        named = any(used.tool is Tool.KANIKO for used in used_in(commands))
        if job.image is None or named or any("--registry-m" in text for text in commands):
            return
        if is_kaniko(expanded(job.image.name, self._values(job))):
            used = Used(tool=Tool.KANIKO, command=0, words="kaniko")
            yield from self._used(job, used, job.image.span or job.span)

    def _images(self, job: Job) -> Iterator[Problem]:
        values = self._values(job)
        if job.image is not None:
            for image, registry in self._beside([expanded(job.image.name, values)]):
                yield self._not_hub(f"image {image}", registry, job.image.span or job.span)
        for number, service in enumerate(job.services):
            for image, registry in self._beside([expanded(service.name, values)]):
                span = self._place(job, "services", number)
                yield self._not_hub(f"service {image}", registry, span)

    def _beside(self, images: Iterable[str]) -> Iterator[tuple[str, str]]:
        return (found for found in beside_hub(images) if found[1] != self._mirror.host)

    def _not_hub(self, what: str, registry: str, span: Span | None) -> Problem:
        there = f"{self._mirror.host}/{registry}"
        return Problem(
            code="mirror-not-hub",
            severity=Severity.NOTE,
            message=f"{what} is of {registry}: {_HUB_ALONE}",
            span=span,
            hint=f"{_OTHERS}; else name it {there}/…, or run it with homeport run "
            f"--registry-prefix {registry}={there}",
        )

    def _service(self, job: Job, number: int, service: Service) -> Iterator[Problem]:
        words = (*(service.entrypoint or ()), *(service.command or ()))
        name = expanded(service.name, self._values(job))
        tool = service_tool(name)
        if tool is Tool.DIND and not any(self._mirror.host in word for word in words):
            yield self._own(
                "mirror-dind",
                f"service {name} is a Docker engine of its own, which knows of no mirror",
                self._place(job, "services", number),
                f'add command: ["--registry-mirror={self._mirror.url}"]'
                + self._authority(f"/etc/docker/certs.d/{self._mirror.host}/ca.crt"),
            )
        elif tool is Tool.BUILDKIT:
            yield self._own(
                "mirror-buildkit",
                f"service {name} is a builder of its own, which knows of no mirror",
                self._place(job, "services", number),
                f"{self._buildkitd()} in its /etc/buildkit/buildkitd.toml",
            )

    def _used(self, job: Job, used: Used, span: Span | None) -> Iterator[Problem]:
        match used.tool:
            case Tool.BUILDX:
                yield self._own(
                    "mirror-buildx",
                    "docker buildx create makes a builder that does not read daemon.json",
                    span,
                    f"add --buildkitd-config FILE, with {self._buildkitd()}",
                )
            case Tool.KANIKO if "KANIKO_REGISTRY_MIRROR" not in self._values(job):
                yield self._own(
                    "mirror-kaniko",
                    "kaniko pulls images by itself, and is given no mirror",
                    span,
                    f"add --registry-mirror={self._mirror.host} (Docker Hub), --registry-map for "
                    "other registries, and --skip-default-registry-fallback to ask nobody else"
                    + self._authority("/kaniko/ssl/certs"),
                )
            case Tool.CONTAINERS:
                yield self._own(
                    "mirror-containers",
                    f"{used.words} reads the registries.conf of the job's image, not the machine's",
                    span,
                    "put a drop-in with the mirror into /etc/containers/registries.conf.d of the "
                    "image: homeport enroll plan shows one",
                )

    def _dockerfile(self, path: str, span: Span | None) -> Iterator[Problem]:
        text = self._read(path)
        for base in base_images(text) if text is not None else ():
            for image, registry in self._beside([base.image]):
                yield Problem(
                    code="mirror-dockerfile",
                    severity=Severity.NOTE,
                    message=f"the build takes {image}: {_HUB_ALONE}",
                    span=Span(path, base.line, 1),
                    hint=f"{_OTHERS}; else name it {self._mirror.host}/{registry}/… there",
                    included_from=(span,) if span else (),
                )

    def _own(self, code: str, message: str, span: Span | None, hint: str) -> Problem:
        return Problem(
            code=code,
            severity=Severity.WARNING,
            message=message,
            span=span,
            hint=f"{hint}; homeport run --mirror {self._mirror.url} does it for a run here",
        )

    def _authority(self, path: str) -> str:
        return "" if self._mirror.plain else f"; an authority of its own goes into {path}"

    def _buildkitd(self) -> str:
        return f'[registry."docker.io"] mirrors = ["{self._mirror.host}"]'

    def _values(self, job: Job) -> dict[str, str]:
        """The variables that the file gives a job."""
        return {
            key: variable.value
            for key, variable in {
                **inherited(self._config.variables, job.inherit_variables),
                **job.variables,
            }.items()
        }

    def _place(self, job: Job, keyword: str, number: int) -> Span | None:
        """Where the item of a list was written: in the job, in `default:`, or at the top."""
        default = self._merged.get("default")
        for owner in (job.raw, default, self._merged):
            value = owner.get(keyword) if isinstance(owner, dict) else None
            if isinstance(value, list):
                items = [each for each in places(value) if each[0][each[1]] is not None]
                return span_of_value(*items[number]) if number < len(items) else job.span
            if value is not None:
                return span_of_value(owner, keyword)
        return job.span
