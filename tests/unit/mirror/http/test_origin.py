import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from homeport.mirror.http.headers import JoinedHeaders
from homeport.mirror.http.origin import UNIX, Origin, TrustedProxies, plain_address, valid_host

PROXIES = TrustedProxies(["10.0.0.0/8", "fd00::/8"])
PEER = Origin("10.0.0.1", "http", "inner.test")


def headers(*pairs: tuple[str, str]) -> JoinedHeaders:
    return JoinedHeaders(CIMultiDictProxy(CIMultiDict(pairs)))


def test_nobody_is_believed_who_is_not_trusted() -> None:
    stranger = Origin("192.0.2.9", "http", "mirror.test")
    said = headers(
        ("X-Forwarded-For", "10.0.0.2"),
        ("Forwarded", "for=10.0.0.2;proto=https;host=evil"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil"),
    )
    assert PROXIES.origin(stranger, said) == stranger
    assert TrustedProxies([]).origin(PEER, said) == PEER


@pytest.mark.parametrize(
    ("listed", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("203.0.113.7, 192.0.2.1", "192.0.2.1"),  # what the client itself wrote is left of it
        ("192.0.2.1, 10.0.0.3", "192.0.2.1"),
        ("203.0.113.7, 192.0.2.1, 10.9.9.9,10.0.0.3", "192.0.2.1"),
        ("10.0.0.4", "10.0.0.4"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_x_forwarded_for_is_read_from_the_right(listed: str, address: str) -> None:
    assert PROXIES.origin(PEER, headers(("X-Forwarded-For", listed))).address == address


def test_several_lines_are_one_list() -> None:
    said = headers(("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-For", "192.0.2.1"))
    assert PROXIES.origin(PEER, said).address == "192.0.2.1"


@pytest.mark.parametrize("listed", ["unknown", "", "192.0.2.1, _hidden", "a" * 200, "1," * 40])
def test_a_list_that_names_nobody_is_refused(listed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        PROXIES.origin(PEER, headers(("X-Forwarded-For", listed)))


def test_scheme_and_host_of_the_nearest_proxy() -> None:
    said = headers(
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Proto", "http, https"),
        ("X-Forwarded-Host", "Registry.Test:8443"),
    )
    assert PROXIES.origin(PEER, said) == Origin("192.0.2.1", "https", "registry.test:8443")
    odd = headers(("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Host", "a b/../c"))
    assert PROXIES.origin(PEER, odd) == PEER


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("for=192.0.2.1;proto=https;host=r.test", Origin("192.0.2.1", "https", "r.test")),
        ('For="[2001:db8::1]:80" ; proto=https', Origin("2001:db8::1", "https", "inner.test")),
        ('for="192.0.2.1:80";by=x', Origin("192.0.2.1", "http", "inner.test")),
        ("for=203.0.113.7, for=192.0.2.1;proto=https", Origin("192.0.2.1", "https", "inner.test")),
        ("for=192.0.2.1;proto=https, for=10.0.0.2", Origin("192.0.2.1", "https", "inner.test")),
    ],
)
def test_forwarded(text: str, expected: Origin) -> None:
    assert PROXIES.origin(PEER, headers(("Forwarded", text))) == expected


@pytest.mark.parametrize("text", ["for", "for=192.0.2.1 nonsense=", 'for="192.0.2.1', "for=_x"])
def test_malformed_forwarded_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        PROXIES.origin(PEER, headers(("Forwarded", text)))


def test_a_client_cannot_use_the_header_that_its_proxy_does_not_write() -> None:
    said = headers(("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=10.0.0.9"))
    with pytest.raises(ValueError, match="different clients"):
        PROXIES.origin(PEER, said)
    same = headers(("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.1"))
    assert PROXIES.origin(PEER, same).address == "192.0.2.1"


def test_unix_sockets_are_trusted_by_name() -> None:
    peer = Origin(UNIX, "http", "localhost")
    said = headers(("X-Forwarded-For", "192.0.2.1"))
    assert TrustedProxies(["unix"]).origin(peer, said).address == "192.0.2.1"
    assert TrustedProxies(["10.0.0.0/8"]).origin(peer, said).address == UNIX
    assert TrustedProxies([]).origin(peer, said).address == UNIX


def test_a_proxy_must_be_a_network() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        TrustedProxies(["nonsense"])


def test_spellings() -> None:
    assert plain_address("fe80::1%eth0") == "fe80::1"
    assert plain_address("1.2.3") is None
    assert valid_host(" Registry.Internal:5000 ") == "registry.internal:5000"
    assert valid_host("[::1]:5000") == "[::1]:5000"
    for bad in ("", "a/b", "a b", "a:b:c", "a\nb", "-" * 300, "a@b"):
        assert valid_host(bad) is None


def test_headers_are_valid_text_whatever_came() -> None:
    odd = headers(("User-Agent", "a\udcffb"), ("Accept", "x"), ("accept", "y"))
    assert odd["user-agent"] == "a\N{REPLACEMENT CHARACTER}b"
    assert odd["ACCEPT"] == "x, y"
    assert sorted(odd) == ["accept", "user-agent"]
    assert len(odd) == 2
    assert odd.get("absent") is None
    assert "Accept" in odd
