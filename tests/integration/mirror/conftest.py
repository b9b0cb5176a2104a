"""An upstream that plays Docker Hub, one for all tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.hub import Hub, hub


@pytest.fixture(scope="module")
def docker_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub(Path(tmp_path_factory.mktemp("hub"))) as made:
        yield made


@pytest.fixture
def upstream_hub(docker_hub: Hub) -> Iterator[Hub]:
    """The same, without faults and memory."""
    docker_hub.faults.clear()
    docker_hub.forget()
    yield docker_hub
    docker_hub.faults.clear()
