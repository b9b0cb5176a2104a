"""What people write for an image, and where it is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.mirror.control.image_name import listener_for, parse_image, without_own_host
from homeport.mirror.model.config import ListenerConfig, MirrorConfig, Role

D = "sha256:" + "a" * 64
CONFIG = MirrorConfig(
    data="/data",
    listeners=(
        ListenerConfig(name="hub", address="127.0.0.1:5000", role=Role.DOCKER_MIRROR),
        ListenerConfig(
            name="all",
            address="127.0.0.1:5443",
            role=Role.REGISTRY,
            external_url="https://Registry.internal:5443",
        ),
    ),
)


@pytest.mark.parametrize(
    ("text", "path", "reference"),
    [
        ("alpine", "alpine", None),
        ("alpine:3.20", "alpine", "3.20"),
        ("user/app:1", "user/app", "1"),
        ("docker.io/library/alpine:3.20", "docker.io/library/alpine", "3.20"),
        ("index.docker.io/library/alpine", "docker.io/library/alpine", None),
        ("docker://quay.io/o/i", "quay.io/o/i", None),
        (f"quay.io/o/i@{D}", "quay.io/o/i", D),
        (f"quay.io/o/i:v1@{D}", "quay.io/o/i", D),
        ("registry.corp:5000/app", "registry.corp_5000/app", None),
        ("registry.corp:5000/app:2", "registry.corp_5000/app", "2"),
        ("localhost/app", "localhost/app", None),
    ],
)
def test_an_image(text: str, path: str, reference: str | None) -> None:
    image = parse_image(text)
    assert (image.path, image.reference) == (path, reference)


@pytest.mark.parametrize(
    "text",
    ["", ":", "@", "Alpine", "a b", "a@sha256:12", "a:/b", "../x", "a:b c", "x" * 2000, "a//b"],
)
def test_no_image(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_image(text)


@given(st.text(max_size=80))
def test_any_text_is_an_image_or_a_value_error(text: str) -> None:
    try:
        image = parse_image(text)
    except ValueError:
        return
    assert image.path
    assert " " not in image.path


@pytest.mark.parametrize(
    ("text", "path", "listener"),
    [
        ("alpine", "alpine", "hub"),
        ("docker.io/library/alpine", "docker.io/library/alpine", "hub"),
        ("quay.io/o/i", "quay.io/o/i", "all"),
        ("registry.internal:5443/team/app", "team/app", "all"),
        ("registry.internal:5443/ghcr.io/o/i:1", "ghcr.io/o/i", "all"),
        ("127.0.0.1:5443/quay/o/i", "quay/o/i", "all"),
        ("127.0.0.1:5000/library/alpine", "library/alpine", "hub"),
    ],
)
def test_where_it_is_asked(text: str, path: str, listener: str) -> None:
    image = parse_image(text)
    assert listener_for(image, CONFIG).name == listener
    assert without_own_host(image, CONFIG).path == path
