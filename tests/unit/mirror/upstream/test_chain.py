"""A chain of sources: who is asked, who is spared, and what is said in the end."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from homeport.errors import UsageError
from homeport.mirror.model.config import CredentialsConfig, UpstreamConfig
from homeport.mirror.upstream.api import BlobStream, Upstream
from homeport.mirror.upstream.chain import make_upstream
from homeport.oci.digest import Digest, digest_of
from homeport.oci.media_type import OCI_INDEX
from homeport.remote.errors import (
    BusyError,
    CutError,
    DeniedError,
    FailedError,
    ForbiddenTargetError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)
from testbed.fake_registry import FakeRegistry, Fault, busy

MANIFEST = b'{"schemaVersion":2,"manifests":[]}'
BLOB = bytes(range(256)) * 400
X = "library/x"


@asynccontextmanager
async def chain(*registries: FakeRegistry, **settings: Any) -> AsyncIterator[Upstream]:
    config = UpstreamConfig(
        name="docker.io",
        urls=tuple(registry.url for registry in registries),
        **{"answer_timeout": 2.0, "read_timeout": 2.0, "breaker_seconds": 30.0, **settings},
    )
    upstream = make_upstream(config, clock=time.time, env={})
    try:
        yield upstream
    finally:
        await upstream.close()


async def read(upstream: Upstream, digest: Digest, **part: Any) -> tuple[BlobStream, bytes]:
    async with upstream.open_blob(X, digest, **part) as stream:
        return stream, b"".join([piece async for piece in stream.chunks()])


def name_of(registry: FakeRegistry) -> str:
    return f"{registry.host}:{registry.port}"


def test_calls_of_one_source() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, chain(registry) as upstream:
            digest = registry.add_manifest(X, MANIFEST, tag="1")
            blob = registry.add_blob(X, BLOB)
            head = await upstream.head_manifest(X, "1")
            assert (head.digest, head.size, head.source) == (
                digest,
                len(MANIFEST),
                name_of(registry),
            )
            found = await upstream.get_manifest(X, "1", deadline=5.0)
            assert (found.content, found.media_type, found.digest, found.source) == (
                MANIFEST,
                OCI_INDEX,
                digest,
                name_of(registry),
            )
            assert await upstream.head_blob(X, blob) == len(BLOB)
            stream, content = await read(upstream, blob, start=7, stop=99)
            assert (stream.start, stream.size, content) == (7, len(BLOB), BLOB[7:99])
            assert stream.source == name_of(registry)
            assert await upstream.list_tags(X, n=None, last=None) == (("1",), False)
            assert await upstream.get_referrers(X, digest) is not None
            state = upstream.state()
            assert (state.healthy, state.active, state.waiting) == (True, 0, 0)
            assert not state.failing

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=401),
        Fault(status=403),
        Fault(status=404),
        busy(),
        Fault(status=500),
        Fault(media_type="text/html"),
        Fault(status=302, headers={"Location": "https://10.0.0.1/"}),
        Fault(black_hole=True),
    ],
)
def test_next_source_is_asked(fault: Fault) -> None:
    async def scenario() -> None:
        async with (
            FakeRegistry() as first,
            FakeRegistry() as second,
            chain(first, second, answer_timeout=0.3) as upstream,
        ):
            for registry in (first, second):
                registry.add_manifest(X, MANIFEST, tag="1")
            blob = second.add_blob(X, BLOB)
            first.on("", fault)
            found = await upstream.get_manifest(X, "1")
            assert found.source == name_of(second)
            stream, content = await read(upstream, blob)
            assert (stream.source, content) == (name_of(second), BLOB)
            assert upstream.state().healthy

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ((Fault(status=404), Fault(status=404)), NotFoundError),
        ((Fault(status=404), Fault(status=500)), FailedError),
        ((Fault(status=500), Fault(status=404)), FailedError),
        ((Fault(status=404), busy("5")), BusyError),
        ((Fault(status=503), Fault(status=403)), DeniedError),
        ((Fault(status=403), busy("5")), BusyError),
        ((Fault(black_hole=True), Fault(status=404)), TimedOutError),
        (
            (Fault(status=404), Fault(status=302, headers={"Location": "http://10.0.0.1/"})),
            ForbiddenTargetError,
        ),
    ],
)
def test_most_telling_failure(faults: tuple[Fault, Fault], expected: type[RemoteError]) -> None:
    async def scenario() -> None:
        async with (
            FakeRegistry() as first,
            FakeRegistry() as second,
            chain(first, second, answer_timeout=0.3) as upstream,
        ):
            first.on("", faults[0])
            second.on("", faults[1])
            with pytest.raises(RemoteError) as caught:
                await upstream.get_manifest(X, "1")
            assert type(caught.value) is expected
            assert first.seen
            assert second.seen

    asyncio.run(scenario())


def test_gap_is_none_while_a_source_is_spared() -> None:
    async def scenario() -> None:
        async with (
            FakeRegistry() as first,
            FakeRegistry() as second,
            chain(first, second) as upstream,
        ):
            await second.stop()
            with pytest.raises(UnreachableError):
                await upstream.get_manifest(X, "1")
            with pytest.raises(UnreachableError, match="left alone"):
                await upstream.get_manifest(X, "1")
            assert len(first.asked("manifests")) == 2

    asyncio.run(scenario())


def test_black_hole_costs_one_call_and_no_second() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, chain(registry) as upstream:
            registry.on("", Fault(black_hole=True))
            began = time.monotonic()
            with pytest.raises(TimedOutError, match=r"did not answer in 0\.2 seconds"):
                await upstream.head_manifest(X, "1", deadline=0.2)
            assert time.monotonic() - began < 1.0
            began = time.monotonic()
            for _ in range(20):
                with pytest.raises(TimedOutError, match=r"left alone .* did not answer in"):
                    await upstream.head_manifest(X, "1", deadline=0.2)
            assert time.monotonic() - began < 0.05
            await asyncio.sleep(0.05)
            assert len(registry.asked("manifests")) == 1
            assert len(registry.asked("^/v2/$")) == 1
            state = upstream.state()
            assert not state.healthy
            assert "did not answer" in state.failing[name_of(registry)]
            assert state.open_until[name_of(registry)] > time.time() + 20

    asyncio.run(scenario())


def test_short_deadline_leaves_calls_with_more_time_alone() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, chain(registry) as upstream:
            registry.add_manifest(X, MANIFEST, tag="1")
            registry.on("manifests", Fault(delay=0.3))
            with pytest.raises(TimedOutError):
                await upstream.head_manifest(X, "1", deadline=0.1)
            # Slow, not dead: a cold pull has the time; the next revalidation has not.
            assert (await upstream.get_manifest(X, "1")).content == MANIFEST
            with pytest.raises(TimedOutError):
                await upstream.head_manifest(X, "1", deadline=0.1)
            assert len(registry.asked("manifests")) == 2

    asyncio.run(scenario())


def test_full_time_out_stops_everybody() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, chain(registry, answer_timeout=0.2) as upstream:
            blob = registry.add_blob(X, BLOB)
            registry.on("manifests", Fault(black_hole=True))
            with pytest.raises(TimedOutError):
                await upstream.get_manifest(X, "1")
            began = time.monotonic()
            with pytest.raises(TimedOutError):
                await read(upstream, blob)
            with pytest.raises(TimedOutError):
                await upstream.get_manifest(X, "2")
            assert time.monotonic() - began < 0.05

    asyncio.run(scenario())


def test_source_that_comes_back_is_found_by_the_probe() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, chain(registry, breaker_seconds=0.3) as upstream:
            registry.add_manifest(X, MANIFEST, tag="1")
            await registry.stop()
            with pytest.raises(UnreachableError):
                await upstream.get_manifest(X, "1")
            with pytest.raises(UnreachableError, match="left alone"):
                await upstream.get_manifest(X, "1")
            await registry.start()
            for _ in range(100):
                if upstream.state().healthy:
                    break
                await asyncio.sleep(0.02)
            assert (await upstream.get_manifest(X, "1")).content == MANIFEST
            assert not upstream.state().failing

    asyncio.run(scenario())


def test_one_probe_at_a_time() -> None:
    async def scenario() -> None:
        async with (
            FakeRegistry() as registry,
            chain(registry, answer_timeout=0.2, breaker_seconds=30.0) as upstream,
        ):
            registry.on("", Fault(black_hole=True))
            with pytest.raises(TimedOutError):
                await upstream.get_manifest(X, "1")
            for _ in range(10):
                with pytest.raises(TimedOutError):
                    await upstream.get_manifest(X, "1")
                await asyncio.sleep(0.01)
            assert len(registry.asked("^/v2/$")) == 1
            assert len(registry.asked("manifests")) == 1

    asyncio.run(scenario())


def test_deadline_is_shared_by_the_sources() -> None:
    async def scenario() -> None:
        async with (
            FakeRegistry() as first,
            FakeRegistry() as second,
            chain(first, second) as upstream,
        ):
            first.on("", Fault(black_hole=True))
            second.add_manifest(X, MANIFEST, tag="1")
            began = time.monotonic()
            found = await upstream.get_manifest(X, "1", deadline=0.6)
            assert found.source == name_of(second)
            assert time.monotonic() - began < 0.6

    asyncio.run(scenario())


def test_avoided_source_is_not_asked() -> None:
    async def scenario() -> None:
        async with (
            FakeRegistry() as first,
            FakeRegistry() as second,
            chain(first, second) as upstream,
        ):
            blob = first.add_blob(X, BLOB)
            second.add_blob(X, BLOB)
            bad = frozenset((name_of(first),))
            stream, content = await read(upstream, blob, avoid=bad)
            assert (stream.source, content) == (name_of(second), BLOB)
            assert not first.seen
            with pytest.raises(FailedError, match="wrong bytes"):
                await read(upstream, blob, avoid=bad | {name_of(second)})

    asyncio.run(scenario())


def test_cut_is_raised_and_the_next_part_comes_from_the_registry() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, chain(registry) as upstream:
            blob = registry.add_blob(X, BLOB)
            registry.on("blobs", Fault(cut=50_000), times=1)
            got = bytearray()

            async def download(start: int) -> None:
                async with upstream.open_blob(X, blob, start=start) as stream:
                    assert stream.start == start
                    async for piece in stream.chunks():
                        got.extend(piece)

            with pytest.raises(CutError):
                await download(0)
            assert got == BLOB[:50_000]
            await download(len(got))
            assert got == BLOB
            assert upstream.state().active == 0

    asyncio.run(scenario())


def test_storage_out_of_reach_does_not_close_the_registry() -> None:
    async def scenario() -> None:
        async with (
            FakeRegistry() as registry,
            FakeRegistry(host="127.0.0.2") as storage,
            chain(registry, redirect_hosts=("127.0.0.2",)) as upstream,
        ):
            registry.add_manifest(X, MANIFEST, tag="1")
            blob = registry.add_blob(X, BLOB)
            registry.blobs_at = storage.url
            await storage.stop()
            with pytest.raises(UnreachableError, match=r"127\.0\.0\.2"):
                await read(upstream, blob)
            assert (await upstream.get_manifest(X, "1")).content == MANIFEST

    asyncio.run(scenario())


def test_downloads_leave_turns_for_short_calls() -> None:
    async def scenario() -> None:
        async with (
            FakeRegistry() as registry,
            chain(registry, connections=4, answer_timeout=0.3) as upstream,
        ):
            registry.add_manifest(X, MANIFEST, tag="1")
            blob = registry.add_blob(X, BLOB)
            held = registry.on("blobs", Fault(hold=1000))
            tasks = [asyncio.create_task(read(upstream, blob)) for _ in range(3)]
            await held.held.wait()
            while upstream.state().active < 3:
                await asyncio.sleep(0.01)
            with pytest.raises(TimedOutError, match="all 3 are busy"):
                await read(upstream, blob)
            assert (await upstream.get_manifest(X, "1")).content == MANIFEST
            held.release()
            assert [content for _, content in await asyncio.gather(*tasks)] == [BLOB] * 3
            state = upstream.state()
            assert state.healthy
            assert (state.active, state.waiting) == (0, 0)

    asyncio.run(scenario())


def test_download_that_is_left_gives_its_turn_and_connection_back() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, chain(registry, connections=2) as upstream:
            blob = registry.add_blob(X, BLOB)
            held = registry.on("blobs", Fault(hold=1000))

            async def download() -> None:
                async with upstream.open_blob(X, blob) as stream:
                    async for _ in stream.chunks():
                        pass

            for _ in range(3):
                task = asyncio.create_task(download())
                await held.held.wait()
                while upstream.state().active < 1:
                    await asyncio.sleep(0.01)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert upstream.state().active == 0
            assert upstream.state().healthy
            held.release()
            assert (await read(upstream, blob))[1] == BLOB

    asyncio.run(scenario())


def test_dead_upstream_slows_no_other() -> None:
    async def scenario() -> None:
        async with (
            FakeRegistry() as dead,
            FakeRegistry() as alive,
            chain(dead, connections=2) as stuck,
            chain(alive) as upstream,
        ):
            dead.on("", Fault(black_hole=True))
            alive.add_manifest(X, MANIFEST, tag="1")
            tasks = [asyncio.create_task(stuck.get_manifest(X, "1")) for _ in range(50)]
            await asyncio.sleep(0.05)
            began = time.monotonic()
            for _ in range(10):
                await upstream.get_manifest(X, "1")
            assert time.monotonic() - began < 0.5
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            state = stuck.state()
            assert (state.active, state.waiting) == (0, 0)

    asyncio.run(scenario())


def test_quota_is_shown_and_kept_to() -> None:
    async def scenario() -> None:
        now = [1000.0]
        async with FakeRegistry() as registry:
            registry.add_manifest(X, MANIFEST, tag="1")
            registry.extra = {
                "ratelimit-limit": "100;w=21600",
                "ratelimit-remaining": "1;w=21600",
                "docker-ratelimit-source": "192.0.2.1",
            }
            config = UpstreamConfig(name="docker.io", urls=(registry.url,))
            upstream = make_upstream(config, clock=lambda: now[0], env={})
            await upstream.get_manifest(X, "1")
            quota = upstream.state().quota
            assert quota is not None
            assert (quota.limit, quota.remaining, quota.window, quota.seen) == (
                100,
                1,
                21600.0,
                1000.0,
            )
            registry.extra["ratelimit-remaining"] = "0;w=21600"
            await upstream.get_manifest(X, "1")
            with pytest.raises(BusyError, match="quota of 100") as caught:
                await upstream.get_manifest(X, "1")
            assert caught.value.retry_after == 60.0
            assert len(registry.asked("manifests", "GET")) == 2
            await upstream.head_manifest(X, "1")  # is not counted by Hub
            now[0] += 61
            registry.extra["ratelimit-remaining"] = "50;w=21600"
            await upstream.get_manifest(X, "1")
            await upstream.get_manifest(X, "1")
            await upstream.close()

    asyncio.run(scenario())


def test_busy_source_is_left_alone_for_as_long_as_it_says() -> None:
    async def scenario() -> None:
        now = [1000.0]
        async with FakeRegistry() as registry:
            registry.add_manifest(X, MANIFEST, tag="1")
            registry.on("manifests", busy("20"), method="GET", times=1)
            config = UpstreamConfig(name="docker.io", urls=(registry.url,))
            upstream = make_upstream(config, clock=lambda: now[0], env={})
            for waited in (20.0, 20.0):
                with pytest.raises(BusyError) as caught:
                    await upstream.get_manifest(X, "1")
                assert caught.value.retry_after == waited
            assert len(registry.asked("manifests", "GET")) == 1
            await upstream.head_manifest(X, "1")
            now[0] += 21
            await upstream.get_manifest(X, "1")
            await upstream.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"urls": ()}, "no urls"),
        ({"urls": ("ftp://x",)}, "must begin with"),
        ({"urls": ("https://u:hidden@x",)}, "do not belong"),
        ({"proxy": "gopher://hidden@x"}, "a proxy is"),
        ({"ca": "/nonexistent.pem"}, "cannot be used"),
        ({"redirect_hosts": ("a b",)}, "neither a host"),
        ({"auth_hosts": ("10.0.0.0/99",)}, "does not appear"),
        ({"credentials": CredentialsConfig(username="u")}, "password_file"),
        (
            {
                "urls": ("https://a", "https://b"),
                "credentials": CredentialsConfig(username="u", password_env="P"),  # noqa: S106
            },
            "which is it for",
        ),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], words: str) -> None:
    config = UpstreamConfig(name="docker.io", **{"urls": ("https://a",), **settings})
    with pytest.raises(UsageError, match=words) as caught:
        make_upstream(config, clock=time.time, env={})
    assert "docker.io" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_credentials_of_the_settings_are_used() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry:
            registry.auth = "bearer"
            registry.anonymous = False
            registry.users = {"user": "from the environment"}
            digest = registry.add_manifest(X, MANIFEST, tag="1")
            config = UpstreamConfig(
                name="x",
                urls=(registry.url,),
                credentials=CredentialsConfig(username="user", password_env="SECRET"),  # noqa: S106
            )
            env = {"SECRET": "from the environment"}
            upstream = make_upstream(config, clock=time.time, env=env)
            assert (await upstream.get_manifest(X, "1")).digest == digest
            await upstream.close()

    asyncio.run(scenario())


def test_urls_of_one_host_have_names_of_their_own() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry:
            urls = (f"{registry.url}/v2/a", f"{registry.url}/v2/b")
            upstream = make_upstream(UpstreamConfig(name="x", urls=urls), clock=time.time, env={})
            registry.on("/v2/a/", Fault(status=500))
            registry.on("/v2/b/", Fault(status=200, body=BLOB))
            _, content = await read(upstream, digest_of(BLOB))
            assert content == BLOB
            assert set(upstream.state().failing) == {f"{name_of(registry)}/v2/a"}
            await upstream.close()

    asyncio.run(scenario())
