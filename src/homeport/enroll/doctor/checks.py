"""The table of checks, and the whole of them on one machine.

`codes` are stable: scripts may wait for them. What an engine's own module finds keeps its code.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, Optional

from homeport.enroll.doctor.enrolment import look_at_enrolment
from homeport.enroll.doctor.files import look_at_files
from homeport.enroll.doctor.images import look_at_images
from homeport.enroll.doctor.mirror import look_at_mirror
from homeport.enroll.doctor.model import Diagnosis, Patient, PipelineImage, Report, Scene
from homeport.enroll.doctor.nested import look_at_nested
from homeport.enroll.doctor.reach import look_at_ways
from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import find_kinds
from homeport.enroll.enrolment import asked_for
from homeport.enroll.errors import BrokenFileError, EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import Finding, Request
from homeport.enroll.plan import fault

_FAULTS = ("broken-file", "broken-hosts-file", "flag-conflict", "failed")


class Check(NamedTuple):
    """`failures` are numbers of the list in docs/reference/doctor.md."""

    name: str
    codes: tuple[str, ...]
    failures: tuple[int, ...]
    look: Callable[[Scene], Iterator[Diagnosis]]


CHECKS: "tuple[Check, ...]" = (
    Check(
        "the mirror",
        (
            "mirror-unreachable",
            "mirror-tls",
            "mirror-url",
            "not-a-mirror",
            "mirror-asks-docker",
            "mirror-unavailable",
            "mirror-full",
            "upstream-unreachable",
            "upstream-denied",
            "upstream-rate-limited",
            "stale",
        ),
        (4, 7, 9),
        look_at_mirror,
    ),
    Check(
        "files",
        (
            "broken-file",
            "flag-conflict",
            "unreadable-file",
            "not-taken-up",
            "config-path",
            "config-path-list",
        ),
        (10, 12),
        look_at_files,
    ),
    Check(
        "ways to the mirror",
        (
            "loopback",
            "proxy",
            "not-trusted",
            "out-of-reach",
            "not-a-mirror",
            "asks-for-login",
            "no-login",
        ),
        (4, 6, 7, 11),
        look_at_ways,
    ),
    Check("engines in engines", ("buildx", "dind", "helper-image"), (2, 3), look_at_nested),
    Check("enrolment", ("not-enrolled", "drifted"), (), look_at_enrolment),
    Check(
        "the pipeline's images",
        (
            "image-engine-not-enrolled",
            "image-not-of-hub",
            "image-registry-not-enrolled",
            "image-digest-elsewhere",
            "image-not-at-mirror",
            "image-library",
            "image-stale",
            "image-dind",
            "image-unknown",
        ),
        (1, 3, 5, 8, 9),
        look_at_images,
    ),
)


def examine(
    host: Host,
    request: Optional[Request] = None,
    images: Sequence[PipelineImage] = (),
    *,
    engines: Sequence[str] = (),
    kinds: Optional[Sequence[EngineKind]] = None,
) -> Report:
    """Look at everything; nothing is changed. Raises EnrollError for engines (kinds or ids) that
    there are not. A check that fails is a finding."""
    if kinds is None:
        kinds = find_kinds({name.partition(":")[0] for name in engines})
    patients = []
    for kind in kinds:
        for engine in kind.detect(host):
            if not engines or kind.name in engines or engine.id in engines:
                mirrors, failed = {}, None
                try:
                    mirrors = dict(kind.enrolled(host, engine))
                except EnrollError as error:
                    failed = _failed(error)
                patients.append(Patient(kind, engine, mirrors, failed))
    scene = Scene(host, tuple(patients), request, tuple(images))
    found: dict[tuple[str, str, str], Diagnosis] = {}
    for check in CHECKS:
        try:
            for one in check.look(scene):
                found.setdefault(_key(one), _without_reassurance(one))
        except EnrollError as error:  # noqa: PERF203 - each check for itself
            found[check.name, "failed", error.message] = Diagnosis(check.name, fault(error))
    report = Report(
        engines=tuple(one.engine for one in patients),
        mirror=request.mirror.url if request is not None else scene.hub_url,
        hub_url=scene.hub_url,
        diagnoses=(),
        looked=bool(patients) or request is not None,
    )
    return report.joined(found.values())


def complete(host: Host, request: Request) -> Request:
    """The request for all engines, with the doors that the mirror names; where it does not answer,
    which a check tells, with one door for all."""
    request = replace(request, engines=())
    try:
        return asked_for(host, request)
    except EnrollError:
        mirror = request.mirror
        return replace(request, mirror=replace(mirror, hub_url=mirror.hub_url or mirror.url))


def _key(one: Diagnosis) -> "tuple[str, str, str]":
    """What is the same for two checks that meet the same fault."""
    finding = one.finding
    if finding.code in _FAULTS and finding.place:
        return one.subject, "fault", finding.place
    if finding.code.startswith("image-") or not finding.place:
        return one.subject, finding.code, finding.message
    return one.subject, finding.code, finding.place


def _without_reassurance(one: Diagnosis) -> Diagnosis:
    """Hints are those of commands that change something."""
    hint = one.finding.hint
    for words in ("; nothing is changed", ", nothing is changed", "nothing was changed"):
        hint = hint.replace(words, "")
    return replace(one, finding=replace(one.finding, hint=hint))


def _failed(error: EnrollError) -> Finding:
    found = fault(error)
    code = "broken-file" if isinstance(error, BrokenFileError) else "unreadable-file"
    severity = "error" if code == "broken-file" else "warning"
    return Finding(code, found.message, found.hint, found.place, severity)
