"""The images that a Dockerfile takes from registries."""

import pytest

from homeport.oci.dockerfile import base_images


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM alpine\n", [("alpine", 1)]),
        ("# FROM x\n\nfrom --platform=$P quay.io/a/b:1 as one\n", [("quay.io/a/b:1", 3)]),
        ("FROM a AS one\nFROM one AS two\nFROM Two\n", [("a", 1)]),
        ("FROM scratch\nCOPY --from=ghcr.io/a/b:1 /x /y\n", [("ghcr.io/a/b:1", 2)]),
        ("FROM a as b\nCOPY --chown=1 --from=b /x /y\nCOPY --from=0 /x /y\n", [("a", 1)]),
        ("FROM a\nRUN --mount=type=bind,from=q.io/t,target=/t t\n", [("a", 1), ("q.io/t", 2)]),
        ("ARG R=ghcr.io\nARG T\nFROM ${R}/a:${T:-1}\n", [("ghcr.io/a:1", 3)]),
        ("ARG T\nFROM a:$T\n", []),
        ("ARG R='quay.io'\nFROM $R/a\n", [("quay.io/a", 2)]),
        ("FROM\n", []),
        ("", []),
    ],
)  # fmt: skip
def test_base_images(text: str, expected: list[tuple[str, int]]) -> None:
    assert [(found.image, found.line) for found in base_images(text)] == expected
