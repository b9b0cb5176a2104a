"""A token that is good for one repository mounts from no other, whatever its owner may pull."""

import asyncio
from typing import Any

import pytest

from homeport.mirror.flow import Flow
from homeport.mirror.model.config import (
    HUB_URL,
    ListenerConfig,
    MirrorConfig,
    NamespaceConfig,
    Role,
    UpstreamConfig,
)
from homeport.mirror.model.endpoint import Uploads
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Repository, Target
from homeport.mirror.model.principal import Principal, Proof
from homeport.mirror.names.resolver import make_resolver
from homeport.mirror.policy.rules import make_policy
from homeport.mirror.push.api import Mountable

CONFIG = MirrorConfig(
    data="/data",
    listeners=(ListenerConfig(name="main", address="127.0.0.1:5000", role=Role.REGISTRY),),
    upstreams={"docker.io": UpstreamConfig(name="docker.io", urls=(HUB_URL,))},
    namespaces={"team": NamespaceConfig(name="team")},
)
PUSH = frozenset(("pull", "push"))
PULL = frozenset(("pull",))
SECRET = Repository("local", "team/secret")
NGINX = Repository("docker.io", "library/nginx")


class Writer:
    def __init__(self, source: Repository) -> None:
        self.source = source

    async def start_upload(
        self, request: Request, target: Target, endpoint: Uploads, *, mountable: Mountable
    ) -> Reply:
        assert (request.target, endpoint.name) == (target, "team/app")
        return Reply(status=201 if await mountable(self.source) else 202)


class Authenticator:
    enabled = True

    def __init__(self, scopes: dict[str, frozenset[str]] | None) -> None:
        self.principal = Principal(name="ann", proof=Proof.TOKEN, scopes=scopes)

    async def authenticate(self, _request: Request) -> Principal:
        return self.principal


@pytest.mark.parametrize(
    ("scopes", "source", "status"),
    [
        (None, SECRET, 201),  # by password: all that the rules allow
        ({"repository:team/app": PUSH}, SECRET, 202),
        ({"repository:team/app": PUSH, "repository:team/secret": PULL}, SECRET, 201),
        (
            {"repository:team/app": PUSH, "repository:team/secret": frozenset(("push",))},
            SECRET,
            202,
        ),
        ({"repository:team/app": PUSH, "registry:team/secret": PULL}, SECRET, 202),
        ({"repository:team/app": PUSH, "repository:nginx": PULL}, NGINX, 201),
        ({"repository:team/app": PUSH, "repository:docker.io/library/nginx": PULL}, NGINX, 201),
        ({"repository:team/app": PUSH}, NGINX, 202),
    ],
)
def test_mounts_within_the_scopes(
    scopes: dict[str, frozenset[str]] | None, source: Repository, status: int
) -> None:
    unused: Any = None
    writer: Any = Writer(source)
    authenticator: Any = Authenticator(scopes)
    flow = Flow(
        roles={"main": Role.REGISTRY},
        resolve=make_resolver(CONFIG),
        authenticator=authenticator,
        policy=make_policy(CONFIG),
        manifests=unused,
        blobs=unused,
        writer=writer,
        control=unused,
        audit=None,
        watch=lambda _: None,
    )
    request = Request(
        listener="main",
        method="POST",
        endpoint=Uploads("team/app"),
        query={"mount": "sha256:" + "0" * 64},
        headers={},
        address="10.0.0.1",
        scheme="http",
        host="mirror.corp",
        started=0.0,
    )
    assert asyncio.run(flow.handle(request)).status == status
