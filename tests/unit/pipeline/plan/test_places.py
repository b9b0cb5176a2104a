"""Where a job with services runs: in a container, or not at all."""

import pytest

from homeport.pipeline.model.config import Image, Job, Service
from homeport.pipeline.model.plan import Runs
from homeport.pipeline.plan.places import _container_or_shell
from homeport.settings.model import ExecutorChoice, Settings

WEB = (Service(name="web"), Service(name="db:1"))


def job(image: str | None, services: tuple[Service, ...]) -> Job:
    return Job(
        name="x", stage="test", image=Image(name=image) if image else None, services=services
    )


@pytest.mark.parametrize(
    ("image", "settings", "services", "expected"),
    [
        ("a", Settings(), WEB, Runs.CONTAINER),
        (None, Settings(default_image="a"), WEB, Runs.CONTAINER),
        (None, Settings(), WEB, Runs.NOWHERE),
        (None, Settings(), (), Runs.SHELL),
        ("a", Settings(executor=ExecutorChoice.SHELL), WEB, Runs.NOWHERE),
        ("a", Settings(executor=ExecutorChoice.SHELL), (), Runs.SHELL),
    ],
)
def test_services_need_a_container(
    image: str | None, settings: Settings, services: tuple[Service, ...], expected: Runs
) -> None:
    place = _container_or_shell(job(image, services), None, settings)
    assert place.runs is expected
    if expected is Runs.NOWHERE:
        assert "(web, db:1)" in (place.not_run or "")
