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
        ("ssh://host", None, Address(ssh=True, host="host"), "ssh://host"),
        ("ssh://host/", "/certs", Address(ssh=True, host="host"), "ssh://host"),
        (
            "ssh://me@host:2222/run/podman.sock",
            None,
            Address(ssh=True, user="me", host="host", port=2222, path="/run/podman.sock"),
            "ssh://host:2222/run/podman.sock",
        ),
    ],
)
def test_addresses(text: str, certificates: str | None, expected: Address, shown: str) -> None:
    assert parse_address(text, certificates) == expected
    assert str(expected) == shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ssh://user:secret@host", "use a key"),
        ("ssh://", "not unix://, tcp:// or ssh://"),
        ("unix://", "not unix://, tcp:// or ssh://"),
        ("host", "not unix://, tcp:// or ssh://"),
        ("", "not unix://, tcp:// or ssh://"),
        ("npipe:////./pipe/docker", "not unix://, tcp:// or ssh://"),
        ("tcp://host:port", "Port"),
        ("tcp://[", "Invalid IPv6"),
    ],
)
def test_unusable_addresses(text: str, words: str) -> None:
    with pytest.raises(EngineError) as caught:
        parse_address(text)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
