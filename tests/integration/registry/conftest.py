"""Which registry the conformance tests speak to.

By default homeport's mirror, started for them. `HOMEPORT_TEST_REGISTRY` may name another:
`docker-registry` (Debian's, started for them) or a URL, whose repositories under
`HOMEPORT_TEST_NAMESPACE` (`conformance`) may be written.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

_COUNTS = pytest.StashKey[Counter[str]]()


class Registry(NamedTuple):
    """`namespace` is what repositories begin with."""

    url: str
    namespace: str

    def repository(self, name: str) -> str:
        """A repository that nobody used before."""
        return f"{self.namespace}/{name}-{uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    which = os.environ.get("HOMEPORT_TEST_REGISTRY", "homeport")
    namespace = os.environ.get("HOMEPORT_TEST_NAMESPACE", "conformance")
    folder = tmp_path_factory.mktemp("registry")
    if which == "homeport":
        with _homeport(folder, namespace) as url:
            yield Registry(url, namespace)
    elif which == "docker-registry":
        from testbed.hub import hub

        with hub(folder) as made:
            yield Registry(f"http://{made.direct}", namespace)
    else:
        yield Registry(which, namespace)


@contextmanager
def _homeport(folder: Path, namespace: str) -> Iterator[str]:
    from testbed.mirror import mirror

    with mirror(folder, settings(namespace)) as made:
        yield f"http://{made.address}"


def settings(namespace: str) -> str:
    """A registry that everybody may write to; `upstream.example` never answers."""
    return f"""
[mirror]
data = "{{data}}"
default_upstream = "upstream.example"
[[mirror.listeners]]
name = "main"
address = "{{address}}"
role = "registry"
[mirror.namespaces.{namespace}]
[mirror.upstreams."upstream.example"]
urls = ["http://127.0.0.1:1"]
[[mirror.rules]]
name = "everybody"
allow = true
"""


@pytest.fixture
def own_mirror(tmp_path: Path) -> Iterator[Any]:
    """A mirror for one test, which may stop and start it; always homeport's."""
    from testbed.mirror import mirror

    with mirror(tmp_path, settings("conformance")) as made:
        yield made


@pytest.fixture
def checks(request: pytest.FixtureRequest) -> Any:
    """Collects what holds and what does not."""
    from testbed.oci_client import Checks

    counts = request.config.stash.setdefault(_COUNTS, Counter())

    def count(outcome: str) -> None:
        counts[outcome] += 1

    return Checks(count)


@pytest.fixture
def conforms(registry: Registry, checks: Any) -> Callable[[Callable[[Any], Any]], None]:
    """Runs a scenario with a client, and fails with every check that failed."""
    from testbed.oci_client import client

    async def work(scenario: Callable[[Any], Any]) -> None:
        async with client(registry.url) as api:
            await scenario(api)

    def run(scenario: Callable[[Any], Any]) -> None:
        asyncio.run(work(scenario))
        checks.close()

    return run


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    counts = config.stash.get(_COUNTS, Counter())
    if counts:
        said = ", ".join(f"{counts[word]} {word}" for word in ("passed", "failed", "unsupported"))
        terminalreporter.write_line(f"OCI distribution specification, checks: {said}")
