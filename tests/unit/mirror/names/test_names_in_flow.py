"""What the flow answers to names that lead nowhere, and to whom it puts a question."""

import asyncio
from typing import Any

import msgspec
import pytest

from homeport.mirror.auth.api import Rejected
from homeport.mirror.flow import Flow
from homeport.mirror.model.config import HUB_URL, ListenerConfig, MirrorConfig, Role, UpstreamConfig
from homeport.mirror.model.endpoint import Blob, Manifests, Named, Upload, Uploads
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.principal import ANONYMOUS, Principal
from homeport.mirror.names.resolver import make_resolver

CONFIG = MirrorConfig(
    data="/data",
    listeners=tuple(
        ListenerConfig(name=role.value, address=f"127.0.0.1:{port}", role=role)
        for port, role in enumerate(Role, start=5000)
    ),
    upstreams={"docker.io": UpstreamConfig(name="docker.io", urls=(HUB_URL,))},
)


class Authenticator:
    """Everybody is anonymous, but for who sends a wrong password."""

    enabled = True

    async def authenticate(self, request: Request) -> Principal | Rejected:
        return Rejected("wrong password") if "Authorization" in request.headers else ANONYMOUS

    def challenge(self, request: Request, scope: str | None) -> str:  # noqa: ARG002
        return f'Bearer realm="https://{request.host}/token"'

    async def token(self, request: Request) -> Reply:
        raise NotImplementedError


def ask(
    role: Role,
    name: str,
    *,
    ns: str | None = None,
    headers: Any = None,
    method: str = "GET",
    endpoint: Named | None = None,
) -> Reply:
    unused: Any = None
    flow = Flow(
        roles={listener.name: listener.role for listener in CONFIG.listeners},
        resolve=make_resolver(CONFIG),
        authenticator=Authenticator(),
        policy=unused,
        manifests=unused,
        blobs=unused,
        writer=unused,
        control=unused,
        audit=None,
        watch=lambda _: None,
    )
    request = Request(
        listener=role.value,
        method=method,
        endpoint=endpoint or Manifests(name, "latest"),
        query={} if ns is None else {"ns": ns},
        headers=headers or {},
        address="10.0.0.1",
        scheme="http",
        host="mirror.corp",
        started=0.0,
    )
    return asyncio.run(flow.handle(request))


def code(reply: Reply) -> str:
    assert isinstance(reply.body, bytes)
    return str(msgspec.json.decode(reply.body)["errors"][0]["code"])


@pytest.mark.parametrize(
    ("role", "name", "ns", "status", "expected"),
    [
        (Role.REGISTRY, "Nginx", None, 400, "NAME_INVALID"),
        (Role.REGISTRY, "nginx", "http://x", 400, "NAME_INVALID"),
        (Role.REGISTRY, "evil.example/x", None, 403, "DENIED"),
        (Role.REGISTRY, "x", "evil.example", 403, "DENIED"),
        (Role.DOCKER_MIRROR, "x", "quay.io", 403, "DENIED"),
        (Role.DOCKER_MIRROR, "quay.io/x", None, 404, "NAME_UNKNOWN"),
        (Role.BOTH, "homeport-verify/x", None, 404, "NAME_UNKNOWN"),
    ],
)
def test_a_name_that_leads_nowhere(
    role: Role, name: str, ns: str | None, status: int, expected: str
) -> None:
    reply = ask(role, name, ns=ns)
    assert (reply.status, code(reply)) == (status, expected)


@pytest.mark.parametrize(
    ("role", "status"), [(Role.REGISTRY, 401), (Role.BOTH, 403), (Role.DOCKER_MIRROR, 403)]
)
def test_dockerd_is_never_asked_for_a_password(role: Role, status: int) -> None:
    reply = ask(role, "nginx", headers={"Authorization": "Basic eA=="})
    assert reply.status == status
    assert ("WWW-Authenticate" in reply.headers) is (status == 401)


@pytest.mark.parametrize("ns", [None, "docker.io"])
@pytest.mark.parametrize(
    ("method", "endpoint"),
    [
        ("PUT", Manifests("library/nginx", "sha256:" + "0" * 64)),
        ("DELETE", Manifests("library/nginx", "latest")),
        ("DELETE", Blob("library/nginx", "sha256:" + "0" * 64)),
        ("POST", Uploads("library/nginx")),
        ("PATCH", Upload("library/nginx", "x")),
        ("GET", Upload("library/nginx", "x")),
    ],
)
def test_nothing_is_written_through_a_docker_mirror(
    method: str, endpoint: Named, ns: str | None
) -> None:
    """With `ns` the name is not a bare one, and led to the overlay of referrers."""
    reply = ask(Role.DOCKER_MIRROR, "", ns=ns, method=method, endpoint=endpoint)
    assert (reply.status, code(reply)) == (403, "DENIED")
