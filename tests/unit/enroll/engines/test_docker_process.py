"""Flags are read as pflag reads them, units as systemd, proxies as Go."""

import pytest

from homeport.enroll.engines.docker_process import read_flags
from homeport.enroll.engines.docker_proxies import capturing, from_env


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ("--mtu=1 --mtu 2", {"mtu": ("1", "2")}),
        ("-H fd:// -Hunix:///x -H=tcp://y", {"host": ("fd://", "unix:///x", "tcp://y")}),
        ("-D --icc=false x --debug", {"debug": ("true", "true"), "icc": ("false",)}),
        ("-Dl warn", {"debug": ("true",), "log-level": ("warn",)}),
        ("--registry-mirror", {"registry-mirror": ("",)}),
        ("-- --mtu=1", {}),
        ("serve -", {}),
    ],
)
def test_flags(line: str, flags: dict[str, tuple[str, ...]]) -> None:
    assert read_flags(line.split()) == flags


@pytest.mark.parametrize(
    ("url", "listed", "captured"),
    [
        ("http://m.corp:5000", "", True),
        ("https://m.corp", "", False),
        ("http://127.0.0.1:5000", "", False),
        ("http://localhost:5000", "", False),
        ("http://[::1]:5000", "", False),
        ("http://m.corp", "corp", False),
        ("http://m.corp", "x, .corp", False),
        ("http://m.corp", "*.corp", False),
        ("http://corp", ".corp", True),
        ("http://mcorp", "corp", True),
        ("http://M.Corp:5000", "m.corp:5000", False),
        ("http://m.corp:5000", "m.corp:80", True),
        ("http://m.corp", "*", False),
        ("http://10.1.2.3", "10.0.0.0/8", False),
        ("http://10.1.2.3", "10.1.2.3", False),
        ("http://10.1.2.3", "2.3", True),
        ("http://m.corp", "10.0.0.0/8", True),
        ("http://m.corp", "bad/net", True),
    ],
)
def test_what_a_proxy_captures(url: str, listed: str, captured: bool) -> None:
    found = capturing(url, {"http_proxy": "http://p", "no_proxy": listed})
    assert found == ("http://p" if captured else None)


def test_names_in_capitals_come_first() -> None:
    env = {"http_proxy": "http://small", "HTTP_PROXY": "http://big", "no_proxy": "x", "A": "b"}
    assert from_env(env) == {"http_proxy": "http://big", "no_proxy": "x"}
