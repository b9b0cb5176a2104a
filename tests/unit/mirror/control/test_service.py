"""Who may ask the control API what, and what it does with failures."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from homeport.mirror.control.jobs import Progress, Work
from homeport.mirror.control.service import ControlService
from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import (
    AuthConfig,
    ListenerConfig,
    MirrorConfig,
    RuleConfig,
    UpstreamConfig,
)
from homeport.mirror.model.endpoint import Control, Service
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.principal import Allow
from homeport.mirror.names.resolver import make_resolver
from homeport.mirror.policy.rules import make_policy
from homeport.mirror.store.api import StoreError
from homeport.mirror.store.memory.blobs import MemoryBlobs
from homeport.mirror.store.memory.metadata import MemoryMetadata

CONFIG = MirrorConfig(
    data="/data",
    listeners=(ListenerConfig(name="main", address="127.0.0.1:5000"),),
    upstreams={"docker.io": UpstreamConfig(name="docker.io", urls=("https://hub.example",))},
    auth=AuthConfig(groups={"builders": ("ann",)}),
    rules=(
        RuleConfig(name="builders", allow=True, actions=("pull",), groups=("builders", "bots")),
        RuleConfig(name="rest", allow=False, actions=("pull",)),
    ),
)


class World:
    def __init__(self) -> None:
        self.reason: str | None = None
        self.service = ControlService(
            config=lambda: CONFIG,
            resolve=lambda: make_resolver(CONFIG),
            policy=lambda: make_policy(CONFIG),
            metadata=MemoryMetadata(),
            blobs=MemoryBlobs(),
            upstreams=dict,
            facts=lambda: {"connections": 1.0},
            ready=lambda: self.reason,
            tasks={"fails": self._fails},
            jobs={"counts": self._counts},
            about=lambda: {"read_only": False},
            groups_of=lambda name: ("bots",) if name == "robot$ci" else (),
            version="1",
        )

    async def _fails(self, _query: Mapping[str, str]) -> Any:
        raise StoreError("the disk is gone")

    def _counts(self, query: Mapping[str, str]) -> Work:
        async def work(progress: Progress) -> Any:
            progress.done = 3
            return query["n"]

        return work

    async def ask(
        self, path: str, method: str = "GET", address: str = "unix", **query: str
    ) -> Reply:
        request = Request(
            listener="main",
            method=method,
            endpoint=Control(path),
            query=query,
            headers={},
            address=address,
            scheme="http",
            host="localhost",
            started=0.0,
        )
        policy = make_policy(CONFIG)
        reply = await self.service.control(request, Control(path), policy)
        assert isinstance(request.decision, Allow)
        return reply

    def get(self, path: str, **query: str) -> Any:
        return json.loads(bytes(asyncio.run(self.ask(path, **query)).body or b""))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "method", "address", "status"),
    [
        ("status", "GET", "10.0.0.1", 403),
        ("fails", "POST", "10.0.0.1", 403),
        ("nothing", "GET", "unix", 404),
        ("nothing", "POST", "unix", 404),
        ("job/counts", "GET", "unix", 404),
        ("fails/x", "POST", "unix", 404),
        ("fails", "POST", "unix", 503),
        ("status", "DELETE", "unix", 405),
        ("explain", "GET", "unix", 400),
    ],
)
def test_refusals(path: str, method: str, address: str, status: int) -> None:
    with pytest.raises(RegistryError) as refused:
        asyncio.run(World().ask(path, method, address))
    assert refused.value.status == status


def test_administrators_hear_what_the_store_says() -> None:
    with pytest.raises(RegistryError, match="the disk is gone"):
        asyncio.run(World().ask("fails", "POST"))


def test_a_job_is_begun_and_asked_for() -> None:
    async def scenario() -> None:
        world = World()
        begun = await world.ask("counts", "POST", n="7")
        assert begun.status == 202
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        told = json.loads((await world.ask("job/counts")).body)  # type: ignore[arg-type]
        assert (told["state"], told["result"], told["progress"]["done"]) == ("done", "7", 3)
        await world.service.close()

    asyncio.run(scenario())


def test_readiness_ends_with_the_server() -> None:
    async def asked(world: World, which: Service) -> int:
        request = Request(
            listener="main",
            method="GET",
            endpoint=which,
            query={},
            headers={},
            address="10.0.0.1",
            scheme="http",
            host="x",
            started=0.0,
        )
        return (await world.service.service(request, which)).status

    async def scenario() -> None:
        world = World()
        assert await asked(world, Service.READY) == 200
        world.reason = "shutting down"
        assert await asked(world, Service.READY) == 503
        assert await asked(world, Service.HEALTH) == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("query", "allowed", "rule"),
    [
        ({}, False, "rest"),
        ({"principal": "ann"}, True, "builders"),
        ({"principal": "bob"}, False, "rest"),
        ({"principal": "bob", "groups": "x,builders"}, True, "builders"),
        ({"principal": "robot$ci"}, True, "builders"),
    ],
)
def test_explain_knows_the_groups(query: dict[str, str], allowed: bool, rule: str) -> None:
    told = World().get("explain", image="docker.io/library/alpine:3", **query)
    assert (told["allowed"], told["rule"]) == (allowed, rule)
    assert (told["upstream"], told["repository"]) == ("docker.io", "library/alpine")
    assert told["held"] is None


@pytest.mark.parametrize("image", ["No Image", "a@sha256:12", "x" * 2000])
def test_explain_refuses_what_is_no_image(image: str) -> None:
    with pytest.raises(RegistryError) as refused:
        World().get("explain", image=image)
    assert refused.value.status == 400
