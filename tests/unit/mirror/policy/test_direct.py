"""When an address of this machine is believed."""

from typing import Any

import pytest

from homeport.mirror.model.config import MirrorConfig
from homeport.mirror.model.endpoint import Control
from homeport.mirror.model.exchange import Request
from homeport.mirror.model.names import Repository
from homeport.mirror.model.principal import ANONYMOUS, Access, Action, Allow, Deny
from homeport.mirror.policy.direct import is_direct
from homeport.mirror.policy.rules import make_policy


def asked(headers: dict[str, str], address: str = "127.0.0.1") -> Request:
    return Request(
        listener="main",
        method="POST",
        endpoint=Control("purge"),
        query={},
        headers=headers,
        address=address,
        scheme="http",
        host="localhost",
        started=0.0,
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:5000"},
        {"Host": "LocalHost"},
        {"Host": "127.0.0.1:5000"},
        {"Host": "127.8.9.1"},
        {"Host": "[::1]:5000"},
        {"Host": "mirror.localhost:5000"},
        {"Host": "localhost", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_somebody_at_this_machine(headers: dict[str, str]) -> None:
    assert is_direct(asked(headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:5000"},  # DNS rebinding: the page's own name leads here
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "127.0.0.1", "Origin": "http://evil.example"},
        {"Host": "127.0.0.1", "Origin": "null"},
        {"Host": "127.0.0.1", "Sec-Fetch-Site": "cross-site"},
        {"Host": "127.0.0.1", "X-Forwarded-For": "203.0.113.9"},  # by a proxy that is not trusted
        {"Host": "127.0.0.1", "Forwarded": "for=203.0.113.9"},
        {"Host": "127.0.0.1", "X-Real-IP": "203.0.113.9"},
        {"Host": "127.0.0.1", "Via": "1.1 proxy"},
        {"Host": "10.0.0.1"},
    ],
)
def test_somebody_else_by_way_of_this_machine(headers: dict[str, str]) -> None:
    assert not is_direct(asked(headers))


def test_the_commands_come_by_the_socket() -> None:
    assert is_direct(asked({"Host": "homeport"}, address="unix"))


@pytest.mark.parametrize("action", [Action.ADMIN, Action.PUSH, Action.DELETE])
def test_what_is_for_this_machine_alone(action: Action) -> None:
    policy = make_policy(MirrorConfig(listeners=(), data="/data"))
    common: dict[str, Any] = {
        "principal": ANONYMOUS,
        "action": action,
        "address": "127.0.0.1",
        "listener": "main",
        "repository": None if action is Action.ADMIN else Repository("local", "team/app"),
    }
    assert isinstance(policy.decide(Access(**common)), Allow)
    assert isinstance(policy.decide(Access(**common, direct=False)), Deny)
