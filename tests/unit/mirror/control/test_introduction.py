"""A machine that enrolls is told the doors that it can reach, and nothing else."""

from homeport.mirror.control.introduction import introduction
from homeport.mirror.model.config import ListenerConfig, Role, TlsConfig
from homeport.mirror.model.endpoint import Control
from homeport.mirror.model.exchange import Request

TLS = TlsConfig(certificate="c", key="k")


def asked(host: str, *listeners: ListenerConfig, listener: str = "registry") -> object:
    request = Request(
        listener=listener,
        method="GET",
        endpoint=Control("about"),
        query={},
        headers={},
        address="10.0.0.9",
        scheme="https",
        host=host,
        started=0.0,
    )
    found = introduction(listeners, request, "1.2")
    assert (found["kind"], found["version"], set(found)) == (
        "homeport",
        "1.2",
        {"kind", "version", "listeners"},
    )
    return [(entry["role"], entry["url"]) for entry in found["listeners"]]


def listener(role: Role, address: str, url: str | None = None, tls: bool = False) -> ListenerConfig:
    return ListenerConfig(
        name=role.value, address=address, role=role, external_url=url, tls=TLS if tls else None
    )


def test_other_doors_are_on_the_host_that_was_asked() -> None:
    registry = listener(Role.REGISTRY, "0.0.0.0:5443", tls=True)
    hub = listener(Role.DOCKER_MIRROR, "0.0.0.0:5000")
    assert asked("mirror.corp:5443", registry, hub) == [
        ("registry", "https://mirror.corp:5443"),
        ("docker-mirror", "http://mirror.corp:5000"),
    ]
    assert asked("[fd00::1]:5443", registry, hub) == [
        ("registry", "https://[fd00::1]:5443"),
        ("docker-mirror", "http://[fd00::1]:5000"),
    ]


def test_what_the_configuration_says_counts() -> None:
    registry = listener(Role.REGISTRY, "unix:/run/x", "https://registry.corp/")
    hub = listener(Role.DOCKER_MIRROR, "127.0.0.1:5000", "https://hub.corp")
    assert asked("registry.corp", registry, hub) == [
        ("registry", "https://registry.corp"),
        ("docker-mirror", "https://hub.corp"),
    ]


def test_doors_out_of_reach_are_left_out() -> None:
    registry = listener(Role.REGISTRY, "0.0.0.0:5443")
    local = listener(Role.DOCKER_MIRROR, "127.0.0.1:5000")
    socket = listener(Role.BOTH, "unix:/run/x")
    assert asked("mirror.corp:5443", registry, local, socket) == [
        ("registry", "https://mirror.corp:5443")
    ]
    assert asked("localhost:5443", registry, local) == [
        ("registry", "https://localhost:5443"),
        ("docker-mirror", "http://localhost:5000"),
    ]
