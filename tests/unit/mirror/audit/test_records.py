"""What a record says of a push, of a refusal by HEAD, and of an upload that went wrong."""

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
from homeport.mirror.model.endpoint import Endpoint, Manifests, Upload, Uploads
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.principal import ANONYMOUS, Principal
from homeport.mirror.model.record import Outcome, Record
from homeport.mirror.names.resolver import make_resolver
from homeport.mirror.policy.rules import make_policy

CONFIG = MirrorConfig(
    data="/data",
    listeners=(ListenerConfig(name="main", address="127.0.0.1:5000", role=Role.REGISTRY),),
    upstreams={"docker.io": UpstreamConfig(name="docker.io", urls=(HUB_URL,))},
    namespaces={"team": NamespaceConfig(name="team")},
)
UPLOAD = Upload("team/app", "x")
LAYER = Outcome(digest="sha256:" + "0" * 64, size=1000)


class Kept:
    """An audit in memory, and a writer whose answer the test gives."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.records: list[Record] = []

    enabled = False

    async def authenticate(self, _request: Request) -> Principal:
        return ANONYMOUS

    async def room(self) -> None: ...

    def write(self, record: Record) -> None:
        self.records.append(record)

    async def write_durably(self, record: Record) -> None:
        self.records.append(record)

    async def start_upload(self, *_: Any, **__: Any) -> Reply:
        return self.reply

    async def upload(self, *_: Any) -> Reply:
        return self.reply


def records(
    method: str, endpoint: Endpoint, reply: Reply, *, length: int | None = None, **query: str
) -> list[Record]:
    kept: Any = Kept(reply)
    unused: Any = None
    flow = Flow(
        roles={"main": Role.REGISTRY},
        resolve=make_resolver(CONFIG),
        authenticator=kept,
        policy=make_policy(CONFIG),
        manifests=unused,
        blobs=unused,
        writer=kept,
        control=unused,
        audit=kept,
        watch=lambda _: None,
    )
    request = Request(
        listener="main",
        method=method,
        endpoint=endpoint,
        query=query,
        headers={},
        address="127.0.0.1",
        scheme="http",
        host="localhost",
        started=0.0,
        length=length,
    )

    async def scenario() -> None:
        answer = await flow.handle(request)
        flow.finish(request, answer, sent=0, complete=True)

    asyncio.run(scenario())
    return list(kept.records)


@pytest.mark.parametrize("length", [0, None, 10])
def test_a_push_in_pieces_has_the_bytes_of_all(length: int | None) -> None:
    [record] = records("PUT", UPLOAD, Reply(status=201, outcome=LAYER), length=length)
    assert (record.received, record.digest, record.action) == (1000, LAYER.digest, "push")


def test_a_mount_has_none() -> None:
    mounted = Reply(status=201, outcome=LAYER)
    [record] = records("POST", Uploads("team/app"), mounted, length=0, mount=LAYER.digest or "")
    assert (record.received, record.digest) == (0, LAYER.digest)


@pytest.mark.parametrize("status", [400, 404, 499, 507])
def test_an_upload_that_goes_wrong_is_on_record(status: int) -> None:
    [record] = records("PATCH", UPLOAD, Reply(status=status), length=7)
    assert (record.status, record.received, record.repository) == (status, 7, "team/app")


@pytest.mark.parametrize("status", [202, 204])
def test_a_piece_is_not(status: int) -> None:
    assert records("PATCH", UPLOAD, Reply(status=status)) == []


@pytest.mark.parametrize(("method", "empty"), [("HEAD", True), ("GET", False)])
def test_a_refusal_of_head_sends_no_body(method: str, empty: bool) -> None:
    [record] = records(method, Manifests("evil.example/x", "1"), Reply(status=200))
    assert (record.status, record.allowed) == (403, False)
    assert (record.sent == 0) is empty
