"""URLs of mirrors are those that every engine takes; what is odd is told with the remedy."""

import pytest

from homeport.enroll.address import docker_address, parse_address
from homeport.enroll.errors import EnrollError


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://mirror", "http://mirror"),
        ("https://mirror.corp:443/", "https://mirror.corp"),
        ("https://mirror.corp:5443", "https://mirror.corp:5443"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[fd00::1]:5000/", "http://[fd00::1]:5000"),
        ("https://nexus/repository/hub/", "https://nexus/repository/hub"),
        ("https://mirror/v2/", "https://mirror"),
    ],
)
def test_urls_are_told_in_one_spelling(url: str, told: str) -> None:
    assert parse_address(url).url == told


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("mirror:5000", "no scheme", "https://mirror:5000"),
        ("ftp://mirror", "scheme ftp", "http and https"),
        ("https://ann:pw@mirror", "user name or password", "without a login"),
        ("https://mirror?x=1", "query", "leave away"),
        ("https://mirror/#x", "query or fragment", ""),
        ("https://", "names no host", ""),
        ("https://mirror:99999", "is no URL", ""),
        ("https://mirror:0", "names no host", ""),
        ("https://mi rror", "names no host", ""),
        ("https://mirror/../x", "has a path", ""),
        ('https://mirror/"x', "has a path", ""),
    ],
)
def test_odd_urls_are_refused(url: str, message: str, hint: str) -> None:
    with pytest.raises(EnrollError, match=message) as caught:
        parse_address(url)
    assert hint in caught.value.hint
    assert "pw" not in str(caught.value) + caught.value.hint


def test_docker_takes_no_path() -> None:
    assert docker_address("https://mirror/").url == "https://mirror"
    with pytest.raises(EnrollError, match="with a path") as caught:
        docker_address("https://nexus/repository/hub")
    assert "--docker-mirror" in caught.value.hint
