"""What containers of a job get of the machine, in the engine in memory."""

from collections.abc import Iterator

import pytest
from msgspec import structs

from homeport.engine.api import ImageInfo
from homeport.engine.fake import FakeEngine
from homeport.engine.fake_container import FakeContainer
from homeport.engine.options import ContainerOptions
from homeport.pipeline.execute.api import JobSpec, ServiceSpec
from homeport.pipeline.execute.container import ContainerExecutor
from homeport.pipeline.execute.container_access import HostAccess
from homeport.pipeline.execute.placed_files import place
from homeport.pipeline.model.config import Image

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
SERVICE = ServiceSpec(image="db:1", pull_policy=("never",))
JOB = JobSpec(
    run="r1",
    job="build",
    attempt=1,
    project_path="g/p",
    image=Image(name="alpine:3"),
    pull_policy=("never",),
    env={},
    files={},
    services_timeout=0.0,
)


def ignore(_: str) -> None:
    pass


def image(*, ports: tuple[int, ...] = ()) -> ImageInfo:
    return ImageInfo(id="sha256:1", entrypoint=(), command=("sh",), user="", env={}, ports=ports)


def serve(container: FakeContainer, _: str) -> int:
    container.signalled.wait(30)
    return 0


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    engine = FakeEngine(images={"alpine:3": image(), "db:1": image()}, program=serve)
    engine.held_networks |= {"bridge": {}, "corp": {}}
    yield engine
    engine.close()


def networks_of(engine: FakeEngine) -> dict[str, tuple[str | None, list[str]]]:
    """The first network of the job and of its service, and those that they joined."""
    return {
        "service" if "-service-" in found.spec.name else "job": (found.spec.network, found.joined)
        for found in engine.held.values()
    }


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        ((), (None, [])),
        (("host",), ("host", [])),
        (("none",), ("none", [])),
        (("corp",), ("corp", [])),
        (("corp", "bridge"), ("corp", ["bridge"])),
    ],
)
def test_a_job_is_in_the_networks_of_the_settings(
    engine: FakeEngine, networks: tuple[str, ...], expected: object
) -> None:
    ContainerExecutor(engine, HostAccess(networks=networks)).open(JOB, ignore)
    assert networks_of(engine) == {"job": expected}


@pytest.mark.parametrize(
    ("networks", "job", "joined", "internal"),
    [
        ((), "own", [], False),
        # By their addresses: a container with the machine's network can be in no other.
        (("host",), "host", [], False),
        (("none",), "own", [], True),
        (("corp", "bridge"), "own", ["corp", "bridge"], False),
    ],
)
def test_a_job_and_its_services_are_in_a_network_of_their_own_as_well(
    engine: FakeEngine, networks: tuple[str, ...], job: str, joined: list[str], internal: bool
) -> None:
    spec = structs.replace(JOB, services=(SERVICE,))
    ContainerExecutor(engine, HostAccess(networks=networks)).open(spec, ignore)
    (own,) = (name for name in engine.held_networks if name.startswith("homeport-"))
    named = {"own": own}.get(job, job)
    assert networks_of(engine) == {"job": (named, joined), "service": (own, joined)}
    assert (own in engine.internal) is internal
    made = next(held for held in engine.held.values() if "-service-" not in held.spec.name)
    assert made.spec.hosts == {"db": "192.0.2.1"}
    assert made.spec.aliases == (("build",) if job == "own" else ())


def test_services_have_no_limits_and_addresses_of_the_jobs(engine: FakeEngine) -> None:
    options = ContainerOptions(
        privileged=True,
        memory=1,
        cpus=1.0,
        gpus="all",
        mac_address="02:42:ac:11:00:02",
        shm_size=2,
        ulimits=("nofile=5",),
        extra_hosts=("a:10.0.0.1",),
        userns="host",
        volumes=("/fast:/builds",),
    )
    access = HostAccess(options=options, ssh_agent="/tmp/agent")
    spec = structs.replace(JOB, services=(SERVICE,))
    ContainerExecutor(engine, access).open(spec, ignore)
    service, job = (held.spec for held in engine.held.values())
    mounts = ("/fast:/builds", "/tmp/agent:/run/homeport-ssh-agent")
    assert job.options == structs.replace(options, volumes=mounts)
    assert job.env["SSH_AUTH_SOCK"] == "/run/homeport-ssh-agent"
    assert service.options == structs.replace(
        options, memory=None, cpus=None, gpus=None, mac_address=None
    )
    assert "SSH_AUTH_SOCK" not in service.env


