"""Which images of a pipeline would not come through the mirror with this machine's engines, and
why: failures 1, 3, 5, 8 and 9."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Optional
from urllib.parse import quote, urlsplit

from homeport.enroll.client import Answer, MirrorClient
from homeport.enroll.doctor.mirror import judge_freshness, said_of
from homeport.enroll.doctor.model import Diagnosis, Patient, PipelineImage, Scene
from homeport.enroll.engines.containers_conf import find_layout, load
from homeport.enroll.engines.door import HUB, find_door
from homeport.enroll.errors import EnrollError
from homeport.enroll.model import Finding

RUNS_JOBS = ("docker", "podman")
"""Kinds of engines that `homeport run` makes containers by."""
TIMEOUT = 5.0
AT_ONCE = 8
MOST = 50
"""Images that the mirror is asked for."""
_DIND = re.compile(r"(?:.*/)?docker:(?:[\w.]+-)*dind(?:-[\w.-]+)?")


def look_at_images(scene: Scene) -> Iterator[Diagnosis]:
    patients = _running(scene)
    asked = _ask_mirror(scene)
    for image in scene.images:
        what = "service" if image.service else "image"
        subject = f"job {image.job}, {what} {image.name}"
        if image.unknown:
            words = f"{image.unknown} is not known here, so neither is the image"
            yield Diagnosis(subject, Finding("image-unknown", words, "", image.place))
            continue
        findings = [_bypass(scene, patient, image) for patient in patients]
        findings.append(_brings_its_own(scene, image))
        for finding in (*findings, *asked.get(_key(image), ())):
            if finding is not None:
                yield Diagnosis(subject, replace(finding, place=image.place))


def _key(image: PipelineImage) -> "tuple[str, str, str]":
    return image.registry, image.path, image.reference


def _ask_mirror(scene: Scene) -> "dict[tuple[str, str, str], list[Finding]]":
    """What is found of each image at the mirror; of none where it does not answer at all."""
    wanted = {_key(image): image for image in scene.images if not image.unknown}
    if scene.request is None or not wanted:
        return {}
    mirror = scene.request.mirror
    try:
        MirrorClient(mirror.url, ca=mirror.ca, env=scene.host.env, timeout=TIMEOUT).get("/v2/")
    except EnrollError:
        return {}  # the mirror's own check says so
    chosen = dict(list(wanted.items())[:MOST])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda image: list(_at_mirror(scene, image)), chosen.values())
        return dict(zip(chosen, found))


def _running(scene: Scene) -> "list[Patient]":
    """The engines that run jobs: those that do not run count where there are no others."""
    here = [one for one in scene.of(*RUNS_JOBS) if not one.engine.facts.get("remote")]
    ready = [one for one in here if one.engine.running or one.kind.name == "podman"]
    return ready or here


def _bypass(scene: Scene, patient: Patient, image: PipelineImage) -> Optional[Finding]:
    """Why this engine would not ask the mirror for it; None: it would."""
    title = patient.engine.title
    if image.registry in _own_hosts(scene):
        return None
    if not patient.mirrors:
        words = f"{title} would pull it from {image.registry} itself: it is not enrolled"
        return Finding("image-engine-not-enrolled", words, scene.cure, "", "warning")
    if _covered(scene, patient, image):
        return None
    if image.registry != HUB and patient.kind.name == "docker":
        name = _by_the_mirror(scene, image)
        words = (
            f"{title} pulls it from {image.registry} itself: registry-mirrors are for Docker Hub"
        )
        code = "image-not-of-hub"
        if ":" in image.reference:
            words, code = f"{words} (by digest, too)", "image-digest-elsewhere"
        return Finding(
            code, words, f"write {name}, or homeport run --registry-prefix", "", "warning"
        )
    words = f"{title} pulls it from {image.registry} itself: only {_names(patient)} are enrolled"
    hint = f"{scene.cure} --registries {_names(patient)},{image.registry}"
    return Finding("image-registry-not-enrolled", words, hint.replace(", ", ","), "", "warning")


def _covered(scene: Scene, patient: Patient, image: PipelineImage) -> bool:
    if patient.kind.name == "podman":
        try:
            configuration = load(scene.host, find_layout(scene.host, patient.kind.name))
        except EnrollError:
            return True  # told elsewhere
        table = configuration.find(f"{image.registry}/{image.path}")
        return table is not None and bool(table.mirrors)
    names = {image.registry, image.registry.replace(":", "_") + "_", "_default"}
    return bool(names & set(patient.mirrors))


def _names(patient: Patient) -> str:
    return ", ".join(sorted(patient.mirrors))


def _own_hosts(scene: Scene) -> "set[str]":
    mirror = scene.request.mirror if scene.request is not None else None
    urls = [mirror.url, mirror.hub_url] if mirror is not None else [scene.hub_url]
    return {urlsplit(url).netloc for url in urls if url}


def _by_the_mirror(scene: Scene, image: PipelineImage) -> str:
    separator = "@" if ":" in image.reference else ":"
    end = f"{image.path}{separator}{image.reference}"
    if scene.request is None:
        return f"MIRROR/{image.registry}/{end}"
    return f"{find_door(scene.request.mirror, image.registry).location}/{end}"


def _brings_its_own(scene: Scene, image: PipelineImage) -> Optional[Finding]:
    """A service that is an engine itself."""
    name = f"{image.path}:{image.reference}"
    if not image.service or not scene.hub_url or not _DIND.fullmatch(name):
        return None
    if any(word.startswith("--registry-mirror") for word in image.command):
        return None
    words = "this service is a Docker daemon of its own, which does not use the mirror"
    hint = f'command: ["--registry-mirror={scene.hub_url}"]'
    return Finding("image-dind", words, hint, "", "warning")


def _at_mirror(scene: Scene, image: PipelineImage) -> Iterator[Finding]:
    """What the mirror says of it, asked without a login, as engines do."""
    if scene.request is None or image.registry in _own_hosts(scene):
        return
    mirror = scene.request.mirror
    door = find_door(mirror, image.registry)
    try:
        client = MirrorClient(door.base, ca=mirror.ca, env=scene.host.env, timeout=TIMEOUT)
        answer = _ask(client, door.path, image.path, image.reference)
        short = image.path.removeprefix("library/")
        if answer.status == 404 and short != image.path:
            bare = _ask(client, door.path, short, image.reference)
            if bare.status == 200:
                words = f"the mirror has it as {short}, and not as {image.path}, as engines ask"
                hint = "have the mirror add library/ to Docker Hub's own images"
                yield Finding("image-library", words, hint, "", "warning")
                return
    except EnrollError:
        return  # the mirror's own check says so
    for found in judge_freshness(answer, image.name):
        yield replace(found, code="image-stale")
    if answer.status in (401, 403, 404):
        said, remedy = said_of(answer)
        words = (
            f"the mirror does not give it ({answer.status} {said}): engines go on to "
            f"{image.registry} itself, with the user's login if it is private"
        )
        hint = remedy or "give the mirror a login for it, or allow it in its rules"
        yield Finding("image-not-at-mirror", words, hint, "", "warning")


def _ask(client: MirrorClient, path: str, name: str, reference: str) -> Answer:
    before = f"/{path}" if path else ""
    return client.get(f"/v2{before}/{quote(name)}/manifests/{quote(reference, safe=':')}")
