"""Which requests go through which proxy."""

from collections.abc import Mapping

import pytest

from homeport.errors import MissingError
from homeport.gitlab.address import parse_url
from homeport.gitlab.proxy import choose_proxy

ONE = "http://one.test:3128"

CHOICES: list[tuple[str, Mapping[str, str], tuple[str, int] | None]] = [
    ("https://a.test/", {}, None),
    ("https://a.test/", {"https_proxy": ONE}, ("one.test", 3128)),
    ("https://a.test/", {"HTTPS_PROXY": ONE}, ("one.test", 3128)),
    ("https://a.test/", {"https_proxy": ONE, "HTTPS_PROXY": "http://two.test"}, ("one.test", 3128)),
    ("https://a.test/", {"https_proxy": "", "HTTPS_PROXY": "http://two.test"}, ("two.test", 80)),
    ("https://a.test/", {"http_proxy": ONE}, None),
    ("http://a.test/", {"http_proxy": ONE}, ("one.test", 3128)),
    ("http://a.test/", {"HTTP_PROXY": ONE}, ("one.test", 3128)),
    ("http://a.test/", {"HTTP_PROXY": ONE, "REQUEST_METHOD": "GET"}, None),
    ("http://a.test/", {"all_proxy": "one.test:3128"}, ("one.test", 3128)),
    ("https://a.test/", {"ALL_PROXY": ONE}, ("one.test", 3128)),
]


@pytest.mark.parametrize(("url", "env", "expected"), CHOICES)
def test_choose(url: str, env: Mapping[str, str], expected: tuple[str, int] | None) -> None:
    proxy = choose_proxy(parse_url(url), env)
    assert (None if proxy is None else (proxy.host, proxy.port)) == expected


EXCEPTIONS: list[tuple[str, str, bool]] = [
    ("https://a.test/", "a.test", True),
    ("https://a.test/", " b.test , A.Test ", True),
    ("https://sub.a.test/", "a.test", True),
    ("https://sub.a.test/", ".a.test", True),
    ("https://sub.a.test/", "*.a.test", True),
    ("https://a.test/", ".a.test", True),
    ("https://nota.test/", "a.test", False),
    ("https://a.test.evil/", "a.test", False),
    ("https://a.test/", "*", True),
    ("https://a.test/", "", False),
    ("https://a.test:8443/", "a.test:8443", True),
    ("https://a.test:8443/", "a.test:443", False),
    ("https://a.test/", "a.test:443", True),
    ("https://127.0.0.1/", "127.0.0.1", True),
    ("https://10.1.2.3/", "10.0.0.0/8", True),
    ("https://11.1.2.3/", "10.0.0.0/8", False),
    ("https://a.test/", "10.0.0.0/8", False),
    ("https://[fd00::1]/", "fd00::/8", True),
    ("https://[::1]/", "::1", True),
    ("https://[::1]:8443/", "[::1]:8443", True),
    ("https://a.test/", "nonsense/99", False),
]


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize(("url", "exceptions", "direct"), EXCEPTIONS)
def test_except(url: str, exceptions: str, direct: bool, name: str) -> None:
    proxy = choose_proxy(parse_url(url), {"all_proxy": ONE, name: exceptions})
    assert (proxy is None) is direct


@pytest.mark.parametrize(
    "address", ["socks5://u:hunter2@one.test", "https://u:hunter2@one.test", "http://u:hunter2@"]
)
def test_a_proxy_that_we_cannot_speak_to_is_told_without_its_password(address: str) -> None:
    with pytest.raises(MissingError, match="the proxy in https_proxy cannot be used") as caught:
        choose_proxy(parse_url("https://a.test/"), {"https_proxy": address})
    assert "hunter2" not in str(caught.value.problems)