def test_a_volume_without_a_place_here_is_shared_by_one_job_and_its_services(
    engine: FakeEngine,
) -> None:
    access = HostAccess(options=ContainerOptions(volumes=("/certs/client", "/fast:/builds")))
    executor = ContainerExecutor(engine, access, state="here")
    sessions = [
        executor.open(structs.replace(JOB, job=name, services=(SERVICE,)), ignore)
        for name in ("one", "two")
    ]
    volumes = [held.spec.options.volumes for held in engine.held.values()]
    assert volumes[0] == volumes[1]
    assert volumes[2] == volumes[3]
    assert len(engine.held_volumes) == 2
    for job, name in zip(("one", "two"), engine.held_volumes, strict=True):
        assert engine.held_volumes[name] == {
            "homeport.run": "r1",
            "homeport.job": job,
            "homeport.state": "here",
        }
    assert {volumes[0], volumes[2]} == {
        (f"{name}:/certs/client", "/fast:/builds") for name in engine.held_volumes
    }
    for session in sessions:
        session.close()
    assert engine.held_volumes == {}


def test_volumes_of_a_run_that_was_killed_are_removed(engine: FakeEngine) -> None:
    access = HostAccess(options=ContainerOptions(volumes=("/certs/client",)))
    ContainerExecutor(engine, access, state="here").open(JOB, ignore)
    ContainerExecutor(engine, access, state="elsewhere").remove_orphans(lambda: ())
    ContainerExecutor(engine, access, state="here").remove_orphans(lambda: ("r1",))
    assert len(engine.held_volumes) == 1
    ContainerExecutor(engine, access, state="here").remove_orphans(lambda: ())
    assert engine.held_volumes == {}


def test_a_volume_is_removed_with_a_job_that_could_not_begin(engine: FakeEngine) -> None:
    access = HostAccess(options=ContainerOptions(volumes=("/certs/client",)), networks=("nowhere",))
    with pytest.raises(Exception, match="network nowhere not found"):
        ContainerExecutor(engine, access).open(JOB, ignore)
    assert engine.held_volumes == {}


def test_certificates_are_added_to_those_of_the_image(engine: FakeEngine) -> None:
    executor = ContainerExecutor(engine, HostAccess(certificates="MINE\n"))
    executor.open(structs.replace(JOB, services=(SERVICE,)), ignore)
    for held in engine.held.values():
        assert held.files[CERTIFICATES.lstrip("/")][1] == b"MINE\n"
    container = next(iter(engine.held))
    place(engine, container, {CERTIFICATES: "THEIRS\n"})
    HostAccess(certificates="MINE\n").trust(engine, container)
    assert engine.held[container].files[CERTIFICATES.lstrip("/")][1] == b"THEIRS\nMINE\n"


def mounts_of(engine: FakeEngine) -> dict[str, tuple[str, ...]]:
    return {
        "service" if "-service-" in found.spec.name else "job": found.spec.options.volumes
        for found in engine.held.values()
    }


def test_services_share_the_folder_of_projects(engine: FakeEngine) -> None:
    executor = ContainerExecutor(engine)
    job = structs.replace(JOB, services=(SERVICE,))
    session = executor.open(job, ignore)
    (volume,) = engine.held_volumes
    assert engine.held_volumes[volume]["homeport.run"] == "r1"
    assert mounts_of(engine) == dict.fromkeys(("job", "service"), (f"{volume}:/builds",))
    session.close()
    assert engine.held_volumes == {}
    executor.open(job, ignore)
    executor.close()
    assert engine.held_volumes == {}


def test_without_services_there_is_no_volume(engine: FakeEngine) -> None:
    ContainerExecutor(engine).open(JOB, ignore)
    assert engine.held_volumes == {}
    assert mounts_of(engine) == {"job": ()}


def test_what_the_user_mounts_at_the_folder_of_projects_is_there(engine: FakeEngine) -> None:
    access = HostAccess(options=ContainerOptions(volumes=("/fast:/builds",)))
    ContainerExecutor(engine, access).open(structs.replace(JOB, services=(SERVICE,)), ignore)
    assert engine.held_volumes == {}
    assert mounts_of(engine) == dict.fromkeys(("job", "service"), ("/fast:/builds",))
