"""A pull by a real daemon fails: `homeport run` tells what its mirror says, or the cure."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.engine.docker import connect
from homeport.pipeline.execute.api import ExecutorError
from homeport.pipeline.execute.container_image import Images
from testbed.dockerds import CONFIG, Dockerd, docker_machine, running
from testbed.hub import Hub, hub
from testbed.mirror import mirror, upstream


@pytest.fixture(scope="module")
def docker_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub(tmp_path_factory.mktemp("hub")) as made:
        made.push("team/app:1")
        yield made


@pytest.fixture
def docker() -> Iterator[Dockerd]:
    with docker_machine() as machine:
        yield Dockerd(machine, "docker")


def pull(docker: Dockerd, name: str) -> list[str]:
    """What a job's log says of a pull."""
    told: list[str] = []
    engine = connect(f"unix://{docker.machine.at(docker.socket)}")
    try:
        Images(engine).ensure(name, None, ("always",), told.append)
    except ExecutorError:
        pass
    finally:
        engine.close()
    return told


def test_the_mirrors_reason_beside_the_engines_error(
    docker: Dockerd, docker_hub: Hub, tmp_path: Path
) -> None:
    text = '[mirror]\ndata = "{data}"\nlisten = "{address}"\n'
    text += upstream("docker.io", docker_hub.address)
    with mirror(tmp_path / "mirror", text) as made:
        url = f"http://{made.address}"
        docker.machine.write(CONFIG, json.dumps({"registry-mirrors": [url]}))
        with running(docker):
            assert not any("says" in line for line in pull(docker, "team/app:1"))
            told = pull(docker, "team/none:1")
            (said,) = [line for line in told if line.startswith(f"the mirror {url} says: ")]
            assert "404 MANIFEST_UNKNOWN" in said
            assert not any("homeport enroll" in line for line in told)
            # Another registry's images never go by Docker's mirror.
            assert not any("the mirror" in line for line in pull(docker, "127.0.0.1:9/a/b:1"))


def test_a_network_that_reaches_nothing(docker: Dockerd) -> None:
    docker.env = {"HTTPS_PROXY": "http://127.0.0.1:9"}  # whatever this machine reaches
    with running(docker):
        told = pull(docker, "alpine:3.20")
    assert any("this network does not reach docker.io: `homeport enroll" in line for line in told)
