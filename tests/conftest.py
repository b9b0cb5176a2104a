"""Fixtures for tests that need a real engine; nothing starts before a test asks for it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def docker_address() -> Iterator[str]:
    """A private Docker engine with the test images, as `DOCKER_HOST` names it."""
    from testbed.engines import private_docker

    with private_docker() as address:
        yield address


@pytest.fixture(scope="session")
def networked_address() -> Iterator[str]:
    """A private Docker engine with the same images that can make networks, but reaches none."""
    from testbed.engines import networked_docker

    with networked_docker() as address:
        yield address


@pytest.fixture(scope="session")
def podman_address() -> Iterator[str]:
    """A private Podman service with the same images, as `CONTAINER_HOST` names it."""
    from testbed.engines import private_podman

    with private_podman() as address:
        yield address
