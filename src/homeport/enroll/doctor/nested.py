"""Engines inside engines, which have no part in the host's configuration: failures 2 (buildx), 3
(Docker-in-Docker), and GitLab Runner's helper image."""

from collections.abc import Iterator, Mapping
from typing import Any

from homeport.enroll.doctor.model import Diagnosis, Patient, Scene
from homeport.enroll.engines.door import find_door
from homeport.enroll.engines.gitlab_runner import TABLES, read_runners
from homeport.enroll.engines.gitlab_runner_helper import HELPER, REGISTRY
from homeport.enroll.engines.gitlab_runner_nested import nested
from homeport.enroll.errors import EnrollError
from homeport.enroll.formats.toml_text import parse
from homeport.enroll.model import Finding


def look_at_nested(scene: Scene) -> Iterator[Diagnosis]:
    """Only where there is a mirror that they could use."""
    if not scene.hub_url:
        return
    for patient in scene.of("buildkit"):
        yield from _look_at_builders(scene, patient)
    for patient in scene.of("gitlab-runner"):
        try:
            yield from _look_at_runners(scene, patient)
        except EnrollError:  # noqa: PERF203 - each engine for itself
            continue  # its file is broken, which is told elsewhere


def _look_at_builders(scene: Scene, patient: Patient) -> Iterator[Diagnosis]:
    engine = patient.engine
    name = scene.hub_url.partition("://")[2]
    for builder in engine.facts.get("builders", ()):
        if f'"{name}"' in builder["config"]:
            continue
        words = (
            f"the builder {builder['name']} does not use the mirror: buildx reads no daemon.json"
        )
        hint = (
            f"homeport enroll apply --engine buildkit; then docker buildx rm {builder['name']} and "
            f"docker buildx create --name {builder['name']} --driver {builder['driver']} "
            f"--buildkitd-config {engine.config}"
        )
        place = f"{str(engine.config).rpartition('/')[0]}/instances/{builder['name']}"
        yield Diagnosis(engine.title, Finding("buildx", words, hint, place, "warning"))


def _look_at_runners(scene: Scene, patient: Patient) -> Iterator[Diagnosis]:
    engine, path = patient.engine, str(patient.engine.config)
    document = parse(scene.host.text(path) or "", path)
    ca = scene.request is not None and scene.request.mirror.ca is not None
    for number, runner in enumerate(read_runners(scene.host, path)):
        place = f"{path}:{document.place('runners', number)[0]}:1"
        for finding in nested(runner, number, scene.hub_url, ca).findings:
            told = Finding(finding.code, finding.message, finding.hint, place, finding.severity)
            yield Diagnosis(engine.title, told)
        edits = nested(runner, number, scene.hub_url, ca).edits
        if any("services" in way for way, _ in edits):
            words = "its docker:dind services have a daemon of their own, without the mirror"
            flag = f"--registry-mirror={scene.hub_url}"
            hint = f"homeport enroll apply --engine gitlab-runner adds {flag}"
            yield Diagnosis(engine.title, Finding("dind", words, hint, place, "warning"))
        yield from _look_at_helper(scene, patient, runner, place)


def _look_at_helper(
    scene: Scene, patient: Patient, runner: Mapping[str, Any], place: str
) -> Iterator[Diagnosis]:
    table = runner.get(TABLES.get(str(runner.get("executor")), ""))
    if not isinstance(table, Mapping):
        return
    image = table.get("helper_image")
    if isinstance(image, str) and image and not image.startswith(f"{REGISTRY}/"):
        return
    way = "the mirror's own name for it"
    if scene.request is not None:
        way = f"{find_door(scene.request.mirror, REGISTRY).location}/{HELPER}:…"
    words = (
        f"the helper image of the runner {runner.get('name') or '?'} comes from {REGISTRY}, "
        "which registry-mirrors never cover"
    )
    hint = f"homeport enroll apply --engine gitlab-runner sets helper_image to {way}"
    yield Diagnosis(patient.engine.title, Finding("helper-image", words, hint, place, "warning"))
