"""Upstreams under a reload: made before they are used, kept where nothing changed."""

import asyncio
from pathlib import Path

import pytest

from homeport.errors import UsageError
from homeport.mirror.app.upstreams import Upstreams
from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import UpstreamConfig

HUB = UpstreamConfig(name="docker.io", urls=("https://hub.example",))
QUAY = UpstreamConfig(name="quay.io", urls=("https://quay.example",))


def both() -> Upstreams:
    return Upstreams(
        {"docker.io": HUB, "quay.io": QUAY}, env={}, manifest_bytes=1000, clock=lambda: 0.0
    )


def test_what_cannot_be_made_changes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        upstreams = both()
        before = dict(upstreams.by_name)
        bad = UpstreamConfig(
            name="quay.io",
            urls=("https://other.example",),
            ca=str(tmp_path / "none.pem"),
        )
        with pytest.raises(UsageError):
            upstreams.make({"docker.io": HUB, "quay.io": bad})
        assert dict(upstreams.by_name) == before
        assert upstreams.config_of("quay.io") == QUAY
        await upstreams.close()

    asyncio.run(scenario())


def test_only_what_differs_is_new() -> None:
    async def scenario() -> None:
        upstreams = both()
        hub, quay = upstreams.of("docker.io"), upstreams.of("quay.io")
        other = UpstreamConfig(name="quay.io", urls=("https://other.example",))
        configs = {"docker.io": HUB, "quay.io": other}
        made = upstreams.make(configs)
        assert upstreams.of("quay.io") is quay, "making does not use"
        upstreams.replace(configs, made)
        assert upstreams.of("docker.io") is hub
        assert upstreams.of("quay.io") is not quay
        upstreams.replace({"docker.io": HUB}, upstreams.make({"docker.io": HUB}))
        with pytest.raises(RegistryError):
            upstreams.of("quay.io")
        await upstreams.close_retired()
        await upstreams.close()

    asyncio.run(scenario())
