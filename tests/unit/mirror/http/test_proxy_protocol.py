import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.mirror.http.proxy_protocol import FIXED, MAX_REST, SIGNATURE, length_of, source_of


def header(command: int, family: int, rest: bytes, *, version: int = 2) -> tuple[bytes, bytes]:
    fixed = SIGNATURE + bytes([version << 4 | command, family]) + struct.pack(">H", len(rest))
    return fixed, rest


def v4(source: str) -> bytes:
    return ip_address(source).packed + ip_address("127.0.0.1").packed + struct.pack(">HH", 1, 2)


def v6(source: str) -> bytes:
    return ip_address(source).packed + ip_address("::1").packed + struct.pack(">HH", 1, 2)


def test_the_source_is_the_client() -> None:
    fixed, rest = header(1, 0x11, v4("192.0.2.1"))
    assert length_of(fixed) == len(rest)
    assert source_of(fixed, rest) == "192.0.2.1"
    assert source_of(*header(1, 0x21, v6("2001:db8::1"))) == "2001:db8::1"
    assert source_of(*header(1, 0x21, v6("::ffff:192.0.2.1"))) == "192.0.2.1"
    assert source_of(*header(1, 0x11, v4("192.0.2.1") + b"\x04\0\1x")) == "192.0.2.1"


def test_local_and_unknown_families_name_nobody() -> None:
    assert source_of(*header(0, 0x11, v4("192.0.2.1"))) is None
    assert source_of(*header(1, 0x00, b"")) is None
    assert source_of(*header(1, 0x31, b"x" * 216)) is None


@pytest.mark.parametrize(
    "fixed",
    [
        b"",
        b"PROXY TCP4 1.2.3.4",
        b"GET /v2/ HTTP/1.1",
        header(1, 0x11, b"", version=1)[0],
        header(2, 0x11, b"")[0],
        header(1, 0x11, b"x" * (MAX_REST + 1))[0],
    ],
)
def test_what_is_no_header(fixed: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        length_of(fixed[:FIXED])


@given(st.integers(0, 255), st.binary(max_size=40))
def test_a_short_header_is_an_error_and_nothing_else(family: int, rest: bytes) -> None:
    fixed, _ = header(1, family, rest)
    try:
        source = source_of(fixed, rest)
    except ValueError:
        return
    assert source is None or ip_address(source)
