"""The executors that the contract is run on, each as a `Place`.

To add one, write a fixture `<name>_place` and its name among the parameters of `place`.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from msgspec import Struct

from homeport.engine.docker import connect
from homeport.pipeline.execute.api import Executor, JobSpec, Session, Snapshot
from homeport.pipeline.execute.container import ContainerExecutor
from homeport.pipeline.execute.container_layers import Layers
from homeport.pipeline.execute.shell import ShellExecutor
from homeport.pipeline.model.config import Image


class Place(Struct, frozen=True):
    """An executor and the image that its jobs need (with a POSIX shell), or None; `run` differs
    between processes that test on one engine at the same time."""

    executor: Executor
    image: Image | None = None
    run: str = f"run{os.getpid()}"


@pytest.fixture
def shell_place(tmp_path: Path) -> Iterator[Place]:
    host_env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "HOMEPORT_CANARY": "seen",
    }
    executor = ShellExecutor(tmp_path / "builds", host_env=host_env)
    yield Place(executor)
    executor.close()
    assert not (tmp_path / "builds").exists()


@pytest.fixture
def docker_place(docker_address: str) -> Iterator[Place]:
    yield from container_place(docker_address)


@pytest.fixture
def podman_place(podman_address: str) -> Iterator[Place]:
    yield from container_place(podman_address)


@pytest.fixture
def networked_place(networked_address: str) -> Iterator[Place]:
    yield from container_place(networked_address)


@pytest.fixture
def overlay_place(docker_address: str, tmp_path: Path) -> Iterator[Place]:
    """Docker, with overlays however small the tree is."""
    yield from layered_place(docker_address, tmp_path, (0, 0))


@pytest.fixture
def bound_place(docker_address: str, tmp_path: Path) -> Iterator[Place]:
    """Docker, with a folder of this machine for each job."""
    yield from layered_place(docker_address, tmp_path, (1000, 1_000_000))


def layered_place(address: str, tmp_path: Path, least: tuple[int, int]) -> Iterator[Place]:
    if os.geteuid() != 0:
        pytest.skip("folders of this machine are for root")
    yield from container_place(address, Layers(tmp_path / "layers", least=least))
    left = [path.name for path in (tmp_path / "layers").glob("*/*") if path.name == "upper"]
    assert left == []


def container_place(address: str, layers: Layers | None = None) -> Iterator[Place]:
    engine = connect(address)
    executor = ContainerExecutor(engine, layers=layers)
    yield Place(executor, Image(name="debian:bookworm"))
    executor.close()
    engine.close()


@pytest.fixture(params=["shell", "docker", "podman", "overlay", "bound"])
def place(request: pytest.FixtureRequest) -> Place:
    found = request.getfixturevalue(f"{request.param}_place")
    assert isinstance(found, Place)
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A user's working tree."""
    root = tmp_path / "tree"
    (root / "src").mkdir(parents=True)
    (root / "src/main.c").write_text("int main;\n")
    (root / "tool").write_text("#!/bin/sh\necho tool ran\n")
    (root / "tool").chmod(0o755)
    (root / "link").symlink_to("src/main.c")
    (root / "with space").write_text("")
    return root


@pytest.fixture
def snapshot(tree: Path) -> Snapshot:
    files = ("src/main.c", "tool", "link", "with space")
    return Snapshot(root=tree, files=files, git=None, objects=None)


OpenSession = Callable[..., Session]


@pytest.fixture
def open_session(place: Place, snapshot: Snapshot) -> Iterator[OpenSession]:
    """Opens sessions that hold the snapshot and artifacts, and closes them."""
    opened: list[Session] = []

    def open_one(
        *artifacts: Path,
        job: str = "job",
        env: Mapping[str, str] = {},
        files: Mapping[str, str] = {},
    ) -> Session:
        spec = JobSpec(
            run=place.run,
            job=job,
            attempt=1,
            env=env,
            files=files,
            project_path="group/name",
            image=place.image,
            sources=snapshot,
        )
        session = place.executor.open(spec, lambda _: None)
        opened.append(session)
        session.put(snapshot, artifacts)
        return session

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture(params=["networked", "podman"])
def service_place(request: pytest.FixtureRequest) -> Place:
    """Executors that can start services."""
    found = request.getfixturevalue(f"{request.param}_place")
    assert isinstance(found, Place)
    return found
