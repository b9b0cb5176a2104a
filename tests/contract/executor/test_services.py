"""What every executor must do with the services of a job."""

import threading
import time
from pathlib import Path

import pytest
from msgspec import structs
from tests.contract.executor.conftest import Place
from tests.contract.executor.test_executor import output

from homeport.engine.docker import connect
from homeport.pipeline.execute.api import (
    ExecutorError,
    JobSpec,
    Selection,
    ServiceSpec,
    Snapshot,
    Stop,
)
from homeport.pipeline.execute.container import ContainerExecutor
from homeport.pipeline.execute.shell import ShellExecutor
from homeport.pipeline.model.config import Image
from testbed.trees import a_tree

WEB = ServiceSpec(image="web", aliases=("db",), env={"SPOKEN": "there"})


def spec(place: Place, *services: ServiceSpec, **values: object) -> JobSpec:
    given = {"job": "with-services", **values}
    return JobSpec(
        run=place.run,
        attempt=1,
        env={},
        files={},
        project_path="group/name",
        image=place.image,
        services=services,
        **given,
    )


def ignore(_: str) -> None:
    return


def left(address: str, run: str) -> tuple[int, int]:
    engine = connect(address)
    try:
        labels = {"homeport.run": run}
        return len(engine.containers(labels)), len(engine.networks(labels))
    finally:
        engine.close()


@pytest.fixture
def address(request: pytest.FixtureRequest, service_place: Place) -> str:
    del service_place
    name = request.node.callspec.params["service_place"]
    return str(request.getfixturevalue(f"{name}_address"))


def test_a_service_answers_and_is_gone_with_the_session(
    service_place: Place, snapshot: Snapshot, address: str
) -> None:
    session = service_place.executor.open(spec(service_place, WEB), ignore)
    try:
        session.put(snapshot, ())
        assert "SPOKEN=there" in output(session, "busybox wget -qO- http://db/env")
        assert left(address, service_place.run) == (2, 1)
    finally:
        session.close()
    assert left(address, service_place.run) == (0, 0)


def test_jobs_beside_each_other_do_not_see_each_others_services(
    service_place: Place, snapshot: Snapshot
) -> None:
    sessions = [
        service_place.executor.open(
            spec(service_place, ServiceSpec(image="web", env={"SPOKEN": job}), job=job), ignore
        )
        for job in ("one", "two")
    ]
    try:
        for session, job in zip(sessions, ("one", "two"), strict=True):
            session.put(snapshot, ())
            text = output(session, "busybox wget -qO- http://web/env")
            assert f"SPOKEN={job}\n" in text
    finally:
        for session in sessions:
            session.close()


ANSWERS = """\
until [ -e /builds/group/name/asked ]; do sleep 0.1; done
cd /builds/group/name; cat src/main.c > answer; mv answer answered; sleep 30
"""


def test_services_share_the_workspace(
    service_place: Place, snapshot: Snapshot, address: str, tmp_path: Path
) -> None:
    """As with the Runner, whose builds folder is a volume of all containers of a job: so a Docker
    in a service can mount what the job has made."""
    helper = ServiceSpec(image="busybox", command=("sh", "-c", ANSWERS))
    user = structs.replace(service_place.image, docker_user="1000:1000")
    wanted = structs.replace(spec(service_place, helper, services_timeout=0), image=user)
    (tmp_path / "artifacts/src").mkdir(parents=True)
    (tmp_path / "artifacts/src/main.c").write_text("of an artifact\n")
    session = service_place.executor.open(wanted, ignore)
    try:
        session.put(snapshot, [tmp_path / "artifacts"])
        waits = "touch asked; i=0; until [ -e answered ] || [ $i = 100 ]; do sleep 0.1; i=$((i+1))"
        assert output(session, f"{waits}; done; cat answered; ./tool") == (
            "of an artifact\ntool ran\n"
        )
        taken = a_tree(tmp_path)
        assert session.collect(Selection(paths=("answered", "src")), taken) == ()
        assert (tmp_path / "into/answered").read_text() == "of an artifact\n"
    finally:
        session.close()
    engine = connect(address)
    assert engine.volumes({"homeport.run": service_place.run}) == ()
    engine.close()


