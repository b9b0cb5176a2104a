"""The rules of targets, apart from the network."""

import pytest
from yarl import URL

from homeport.remote.base_url import parse_base_url
from homeport.remote.errors import ForbiddenTargetError
from homeport.remote.target import Gate, Targets, Way, parse_target


def gate(own: str, *listed: str) -> Gate:
    return Gate(parse_base_url(own), Targets(listed), Way.REDIRECT, "redirect_hosts")


@pytest.mark.parametrize(
    ("own", "listed", "target", "way"),
    [
        ("https://h", (), "https://cdn.example/x", Way.REDIRECT),
        ("https://h", (), "https://93.184.216.34/x", Way.REDIRECT),
        ("https://h", (), "https://h/x", Way.OPEN),
        ("https://H.", (), "https://h:9000/x", Way.OPEN),
        ("http://h", (), "http://h:9000/x", Way.OPEN),
        ("http://h", (), "https://h/x", Way.OPEN),
        ("https://10.0.0.1", (), "https://10.0.0.1/x", Way.OPEN),
        ("http://localhost:5000", (), "http://localhost:5000/x", Way.OPEN),
        ("https://h", ("cdn.example",), "http://cdn.example/x", Way.OPEN),
        ("https://h", ("*.corp",), "https://minio.corp/x", Way.OPEN),
        ("https://h", ("*.CORP",), "https://MINIO.corp./x", Way.OPEN),
        ("https://h", ("minio.corp:9000",), "http://minio.corp:9000/x", Way.OPEN),
        ("https://h", ("10.0.0.0/8",), "http://10.1.2.3/x", Way.OPEN),
        ("https://h", ("fd00::/8",), "https://[fd00::1]:9000/x", Way.OPEN),
        ("https://h", ("[fd00::1]:9000",), "https://[fd00::1]:9000/x", Way.OPEN),
    ],
)
def test_allowed(own: str, listed: tuple[str, ...], target: str, way: Way) -> None:
    assert gate(own, *listed).check(URL(target)) is way


@pytest.mark.parametrize(
    ("own", "listed", "target"),
    [
        ("https://h", (), "http://h/x"),
        ("https://h", (), "http://cdn.example/x"),
        ("https://h", (), "https://10.0.0.1/x"),
        ("http://127.0.0.1:5000", (), "http://127.0.0.1:5001/x"),
        ("http://localhost:5000", (), "http://localhost/x"),
        ("http://10.0.0.1", (), "http://10.0.0.2/x"),
        ("https://h", ("minio.corp:9000",), "http://minio.corp:9001/x"),
        ("https://h", ("*.corp",), "http://corp.evil/x"),
        ("https://h", ("10.0.0.0/8",), "http://name.in.that.network/x"),
        ("https://h", ("10.0.0.0/8",), "https://11.0.0.1:1@10.0.0.1.evil/"),
        ("https://h", ("10.0.0.0/8",), "https://192.168.1.1/x"),
        ("https://h", (), "https://[fe80::1]/x"),
        ("https://h", (), "https://[2002:7f00:1::]/x"),
    ],
)
def test_forbidden(own: str, listed: tuple[str, ...], target: str) -> None:
    if "@" in target:
        with pytest.raises(ValueError, match="user or a password"):
            parse_target(target, base=URL(own))
        return
    with pytest.raises(ForbiddenTargetError, match="redirect_hosts"):
        gate(own, *listed).check(URL(target))


@pytest.mark.parametrize("entry", ["", "a b", "10.0.0.0/99", "h:port", "u@h", ":80"])
def test_entry_that_is_none(entry: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Targets((entry,))


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/x?s=a%2Fb%3D+%7e#f", "https://h/x?s=a%2Fb%3D+%7e"),
        ("https://c/x?s=%20&&=", "https://c/x?s=%20&&="),
        ("//c/x", "https://c/x"),
        ("y", "https://h/v2/y"),
    ],
)
def test_location_is_kept_byte_by_byte(location: str, expected: str) -> None:
    assert str(parse_target(location, base=URL("https://h/v2/x"))) == expected
