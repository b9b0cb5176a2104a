"""Sums and shares of transfers, on a clock that the test moves."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from homeport.mirror.bandwidth.shaper import BucketShaper
from homeport.mirror.model.config import (
    BandwidthConfig,
    MirrorConfig,
    NetworkConfig,
    UpstreamConfig,
    WindowConfig,
)

MB = 1_000_000


def config(**bandwidth: Any) -> MirrorConfig:
    hub = UpstreamConfig(name="docker.io", urls=("http://hub",))
    slow = UpstreamConfig(name="quay.io", urls=("http://quay",), bandwidth=2 * MB)
    return MirrorConfig(
        listeners=(),
        data="/nowhere",
        upstreams={"docker.io": hub, "quay.io": slow},
        bandwidth=BandwidthConfig(**bandwidth),
    )


class Clock:
    """Time that passes only while every transfer waits for it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose sleeps take no time: the clock jumps to the next timer."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._fake = clock

    def time(self) -> float:
        return self._fake.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._fake.now = max(self._fake.now, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def run(scenario: Callable[[Clock], Awaitable[None]]) -> None:
    clock = Clock()
    with asyncio.Runner(loop_factory=lambda: Loop(clock)) as runner:
        runner.run(scenario(clock))  # type: ignore[arg-type]


async def transfer(flow: Any, passed: Counter[str], name: str) -> None:
    while True:
        await flow.take(256 * 1024)
        passed[name] += 256 * 1024


async def measure(flows: dict[str, Any], seconds: float) -> Counter[str]:
    """Bytes that each flow passes in so many seconds."""
    passed: Counter[str] = Counter()
    tasks = [asyncio.create_task(transfer(flow, passed, name)) for name, flow in flows.items()]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return passed


def test_ten_clients_in_two_networks_share_twenty_megabytes_a_second() -> None:
    async def scenario(clock: Clock) -> None:
        networks = (
            NetworkConfig(network="10.1.0.0/16", rate=30 * MB),
            NetworkConfig(network="10.2.0.0/16", rate=5 * MB),
        )
        shaper = BucketShaper(
            config(total=20 * MB, networks=networks, shape_hits=True), wall=clock, monotonic=clock
        )
        flows = {
            f"10.{net}.0.{host}": shaper.delivery(f"10.{net}.0.{host}", "docker.io", hit=True)
            for net in (1, 2)
            for host in range(5)
        }
        passed = await measure(flows, 10)
        assert sum(passed.values()) == pytest.approx(200 * MB, rel=0.1)
        for address, size in passed.items():
            share = 30 * MB if address.startswith("10.1.") else 10 * MB
            assert size == pytest.approx(share, rel=0.25), (address, size)

    run(scenario)


def test_many_transfers_of_one_client_have_one_share() -> None:
    async def scenario(clock: Clock) -> None:
        shaper = BucketShaper(config(total=10 * MB), wall=clock, monotonic=clock)
        greedy = {f"greedy{n}": shaper.download("docker.io", "10.0.0.1") for n in range(8)}
        passed = await measure({**greedy, "modest": shaper.download("docker.io", "10.0.0.2")}, 10)
        assert passed["modest"] == pytest.approx(50 * MB, rel=0.1)

    run(scenario)


def test_an_upstream_has_its_own_limit_below_the_total() -> None:
    async def scenario(clock: Clock) -> None:
        shaper = BucketShaper(config(total=10 * MB), wall=clock, monotonic=clock)
        flows = {"hub": shaper.download("docker.io", "a"), "quay": shaper.download("quay.io", "b")}
        passed = await measure(flows, 10)
        assert passed["quay"] == pytest.approx(20 * MB, rel=0.1)
        assert passed["hub"] == pytest.approx(80 * MB, rel=0.1)

    run(scenario)


def test_nothing_limits_where_nothing_is_set() -> None:
    shaper = BucketShaper(config())
    assert shaper.download("docker.io", "10.0.0.1") is None
    assert shaper.delivery("10.0.0.1", "docker.io", hit=False) is None
    assert shaper.delivery("10.0.0.1", "docker.io", hit=True) is None


def test_hits_are_shaped_only_on_request() -> None:
    assert BucketShaper(config(total=1)).delivery("10.0.0.1", "docker.io", hit=True) is None
    asked = BucketShaper(config(total=1, shape_hits=True))
    assert asked.delivery("10.0.0.1", "docker.io", hit=True) is not None


def test_what_a_download_let_pass_is_not_counted_again_in_the_total() -> None:
    assert BucketShaper(config(total=1)).delivery("10.0.0.1", "docker.io", hit=False) is None


def test_mapped_addresses_belong_to_their_network() -> None:
    shaper = BucketShaper(config(networks=(NetworkConfig(network="10.0.0.0/8", rate=1),)))
    assert shaper.delivery("::ffff:10.0.0.1", "docker.io", hit=False) is not None
    assert shaper.delivery("192.0.2.1", "docker.io", hit=False) is None
    assert shaper.delivery("", "docker.io", hit=False) is None


def test_a_new_rate_holds_for_those_who_wait() -> None:
    async def scenario(clock: Clock) -> None:
        shaper = BucketShaper(config(total=1), wall=clock, monotonic=clock)
        flow = shaper.download("docker.io", "a")
        assert flow is not None
        waiting = asyncio.create_task(flow.take(10 * MB))
        await asyncio.sleep(1)
        assert not waiting.done()
        shaper.replace(config())
        await asyncio.wait_for(waiting, 1)

    run(scenario)


def test_a_window_ends_for_those_who_wait() -> None:
    async def scenario(clock: Clock) -> None:
        closed = WindowConfig(rate=0, start=0, stop=30)
        clock.now = 86400.0 * 10  # midnight, UTC
        shaper = BucketShaper(config(windows=(closed,)), wall=clock, monotonic=clock)
        flow = shaper.download("docker.io", "a")
        assert flow is not None
        await flow.take(10 * MB)
        assert 1800 <= clock.now - 86400.0 * 10 <= 1900

    run(scenario)


def test_cancelling_gives_the_bytes_back() -> None:
    async def scenario(clock: Clock) -> None:
        shaper = BucketShaper(config(total=MB), wall=clock, monotonic=clock)
        flow, other = shaper.download("docker.io", "a"), shaper.download("docker.io", "b")
        assert flow is not None
        assert other is not None
        await other.take(64 * 1024)
        for _ in range(50):
            task = asyncio.create_task(flow.take(10 * MB))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        began = clock.now
        await other.take(MB)
        assert clock.now - began == pytest.approx(1.0, rel=0.15)

    run(scenario)