def test_a_service_that_cannot_start_leaves_nothing(service_place: Place, address: str) -> None:
    for broken in (
        ServiceSpec(image="absent:1", pull_policy=("never",)),
        ServiceSpec(image="busybox", command=("/absent",)),
        ServiceSpec(image="busybox", aliases=("a:b",)),
    ):
        with pytest.raises(ExecutorError):
            service_place.executor.open(spec(service_place, WEB, broken), ignore)
        assert left(address, service_place.run) == (0, 0)


def test_a_stop_ends_the_wait(service_place: Place, address: str) -> None:
    stop = Stop()
    timer = threading.Timer(0.5, stop.request, ("enough",))
    timer.start()
    began = time.monotonic()
    silent = ServiceSpec(image="web", env={"PORT": "8181"})
    with pytest.raises(ExecutorError, match="enough"):
        service_place.executor.open(spec(service_place, silent), ignore, stop)
    assert time.monotonic() - began < 10
    assert left(address, service_place.run) == (0, 0)


def test_a_service_that_ends_is_a_warning_with_its_log(
    service_place: Place, snapshot: Snapshot
) -> None:
    notes: list[str] = []
    ended = ServiceSpec(image="web", command=("sh", "-c", "echo its words; exit 3"))
    session = service_place.executor.open(spec(service_place, ended), notes.append)
    try:
        session.put(snapshot, ())
        assert output(session, "echo ran") == "ran\n"
    finally:
        session.close()
    assert any("exit code 3" in note and "its words" in note for note in notes), notes


def test_what_services_print_is_heard(service_place: Place) -> None:
    heard: list[str] = []
    wanted = spec(service_place, WEB, debug_services=True)
    session = service_place.executor.open(wanted, ignore, service_log=heard.append)
    limit = time.monotonic() + 10
    while not heard and time.monotonic() < limit:
        time.sleep(0.02)
    session.close()
    assert heard[0].startswith("[service:web-db] 2")
    assert heard[0].endswith(" service says hello there")


def test_networks_of_a_run_that_was_killed_are_removed(service_place: Place, address: str) -> None:
    engine = connect(address)
    # A state of its own: others test on this engine, too.
    executor = ContainerExecutor(engine, state=f"killed-{service_place.run}")
    run = f"{service_place.run}-killed"
    executor.open(structs.replace(spec(service_place, WEB), run=run), ignore)
    executor.remove_orphans(lambda: [run])
    assert left(address, run) == (2, 1)
    executor.remove_orphans(list)
    assert left(address, run) == (0, 0)
    engine.close()


def test_the_shell_refuses_services(shell_place: Place) -> None:
    assert isinstance(shell_place.executor, ShellExecutor)
    with pytest.raises(ExecutorError, match="services need a container engine"):
        shell_place.executor.open(spec(shell_place, WEB), ignore)


def test_services_find_each_other_by_alias(networked_address: str) -> None:
    """By the engine's own names; Podman has them only with its DNS plugin."""
    engine = connect(networked_address)
    executor = ContainerExecutor(engine)
    place = Place(executor, Image(name="debian:bookworm"))
    asks = "until busybox wget -qO- http://db/env | busybox grep SPOKEN; do sleep 0.2; done"
    asking = ServiceSpec(
        image="debian:bookworm", aliases=("asking",), command=("sh", "-c", f"{asks}; sleep 9")
    )
    heard: list[str] = []
    wanted = spec(place, asking, WEB, debug_services=True)
    session = executor.open(wanted, ignore, service_log=heard.append)
    limit = time.monotonic() + 10
    while not any("SPOKEN=there" in line for line in heard) and time.monotonic() < limit:
        time.sleep(0.05)
    session.close()
    executor.close()
    engine.close()
    assert any("asking" in line and "SPOKEN=there" in line for line in heard), heard
