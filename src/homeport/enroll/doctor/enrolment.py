"""Whether engines are as the enrolment would have them, and what it says of each besides."""

from collections.abc import Iterator

from homeport.enroll.doctor.model import Diagnosis, Patient, Scene
from homeport.enroll.errors import EnrollError
from homeport.enroll.journal import Journal
from homeport.enroll.model import EnginePlan, Finding
from homeport.enroll.plan import fault

_TOLD_ELSEWHERE = ("recreate-builder", "dind", "proxy", "loopback", "docker-not-taken-up")
"""What a check of its own says, with or without a request."""


def look_at_enrolment(scene: Scene) -> Iterator[Diagnosis]:
    if scene.request is None:
        return
    known = {record.engine.id for record in Journal(scene.host).records()}
    for patient in scene.patients:
        if patient.engine.facts.get("remote"):
            continue
        title = patient.engine.title
        try:
            plan = patient.kind.plan(scene.host, patient.engine, scene.request)
        except EnrollError as error:
            if patient.failed is None:
                yield Diagnosis(title, fault(error))
            continue
        cure = f"{scene.cure} --engine {patient.kind.name}"
        yield from _compare(patient, plan, cure, enrolled=patient.engine.id in known)
        for finding in plan.findings:
            if finding.severity != "note" and finding.code not in _TOLD_ELSEWHERE:
                yield Diagnosis(title, finding)


def _compare(
    patient: Patient, plan: EnginePlan, hint: str, *, enrolled: bool
) -> Iterator[Diagnosis]:
    if not plan.changes:
        return
    places = ", ".join(change.path for change in plan.changes)
    if enrolled:
        words = f"it has drifted: {places} is no longer as it was enrolled"
        finding = Finding("drifted", words, hint, plan.changes[0].path, "warning")
    else:
        words = "it is not enrolled: it asks registries themselves, or another mirror"
        finding = Finding("not-enrolled", words, hint, plan.changes[0].path, "warning")
    yield Diagnosis(patient.engine.title, finding)
