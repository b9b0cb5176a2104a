"""The address of a component, taken apart."""

import pytest

from homeport.pipeline.include.component import parse_component
from homeport.pipeline.include.location import LocationError


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("gitlab.corp/group/parts/build@1.2", ("gitlab.corp", "group/parts", "build", "1.2")),
        ("GitLab.corp:8443/a/b/c/d@~latest", ("gitlab.corp:8443", "a/b/c", "d", "~latest")),
        ("h/g/p/n@feature/a@b", ("h", "g/p", "n", "feature/a@b")),
    ],
)
def test_parts(address: str, parts: tuple[str, ...]) -> None:
    found = parse_component(address)
    assert (found.host, found.project, found.name, found.version) == parts
    assert found.paths == (
        f"templates/{found.name}.yml",
        f"templates/{found.name}/template.yml",
    )


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("gitlab.corp/group/parts/build", "the component path is not supported"),
        ("/group/parts/build@1", "the component path is not supported"),
        ("", "the component path is not supported"),
        ("https://h/g/p/n@1", "the component path is not supported"),
        ("h/name@1", "content not found"),
        ("h/g/p/@1", "content not found"),
        ("h/g/p/n@", "content not found"),
    ],
)
def test_what_is_no_component(address: str, reason: str) -> None:
    with pytest.raises(LocationError) as raised:
        parse_component(address)
    assert str(raised.value) == f"Component '{address}' - {reason}"
