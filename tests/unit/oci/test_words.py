"""Digests, names, tags and media types: what is one, and what only looks like one."""

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.oci.digest import (
    algorithm_of,
    digest_of,
    hex_of,
    parse_digest,
    start_hash,
)
from homeport.oci.error_code import STATUS, ErrorCode
from homeport.oci.media_type import bare, is_distributable
from homeport.oci.reference import is_name, is_tag, parse_reference, parse_tag

HEX = "0123456789abcdef" * 4


@settings(deadline=None)
@given(st.binary(max_size=100), st.sampled_from(["sha256", "sha512"]))
def test_a_digest_is_that_of_hashlib_and_parses(content: bytes, algorithm: str) -> None:
    digest = digest_of(content, algorithm)
    assert parse_digest(digest) == digest
    assert algorithm_of(digest) == algorithm
    assert hex_of(digest) == hashlib.new(algorithm, content).hexdigest()
    running = start_hash(algorithm)
    running.update(content[:3])
    running.update(content[3:])
    assert running.hexdigest() == hex_of(digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256",
        "sha256:",
        f"sha256:{HEX.upper()}",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
        f"sha256:{HEX}\n",
        f" sha256:{HEX}",
        f"SHA256:{HEX}",
        f"sha512:{HEX}",
        f"sha384:{HEX}{HEX[:32]}",
        f"md5:{HEX[:32]}",
        f"sha256:{HEX[:-1]}\u0663",
        "sha256:../../../../../../../../../../../../../../../../../../../etc/p",
    ],
)
def test_what_is_no_digest(text: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        parse_digest(text)


def test_an_algorithm_that_is_not_registered() -> None:
    for name in ("md5", "sha1", "", "SHA256", "sha3_256", "x" * 10_000):
        with pytest.raises(ValueError, match="algorithm"):
            start_hash(name)


@pytest.mark.parametrize(
    "text", ["a", "a/b/c", "a.b_c__d-e--f/0", "library/nginx", "a" * 255, "a/" * 127 + "a"]
)
def test_names(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "a..b",
        "a___b",
        "a-",
        "-a",
        "a/../b",
        "..",
        "a b",
        "a\n",
        "a:b",
        "a@b",
        "\u0661",
        "a" * 256,
        "a%2fb",
        "a\x00",
    ],
)
def test_what_is_no_name(text: str) -> None:
    assert not is_name(text)


def test_a_hostile_name_is_refused_quickly() -> None:
    assert not is_name("a-" * 100_000)
    assert not is_name("a" + "-" * 253 + "!")


@pytest.mark.parametrize("text", ["a", "_", "V1.0-x_Y", "0", "a" * 128, "a..b"])
def test_tags(text: str) -> None:
    assert parse_tag(text) == text
    assert parse_reference(text) == text


@pytest.mark.parametrize("text", ["", ".", "-a", ".a", "a" * 129, "a/b", "a\n", "\u0661", "a b"])
def test_what_is_no_tag(text: str) -> None:
    assert not is_tag(text)
    with pytest.raises(ValueError, match="tag"):
        parse_reference(text)


def test_a_reference_with_a_colon_is_a_digest() -> None:
    assert parse_reference(f"sha256:{HEX}") == f"sha256:{HEX}"
    with pytest.raises(ValueError, match="digest"):
        parse_reference("latest:1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b", "a/b"),
        ("A/B; charset=utf-8", "a/b"),
        (" a/b ;q=1", "a/b"),
        ("", ""),
        (";", ""),
    ],
)
def test_a_media_type_without_parameters(text: str, expected: str) -> None:
    assert bare(text) == expected


def test_layers_that_a_registry_need_not_hold() -> None:
    layer: Any = "application/vnd.oci.image.layer{}v1.tar+gzip"
    assert is_distributable(layer.format("."))
    assert not is_distributable(layer.format(".nondistributable."))
    assert not is_distributable("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")


def test_every_error_code_has_a_status() -> None:
    assert set(STATUS) == set(ErrorCode)
    assert all(400 <= status < 600 for status in STATUS.values())
