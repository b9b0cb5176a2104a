"""What containers of jobs with engines of their own receive, on an engine in memory."""

from collections.abc import Iterator

import pytest
from msgspec import structs

from homeport.engine.api import ContainerSpec, EngineError, ImageInfo
from homeport.engine.fake import FakeEngine
from homeport.engine.fake_container import FakeContainer
from homeport.pipeline.execute.api import ExecutorError, JobSpec
from homeport.pipeline.execute.container import ContainerExecutor
from homeport.pipeline.execute.environment import compose_environment
from homeport.pipeline.model.config import Image, Service
from homeport.pipeline.model.plan import JobPlan, Plan, Runs
from homeport.pipeline.plan.through_mirror import Mirror, through_mirror

PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
MIRROR = Mirror(url="https://m.corp:5443", certificates=PEM)


class Endless(FakeEngine):
    """Containers run until they are told to end."""

    def __init__(self) -> None:
        info = ImageInfo(id="i", entrypoint=(), command=(), user="", env={})
        super().__init__(images={"docker:dind": info, "docker:24": info})
        self.program = self._play
        self.seen_at_start: list[set[str]] = []
        self.commands: list[tuple[str, ...] | None] = []

    def create(self, spec: ContainerSpec) -> str:
        self.commands.append(spec.command)
        return super().create(structs.replace(spec, command=None))  # it has no such program

    def start(self, container: str) -> None:
        self.seen_at_start.append(set(self.held[container].files))
        super().start(container)

    def _play(self, container: FakeContainer, script: str) -> int:
        del script
        container.signalled.wait(20)
        return 0


@pytest.fixture
def engine() -> Iterator[Endless]:
    made = Endless()
    yield made
    for container in tuple(made.held):
        made.remove(container)


def spec_of(job: JobPlan) -> JobSpec:
    plan = Plan(stages=(), jobs=(job,), root="/r", sha="", ref="", project_path="a/b")
    (job,) = through_mirror(plan, MIRROR).jobs
    environment = compose_environment(
        job.variables, dotenv={}, overrides=(), project_dir="/b", builds_dir="/", started_at="x"
    )
    return JobSpec(
        run="r",
        job="j",
        attempt=1,
        env={},
        files={},
        project_path="a/b",
        image=job.image,
        services=tuple(environment.expand_service(each, ("never",)) for each in job.services),
        services_timeout=0,
        placed=job.placed,
    )


def job(**values: object) -> JobPlan:
    image = Image(name="docker:24")
    return JobPlan(name="j", stage="s", runs=Runs.CONTAINER, image=image, **values)  # type: ignore[arg-type]


def test_dind_receives_the_option_and_the_authority_before_it_starts(engine: Endless) -> None:
    given = job(services=(Service(name="docker:dind", command=("--tls=false",)),))
    session = ContainerExecutor(engine).open(spec_of(given), lambda _: None)
    service, own = engine.held.values()
    assert engine.commands[0] == ("--tls=false", "--registry-mirror=https://m.corp:5443")
    path = "etc/docker/certs.d/m.corp:5443/ca.crt"
    member, content = service.files[path]
    assert (content.decode(), member.mode) == (PEM, 0o644)
    assert path in engine.seen_at_start[0]
    # Folders of the image keep their mode: the archive does not name them.
    assert "etc" not in service.files
    assert path not in own.files
    session.close()


def test_the_jobs_own_container_receives_its_files(engine: Endless) -> None:
    session = ContainerExecutor(engine).open(
        spec_of(job(script=("docker buildx create --use",))), lambda _: None
    )
    (own,) = engine.held.values()
    _, content = own.files["root/.docker/buildx/buildkitd.default.toml"]
    assert content.startswith(b'[registry."docker.io"]\n  mirrors = ["m.corp:5443"]\n')
    session.close()


def test_an_engine_that_refuses_files_is_an_error_that_names_the_image(engine: Endless) -> None:
    def refuse(container: str, path: str, chunks: object) -> None:
        del container, path, chunks
        raise EngineError.of("read-only file system", code="engine-refused")

    engine.put_archive = refuse  # type: ignore[method-assign]
    with pytest.raises(ExecutorError, match=r"service docker:dind: read-only"):
        ContainerExecutor(engine).open(
            spec_of(job(services=(Service(name="docker:dind"),))), lambda _: None
        )
    with pytest.raises(ExecutorError, match=r"image docker:24: read-only"):
        ContainerExecutor(engine).open(spec_of(job(script=("podman pull a",))), lambda _: None)
    assert engine.held_networks == {}
