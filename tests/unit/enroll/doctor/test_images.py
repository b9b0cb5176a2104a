"""Which images would go past the mirror, by the engines of a machine; nothing is asked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from homeport.enroll.doctor.images import look_at_images
from homeport.enroll.doctor.model import Patient, PipelineImage, Scene
from homeport.enroll.engines.kinds import find_kind
from homeport.enroll.model import Engine
from testbed.machine import Machine

DIGEST = f"sha256:{'a' * 64}"


def patient(kind: str, mirrors: Mapping[str, Sequence[str]], **facts: Any) -> Patient:
    engine = Engine(kind=kind, id=f"{kind}:1", title=kind.title(), facts=facts)
    return Patient(find_kind(kind), engine, mirrors)


DOCKER = patient("docker", {"docker.io": ("http://m:5000/",)})
BARE = patient("docker", {})


def image(registry: str, path: str, reference: str = "1", **more: Any) -> PipelineImage:
    return PipelineImage(
        f"{registry}/{path}", "job", "ci.yml:2:3", registry, path, reference, **more
    )


def codes(folder: Path, one: Patient, *images: PipelineImage) -> list[str]:
    scene = Scene(Machine(folder, uid=0).host, (one,), None, images)
    found = list(look_at_images(scene))
    assert all(each.finding.place == "ci.yml:2:3" for each in found)
    return [each.finding.code for each in found]


@pytest.mark.parametrize(
    ("one", "image", "code"),
    [
        (DOCKER, image("docker.io", "library/alpine"), None),
        (DOCKER, image("docker.io", "team/app", DIGEST), None),
        (DOCKER, image("m:5000", "quay.io/a/b"), None),
        (DOCKER, image("quay.io", "a/b"), "image-not-of-hub"),
        (DOCKER, image("quay.io", "a/b", DIGEST), "image-digest-elsewhere"),
        (BARE, image("docker.io", "library/alpine"), "image-engine-not-enrolled"),
        (patient("docker", {"docker.io": ("h",), "quay.io": ("h",)}), image("quay.io", "a"), None),
        (patient("docker", {"_default": ("h",)}), image("quay.io", "a"), None),
        (patient("docker", {}, remote=True), image("docker.io", "library/alpine"), None),
        (DOCKER, image("", "", unknown="$X"), "image-unknown"),
        (DOCKER, image("docker.io", "library/docker", "24-dind", service=True), "image-dind"),
        (DOCKER, image("docker.io", "library/docker", "24-dind"), None),
        (
            DOCKER,
            image(
                "docker.io",
                "library/docker",
                "dind",
                service=True,
                command=("--registry-mirror=http://m:5000",),
            ),
            None,
        ),
    ],
)
def test_one_image(tmp_path: Path, one: Patient, image: PipelineImage, code: str | None) -> None:
    assert codes(tmp_path, one, image) == ([] if code is None else [code])


def test_podman_by_its_tables(tmp_path: Path) -> None:
    machine = Machine(tmp_path, uid=0)
    machine.write(
        "/etc/containers/registries.conf",
        '[[registry]]\nprefix = "*.corp"\n[[registry.mirror]]\nlocation = "m:5000"\n',
    )
    one = patient("podman", {"*.corp": ("m:5000",)})
    assert codes(tmp_path, one, image("hub.corp", "a")) == []
    found = codes(tmp_path, one, image("quay.io", "a"))
    assert found == ["image-registry-not-enrolled"]
