"""Services on an engine in memory: names, order, readiness, and what is left."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from homeport.engine.api import ContainerState, EngineError, ImageInfo
from homeport.engine.fake import FakeEngine
from homeport.engine.fake_container import FakeContainer
from homeport.pipeline.execute.api import ExecutorError, JobSpec, ServiceSpec, Stop
from homeport.pipeline.execute.container import ContainerExecutor
from homeport.pipeline.execute.service_names import assign_aliases, image_aliases, is_host_name
from homeport.pipeline.execute.service_ready import Asked, wait_until_ready
from homeport.pipeline.model.config import Image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("postgres", ("postgres",)),
        ("postgres:16", ("postgres",)),
        ("a/b:1", ("a__b", "a-b")),
        ("r.example:5000/a/b:1", ("r.example__a__b", "r.example-a-b")),
        ("r.example/a/b@sha256:" + "0" * 64, ("r.example__a__b", "r.example-a-b")),
        ("r:5000/a:1@sha256:" + "0" * 64, ("r__a", "r-a")),
    ],
)
def test_names_of_an_image(image: str, expected: tuple[str, ...]) -> None:
    assert image_aliases(image) == expected


def test_a_name_belongs_to_the_first() -> None:
    first = ServiceSpec(image="a/b", aliases=("db",))
    again, other = ServiceSpec(image="a/b:2"), ServiceSpec(image="a/b:3", aliases=("db", "two"))
    assert [names for _, names in assign_aliases([first, again, other])] == [
        ("a__b", "a-b", "db"),
        (),
        ("two",),
    ]


@pytest.mark.parametrize("alias", ["a b", "a:b", "a\nb", "", "-a", "a/b", "a" * 300])
def test_no_host_names(alias: str) -> None:
    assert not is_host_name(alias)


def info(*ports: int) -> ImageInfo:
    return ImageInfo(id="i", entrypoint=(), command=(), user="", env={}, ports=ports)


class Endless(FakeEngine):
    """Services run until they are told to end."""

    def __init__(self) -> None:
        super().__init__(images={"web:latest": info(80), "alpine:latest": info()})
        self.program = self._play
        self.words: list[bytes] = []

    def _play(self, container: FakeContainer, script: str) -> int:
        del script
        container.output.extend(self.words)
        if "probe" in container.spec.name:
            return 0
        container.signalled.wait(20)
        return 0


@pytest.fixture
def engine() -> Iterator[Endless]:
    made = Endless()
    yield made
    for container in tuple(made.held):
        made.remove(container)


def spec(*services: ServiceSpec, **values: Any) -> JobSpec:
    given = {"env": {}, **values}
    return JobSpec(
        run="r",
        job="j",
        attempt=1,
        files={},
        project_path="g/p",
        image=Image(name="alpine"),
        services=services,
        **given,
    )


def ignore(_: str) -> None:
    return


def test_a_job_and_its_services_share_a_network(engine: Endless) -> None:
    service = ServiceSpec(image="web", aliases=("db",), env={"A": "1"}, user="5")
    session = ContainerExecutor(engine).open(spec(service), ignore)
    (network,) = engine.held_networks
    service_held, job = engine.held.values()
    assert service_held.spec.network == job.spec.network == network
    assert service_held.spec.aliases == ("web", "db")
    assert (service_held.spec.env, service_held.spec.user) == ({"A": "1"}, "5")
    assert set(job.spec.hosts) == {"web", "db"}
    assert job.spec.labels == service_held.spec.labels == engine.held_networks[network]
    session.close()
    assert engine.held == {}
    assert engine.held_networks == {}


def test_a_job_without_services_asks_for_no_network(engine: Endless) -> None:
    executor = ContainerExecutor(engine)
    executor.open(spec(), ignore).close()
    executor.close()
    assert engine.calls["create_network"] == engine.calls["networks"] == 0


def test_what_fails_in_the_middle_leaves_nothing(engine: Endless) -> None:
    absent = ServiceSpec(image="absent", pull_policy=("never",))
    with pytest.raises(ExecutorError, match="absent"):
        ContainerExecutor(engine).open(spec(ServiceSpec(image="web"), absent), ignore)
    assert engine.held == {}
    assert engine.held_networks == {}


def test_orphans_are_networks_too(engine: Endless) -> None:
    executor = ContainerExecutor(engine, state="s")
    executor.open(spec(ServiceSpec(image="web")), ignore)
    executor.remove_orphans(lambda: ["r"])
    assert len(engine.held_networks) == 1
    executor.remove_orphans(list)
    assert engine.held_networks == {}


def test_no_wait_without_a_limit(engine: Endless) -> None:
    notes: list[str] = []
    wanted = spec(ServiceSpec(image="web"), services_timeout=-1.0)
    ContainerExecutor(engine).open(wanted, notes.append).close()
    assert not [note for note in notes if "Waiting" in note or "WARNING" in note]


class Known(FakeEngine):
    """One container with a state that a test chooses."""

    def __init__(self, state: ContainerState, codes: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.known = state
        self.codes = list(codes)

    def state(self, container: str) -> ContainerState:
        del container
        return self.known

    def check(self, container: str, command: Any, timeout: float) -> int:
        del container, command, timeout
        if not self.codes:
            raise EngineError.of("it hangs")
        return self.codes.pop(0)


def ready(engine: FakeEngine, *ports: int, probe: int | None = 0, limit: float = 0.3) -> str | None:
    asked = Asked(container="c", ports=ports)
    return wait_until_ready(engine, asked, lambda *_: probe, limit=limit, stopped=threading.Event())


RUNS = ContainerState(running=True, address="127.0.0.1", gateway="127.0.0.1")
ELSEWHERE = ContainerState(running=True, address="192.0.2.9", gateway="192.0.2.254")


def test_health_goes_before_ports() -> None:
    healthy = ContainerState(running=True, health=("check",))
    assert ready(Known(healthy, (1, 0)), 1, limit=5.0) is None
    assert ready(Known(healthy, (4,) * 9), 1) == "its HEALTHCHECK ends with exit code 4"
    assert ready(Known(healthy), 1) == "its HEALTHCHECK did not answer"


def test_a_port_here_is_tried_from_here() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ready(Known(RUNS), 1, port, probe=99) is None
    assert "no TCP port" in (ready(Known(RUNS), port, probe=0) or "")


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, None), (7, "none of bash, nc"), (None, "no TCP port"), (127, "exit code 127")],
)
def test_a_port_elsewhere_is_tried_from_inside(code: int | None, words: str | None) -> None:
    told = ready(Known(ELSEWHERE), 80, probe=code)
    assert (told is None) if words is None else (words in (told or ""))


def test_what_cannot_be_asked_is_said() -> None:
    assert "exposes no port" in (ready(Known(RUNS)) or "")
    ended = ContainerState(running=False, exit_code=3)
    assert ready(Known(ended), 80) == "it ended with exit code 3"


def test_a_stop_ends_the_wait(engine: Endless) -> None:
    stop = Stop()
    stop.request("enough")
    with pytest.raises(ExecutorError, match="enough"):
        ContainerExecutor(engine).open(spec(ServiceSpec(image="web")), ignore, stop)
    assert engine.held == {}
