import pytest

from homeport.engine.address import Address, parse_address
from homeport.engine.api import EngineError


@pytest.mark.parametrize(
    ("text", "certificates", "expected", "shown"),
    [
        ("unix:///run/x.sock", None, Address(path="/run/x.sock"), "unix:///run/x.sock"),
        ("/run/x.sock", None, Address(path="/run/x.sock"), "unix:///run/x.sock"),
        ("tcp://host", None, Address(host="host", port=2375), "tcp://host:2375"),
        ("tcp://host:99", None, Address(host="host", port=99), "tcp://host:99"),
        ("http://host:99/x", None, Address(host="host", port=99), "tcp://host:99"),
        ("tcp://[::1]:99", None, Address(host="::1", port=99), "tcp://[::1]:99"),
        (
            "tcp://host",
            "/certs",
            Address(host="host", port=2376, certificates="/certs"),
            "tcp://host:2376",
        ),
        (
            "https://host",
            None,
            Address(host="host", port=2376, certificates=""),
            "tcp://host:2376",
        ),
        ("tcp://me:secret@host", None, Address(host="host", port=2375), "tcp://host:2375"),
    ],
)
def test_addresses(text: str, certificates: str | None, expected: Address, shown: str) -> None:
    assert parse_address(text, certificates) == expected
    assert str(expected) == shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ssh://user:secret@host", "ssh is not spoken"),
        ("unix://", "not unix:// or tcp://"),
        ("host", "not unix:// or tcp://"),
        ("", "not unix:// or tcp://"),
        ("npipe:////./pipe/docker", "not unix:// or tcp://"),
        ("tcp://host:port", "Port"),
        ("tcp://[", "Invalid IPv6"),
    ],
)
def test_unusable_addresses(text: str, words: str) -> None:
    with pytest.raises(EngineError) as caught:
        parse_address(text)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
