"""What doctor looks at, and what it finds. Everything here can be written as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from homeport.enroll.engines.api import EngineKind
from homeport.enroll.host import Host
from homeport.enroll.model import Engine, Finding, Request

WRONG = ("error", "warning")
"""Severities of what is wrong; a note is not."""


@dataclass(frozen=True)
class Diagnosis:
    """`subject` is the engine, the mirror or the job that it is about. `finding.code` is one of
    `checks.CHECKS`, or what the engine's own module says."""

    subject: str
    finding: Finding

    @property
    def wrong(self) -> bool:
        return self.finding.severity in WRONG


@dataclass(frozen=True)
class PipelineImage:
    """An image that a job needs, its variables expanded.

    `registry` and `path` are as container engines understand `name` (`docker.io`, and Docker Hub's
    `library/` written out); `reference` is a tag or digest. `service`: it is a service of the job,
    with this `command`. `unknown` names a variable whose value only the server knows.
    """

    name: str
    job: str
    place: str = ""
    registry: str = ""
    path: str = ""
    reference: str = "latest"
    service: bool = False
    command: tuple[str, ...] = ()
    unknown: str = ""


@dataclass(frozen=True)
class Patient:
    """An engine, and the mirrors that it would use by registry. `failed`: why that is not known."""

    kind: EngineKind
    engine: Engine
    mirrors: Mapping[str, Sequence[str]]
    failed: Optional[Finding] = None


@dataclass(frozen=True)
class Scene:
    """`request` is what was enrolled, or the mirror that was named; None where neither is."""

    host: Host
    patients: tuple[Patient, ...]
    request: Optional[Request] = None
    images: tuple[PipelineImage, ...] = ()

    def of(self, *kinds: str) -> "tuple[Patient, ...]":
        return tuple(one for one in self.patients if one.kind.name in kinds)

    @property
    def cure(self) -> str:
        """The command that has engines use the mirror."""
        url = self.request.mirror.url if self.request is not None else "URL"
        return f"homeport enroll apply --mirror {url}"

    @property
    def hub_url(self) -> str:
        """Docker Hub's mirror: that of the request, else the first that a Docker daemon has."""
        if self.request is not None:
            return self.request.mirror.hub_url or self.request.mirror.url
        for patient in self.of("docker"):
            for url in patient.mirrors.get("docker.io", ()):
                return url.rstrip("/")
        return ""


@dataclass(frozen=True)
class Report:
    """`hub_url` is Docker Hub's mirror; `looked` False: there was nothing to look at."""

    engines: tuple[Engine, ...]
    mirror: str
    hub_url: str
    diagnoses: tuple[Diagnosis, ...]
    looked: bool = True

    def joined(self, more: "Iterable[Diagnosis]") -> "Report":
        """With more of them, the worst first."""
        found = sorted((*self.diagnoses, *more), key=_rank)
        return replace(self, diagnoses=tuple(found))

    @property
    def wrong(self) -> bool:
        return any(one.wrong for one in self.diagnoses)


def _rank(one: Diagnosis) -> int:
    known = (*WRONG, "note")
    severity = one.finding.severity
    return known.index(severity) if severity in known else len(known)
