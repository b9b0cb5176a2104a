"""What a job's log says of a failed pull, beside the engine's own words."""

from collections.abc import Sequence

import pytest

from homeport.engine.fake import FakeEngine
from homeport.pipeline.execute.api import ExecutorError
from homeport.pipeline.execute.container_image import Images
from homeport.pipeline.execute.pull_failure import PullFailures
from homeport.pipeline.plan.registry_prefix import RegistryPrefixes

NO_HOST = 'Get "https://registry-1.docker.io/v2/": dial tcp: lookup …: no such host'


def failing(said: str, *, mirrors: Sequence[str] = ()) -> FakeEngine:
    engine = FakeEngine()
    engine.pull_error, engine.hub_mirrors = said, list(mirrors)
    return engine


def pull(images: Images, name: str) -> list[str]:
    told: list[str] = []
    with pytest.raises(ExecutorError):
        images.ensure(name, None, ("always",), told.append)
    return told


def test_a_network_that_does_not_reach_the_registry_is_named_with_the_cure_once() -> None:
    images = Images(failing(NO_HOST))
    (said,) = [line for line in pull(images, "alpine") if "homeport enroll" in line]
    assert said == (
        "this network does not reach docker.io: `homeport enroll apply --mirror URL` points every "
        "tool at a mirror; CONTAINER_REGISTRY=HOST cures homeport run alone"
    )
    assert not any("homeport enroll" in line for line in pull(images, "nginx"))


def test_another_registry_has_a_cure_of_its_own() -> None:
    said = "\n".join(pull(Images(failing("dial tcp 1.2.3.4:443: i/o timeout")), "quay.io/a/b:1"))
    assert "--registries docker.io,quay.io" in said
    assert "--registry-prefix quay.io=HOST/PATH" in said


@pytest.mark.parametrize(
    ("said", "image"),
    [
        ("manifest for alpine:9 not found: manifest unknown", "alpine:9"),
        (f"{NO_HOST} (Mirrors also failed: [m:5000/library/alpine: 404])", "alpine"),
        ("dial tcp 127.0.0.1:5000: connect: connection refused", "localhost:5000/a"),
    ],
)
def test_nothing_is_said_of_other_failures(said: str, image: str) -> None:
    assert not any("homeport enroll" in line for line in pull(Images(failing(said)), image))


def test_who_has_a_registry_of_his_own_is_not_told_to_have_one() -> None:
    prefixes = RegistryPrefixes(prefixes={"docker.io": "registry.corp"})
    told = pull(Images(failing("lookup registry.corp: no such host"), {}, prefixes), "alpine")
    assert not any("does not reach" in line for line in told)


def test_an_image_that_may_not_be_pulled_is_no_failed_pull() -> None:
    engine, told = failing(NO_HOST, mirrors=["http://m"]), list[str]()
    with pytest.raises(ExecutorError):
        Images(engine).ensure("alpine", None, ("never",), told.append)
    assert engine.calls["mirrors"] == 0


def test_the_mirror_is_asked_and_quoted_instead() -> None:
    asked: list[tuple[Sequence[str], str]] = []

    def ask(mirrors: Sequence[str], image: str) -> Sequence[str]:
        asked.append((mirrors, image))
        return ("the mirror http://m says: 403 DENIED",)

    found = PullFailures(failing("", mirrors=["http://m/"]), ask)
    assert list(found.explain("alpine:3", NO_HOST)) == ["the mirror http://m says: 403 DENIED"]
    assert asked == [(("http://m/",), "alpine:3")]


def test_an_engine_that_is_gone_changes_nothing() -> None:
    engine = failing("")
    engine.dead = "gone"
    assert list(PullFailures(engine).explain("alpine", "it hung up")) == []
