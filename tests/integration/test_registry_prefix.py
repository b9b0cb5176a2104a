"""Images by another registry's name, with a real engine, a real mirror and no Docker Hub.

The engine is not configured, and cannot reach Docker Hub: only the name can lead to the mirror.
"""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from homeport.engine.docker import DockerEngine, connect
from testbed.hub import Hub, hub
from testbed.mirror import Mirror, mirror, upstream
from testbed.runs import Done, Repository

pytestmark = pytest.mark.engine
_NUMBERS = count()
CONFIG = """
[mirror]
data = "{data}"
default_upstream = "docker.io"
[[mirror.listeners]]
name = "registry"
address = "{address}"
role = "registry"
"""


@pytest.fixture(scope="module")
def docker_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture(scope="module")
def registry(docker_hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    text = CONFIG + upstream("docker.io", docker_hub.address)
    with mirror(tmp_path_factory.mktemp("mirror"), text) as made:
        yield made


@pytest.fixture
def image(docker_hub: Hub, registry: Mirror, docker_address: str) -> Iterator[str]:
    """The name of an image of Docker Hub that can run a job, and that the engine does not hold."""
    engine = connect(docker_address)
    name, tag = "homeport-closed-network", f"t{os.getpid()}-{next(_NUMBERS)}"
    there = f"{docker_hub.direct}/library/{name}"
    engine._call("POST", "/images/busybox/tag", {"repo": there, "tag": tag}).close()
    headers = {"X-Registry-Auth": "e30="}
    pushed = engine._call("POST", f"/images/{there}/push", {"tag": tag}, headers=headers)
    assert not [line for line in pushed.lines() if "error" in line]
    _forget(engine, f"{there}:{tag}")
    yield f"{name}:{tag}"
    _forget(engine, f"{registry.address}/{name}:{tag}")
    engine.close()


def _forget(engine: DockerEngine, image: str) -> None:
    engine._call("DELETE", f"/images/{image}", allowed=(404, 409)).close()


class Work:
    """Runs a pipeline on the engine."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address

    def run(self, text: str, *args: str, **env: str) -> Done:
        repository = Repository(self._folder / "work", text, self._folder / "home")
        return repository.on(self._address).run(*args, env=env)


@pytest.fixture
def work(tmp_path: Path, docker_address: str) -> Work:
    return Work(tmp_path, docker_address)


def job(image: str) -> str:
    return f"job: {{image: '{image}', script: ['echo \"of $CI_JOB_IMAGE\"']}}\n"


def test_without_a_prefix_the_job_is_red(work: Work, image: str, docker_hub: Hub) -> None:
    docker_hub.forget()
    done = work.run(job(image))
    assert done.status == 1, done
    assert "failed to pull image" in done.stdout
    assert docker_hub.seen == []


def test_by_container_registry(work: Work, image: str, registry: Mirror, docker_hub: Hub) -> None:
    docker_hub.forget()
    done = work.run(job(image), CONTAINER_REGISTRY=registry.address)
    assert done.status == 0, done
    told = f"image {image} is pulled as {registry.address}/{image} (CONTAINER_REGISTRY)"
    assert told in done.stdout
    assert "this cures homeport run alone" in done.stdout
    assert f"of {image}\n" in done.log("job")
    # The mirror asks Docker Hub by the name that Docker Hub has.
    assert docker_hub.count("HEAD", "/v2/library/homeport-closed-network/manifests/") > 0


def test_by_the_option(work: Work, image: str, registry: Mirror) -> None:
    text = job(f"docker.io/library/{image}")
    done = work.run(text, "--registry-prefix", registry.address)
    assert done.status == 0, done
    assert f"is pulled as {registry.address}/{image} (--registry-prefix)" in done.stdout
    assert f"of docker.io/library/{image}\n" in done.log("job")


def test_a_service_too(work: Work, image: str, registry: Mirror) -> None:
    """An engine that reaches the mirror has no networks here; the service's pull is what counts."""
    service = f"{{name: '{image}', alias: own, command: [sleep, '5']}}"
    text = f"job: {{image: '{registry.address}/{image}', services: [{service}], script: [echo]}}\n"
    done = work.run(text, "--registry-prefix", f"docker.io={registry.address}")
    told = f"image {image} is pulled as {registry.address}/{image} (--registry-prefix)"
    assert told in done.stdout
    assert "failed to pull" not in done.stdout


def test_what_is_no_registry_is_one_error_and_nothing_is_made(
    work: Work, image: str, tmp_path: Path
) -> None:
    done = work.run(job(image), CONTAINER_REGISTRY="https://registry.internal/")
    assert done.status == 2, done
    assert done.stderr.count("is no registry to pull from") == 1
    assert done.stdout == ""
    assert not (tmp_path / "home/.local/state/homeport").exists()
