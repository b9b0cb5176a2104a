"""A registry's URL, with and without a path."""

import pytest

from homeport.remote.base_url import parse_base_url


@pytest.mark.parametrize(
    ("text", "authority", "path", "scope"),
    [
        ("https://h", "h", "/v2/a/b/tags/list", "a/b"),
        ("https://h/", "h", "/v2/a/b/tags/list", "a/b"),
        ("https://H:443/v2/", "h", "/v2/a/b/tags/list", "a/b"),
        ("http://h:5000/v2", "h:5000", "/v2/a/b/tags/list", "a/b"),
        ("https://h/v2/proxy-hub", "h", "/v2/proxy-hub/a/b/tags/list", "proxy-hub/a/b"),
        ("https://h/v2/x/y/", "h", "/v2/x/y/a/b/tags/list", "x/y/a/b"),
        ("https://h/art/api/docker/hub", "h", "/art/api/docker/hub/v2/a/b/tags/list", "a/b"),
        ("https://h/art/v2/hub", "h", "/art/v2/hub/a/b/tags/list", "hub/a/b"),
        ("https://[FD00::1]:5000", "[fd00::1]:5000", "/v2/a/b/tags/list", "a/b"),
    ],
)
def test_path_and_scope(text: str, authority: str, path: str, scope: str) -> None:
    base = parse_base_url(text)
    assert base.authority == authority
    assert base.path("a/b", "tags/list") == path
    assert base.scope("a/b") == f"repository:{scope}:pull"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "ftp://h",
        "https://",
        "https:///v2",
        "https://u:hidden@h",
        "https://h?hidden",
        "https://h#hidden",
        "https://h/v2/UPPER",
        "https://h/v2/../hidden",
        "https://h/a%2fb",
        "https://h:hidden",
        "https://h/a b",
        "https://h/\nhidden",
        "https://h/" + "x" * 3000,
    ],
)
def test_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_base_url(text)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_loopback(host: str) -> None:
    assert parse_base_url(f"http://{host}").is_loopback
    assert not parse_base_url("http://10.0.0.1").is_loopback
