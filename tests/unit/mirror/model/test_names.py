"""Overlays, which keep local referrers of mirrored repositories among the local ones."""

import pytest

from homeport.mirror.model.names import LOCAL, Repository


@pytest.mark.parametrize(
    "repository",
    [
        Repository("docker.io", "library/nginx"),
        Repository("localhost:5000", "app"),
        Repository("registry.corp:5000", "team/app"),
    ],
    ids=str,
)
def test_an_overlay_knows_its_repository(repository: Repository) -> None:
    assert repository.overlay.is_overlay
    assert repository.overlay.mirrored == repository


def test_what_was_pushed_or_mirrored_is_no_overlay() -> None:
    assert not Repository(LOCAL, "team/app.v2").is_overlay
    assert not Repository("docker.io", "a.b/c").is_overlay
