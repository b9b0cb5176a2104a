"""Tags with time: fresh, asked again, stale, gone, denied; and who waits for whom."""

import asyncio
import time

import pytest

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import CredentialsConfig, Gone, TagTtl
from homeport.mirror.model.exchange import Reply
from homeport.mirror.model.record import Cache
from homeport.oci.digest import digest_of
from homeport.oci.error_code import ErrorCode
from homeport.remote.errors import (
    BusyError,
    DeniedError,
    FailedError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)
from testbed.reading import NGINX, Reading, image, reading

FAILURES = [
    BusyError("slow down", host="registry.example", retry_after=7),
    FailedError("broken", host="registry.example", status=500),
    FailedError("broken", host="registry.example", status=503),
    TimedOutError("late", host="registry.example"),
    UnreachableError("refused", host="registry.example"),
]


async def stale(world: Reading, *tags: str) -> None:
    """Tags that are held and no longer fresh; what was asked is forgotten."""
    for tag in tags or ("1",):
        world.upstream.put(image(), tag)
        assert (await world.get(tag)).status == 200
        assert (await world.get(tag)).status == 200
    world.clock.pass_by(world.config.tag_ttl + 1)
    world.upstream.asked.clear()
    world.upstream.deadlines.clear()


def assert_stale(reply: Reply, *, age: int | None = None) -> None:
    assert (reply.status, reply.body) == (200, image())
    assert reply.outcome is not None
    assert reply.outcome.cache is Cache.STALE
    assert reply.headers["Warning"].startswith('299 - "homeport: ')
    assert len(reply.headers["Warning"]) < 4096
    assert int(reply.headers["Age"]) >= 0
    if age is not None:
        assert reply.headers["Age"] == str(age)


async def settled(world: Reading) -> None:
    """Let errands in the background end."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert not world.manifests._by_tag._flights._flights


def test_a_fresh_tag_is_answered_without_asking() -> None:
    async def scenario() -> None:
        async with reading(tag_ttl=900.0) as world:
            world.upstream.put(image(), "1")
            await world.get("1")
            world.upstream.asked.clear()
            world.upstream.put(image("new"), "1")
            world.clock.pass_by(899)
            assert (await world.get("1")).body == image()
            assert world.upstream.asked == []
            assert world.held("1") is not None

    asyncio.run(scenario())


def test_lifetimes_by_pattern_the_first_that_matches() -> None:
    async def scenario() -> None:
        ttls = (
            TagTtl(pattern="library/nginx:1.*", ttl=1000.0),
            TagTtl(pattern="**:1.2", ttl=1.0),
            TagTtl(pattern="**:latest", ttl=10.0),
        )
        async with reading(tag_ttl=100.0, tag_ttls=ttls) as world:
            for tag in ("1.2", "latest", "stable"):
                world.upstream.put(image(), tag)
                await world.get(tag)
            for seconds, asked in ((9, []), (2, ["latest"]), (100, ["latest", "stable"])):
                world.upstream.asked.clear()
                world.clock.pass_by(seconds)
                for tag in ("1.2", "latest", "stable"):
                    await world.get(tag)
                assert world.upstream.asked == [("HEAD", tag) for tag in asked]

    asyncio.run(scenario())


def test_a_lifetime_of_zero_asks_each_time() -> None:
    async def scenario() -> None:
        async with reading(tag_ttl=0.0) as world:
            world.upstream.put(image(), "1")
            for _ in range(3):
                assert (await world.get("1")).status == 200
                world.clock.pass_by(0.001)
            assert [method for method, _ in world.upstream.asked] == ["HEAD", "GET", "HEAD", "HEAD"]

    asyncio.run(scenario())


def test_a_clock_that_was_set_back_does_not_keep_tags_fresh() -> None:
    async def scenario() -> None:
        async with reading(tag_ttl=900.0) as world:
            world.clock.wall += 86_400
            world.upstream.put(image(), "1")
            await world.get("1")
            world.clock.wall -= 86_400
            world.manifests.reconfigured()
            world.upstream.asked.clear()
            await world.get("1")
            assert world.upstream.asked == [("HEAD", "1")]

    asyncio.run(scenario())


def test_a_stale_tag_that_is_confirmed_costs_one_head_for_all() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await stale(world)
            replies = await asyncio.gather(*(world.get("1") for _ in range(20)))
            assert world.upstream.asked == [("HEAD", "1")]
            for reply in replies:
                assert reply.body == image()
                assert "Warning" not in reply.headers
                assert reply.outcome is not None
                assert (reply.outcome.cache, reply.outcome.upstream_status) == (Cache.HIT, 200)
            row = await world.metadata.tag(NGINX, "1")
            assert row is not None
            assert row.checked == world.clock.wall
            assert world.held("1") is not None

    asyncio.run(scenario())


def test_a_tag_that_moved_is_fetched_by_its_new_digest() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await stale(world)
            new = world.upstream.put(image("new"), "1")
            reply = await world.get("1")
            assert reply.body == image("new")
            assert world.upstream.asked == [("HEAD", "1"), ("GET", new)]
            assert reply.outcome is not None
            assert reply.outcome.cache is Cache.MISS
            assert (await world.get("1")).body == image("new")
            assert (await world.get(digest_of(image()))).body == image()

    asyncio.run(scenario())


@pytest.mark.parametrize("failure", FAILURES)
def test_what_is_held_is_served_stale_and_says_so(failure: RemoteError) -> None:
    async def scenario() -> None:
        async with reading(tag_ttl=900.0) as world:
            await stale(world)
            world.upstream.failure = failure
            world.clock.pass_by(99)
            for method in ("GET", "HEAD", "GET"):
                reply = await world.get("1", method=method)
                if method == "GET":
                    assert_stale(reply, age=1000)
                outcome = reply.outcome
                assert outcome is not None
                assert outcome.upstream_status == failure.status
                assert outcome.upstream_url == "registry.example"
                assert "stale" in (outcome.detail or "")
            assert world.upstream.asked == [("HEAD", "1")]  # not again within the pause
            assert world.held("1") is None

    asyncio.run(scenario())


@pytest.mark.parametrize("failure", FAILURES)
def test_it_is_noticed_that_the_upstream_is_back(failure: RemoteError) -> None:
    async def scenario() -> None:
        async with reading() as world:
            await stale(world)
            world.upstream.failure = failure
            assert_stale(await world.get("1"))
            world.upstream.failure = None
            world.upstream.put(image("new"), "1")
            world.clock.pass_by(10)
            assert_stale(await world.get("1"))  # at once, with a probe behind it
            await settled(world)
            reply = await world.get("1")
            assert reply.body == image("new")
            assert "Warning" not in reply.headers

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (FailedError("broken", status=500), [1, 3, 7, 15, 30, 45, 60, 75]),
        (BusyError("slow down"), [1, 3, 7, 15, 30, 45, 60, 75]),
        (UnreachableError("refused"), [1, 3, 7, *range(12, 80, 5)]),
    ],
)
def test_a_failure_is_asked_again_after_growing_pauses(
    failure: RemoteError, expected: list[int]
) -> None:
    async def scenario() -> None:
        async with reading(breaker_seconds=15.0) as world:
            await stale(world)
            world.upstream.failure = failure
            await world.get("1")
            probes = []
            for second in range(1, 80):
                world.clock.pass_by(1)
                before = len(world.upstream.asked)
                await world.get("1")
                await settled(world)
                if len(world.upstream.asked) > before:
                    probes.append(second)
            assert probes == expected

    asyncio.run(scenario())


def test_retry_after_is_kept() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await stale(world)
            world.upstream.failure = BusyError("slow down", retry_after=120)
            await world.get("1")
            for _ in range(119):
                world.clock.pass_by(1)
                await world.get("1")
            await settled(world)
            assert len(world.upstream.asked) == 1
            world.clock.pass_by(2)
            await world.get("1")
            await settled(world)
            assert len(world.upstream.asked) == 2

    asyncio.run(scenario())


def test_a_black_hole_costs_one_short_wait_and_then_none() -> None:
    async def scenario() -> None:
        async with reading(revalidate_timeout=0.3, answer_timeout=4.0) as world:
            await stale(world, "1", "2", "3")
            world.upstream.gate = asyncio.Event()
            began = time.monotonic()
            replies = await asyncio.gather(*(world.get("1") for _ in range(10)))
            assert 0.25 < time.monotonic() - began < 1.5
            for reply in replies:
                assert_stale(reply)
            began = time.monotonic()
            for tag in ("1", "2", "3") * 5:
                assert_stale(await world.get(tag))
            assert (time.monotonic() - began) / 15 < 0.05
            assert world.upstream.asked == [("HEAD", "1")]

    asyncio.run(scenario())


def test_one_probe_at_a_time_looks_whether_a_black_hole_is_over() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await stale(world, "1", "2", "3")
            world.upstream.gate = asyncio.Event()
            await world.get("1")
            for _ in range(5):
                world.clock.pass_by(60)
                for tag in ("2", "3", "2", "3"):
                    assert_stale(await world.get(tag))
                await asyncio.sleep(0)
            assert world.upstream.asked == [("HEAD", "1"), ("HEAD", "2")]
            world.upstream.gate.set()
            await settled(world)
            reply = await world.get("3")
            assert "Warning" not in reply.headers

    asyncio.run(scenario())


def test_a_slow_answer_is_stored_although_nobody_waited() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await stale(world)
            new = world.upstream.put(image("new"), "1")
            world.upstream.gate = asyncio.Event()
            assert_stale(await world.get("1"))
            world.upstream.gate.set()
            await settled(world)
            row = await world.metadata.tag(NGINX, "1")
            assert row is not None
            assert row.digest == new
            reply = await world.get("1")
            assert reply.body == image("new")
            assert "Warning" not in reply.headers
            assert world.upstream.asked == [("HEAD", "1"), ("GET", new)]

    asyncio.run(scenario())


def test_the_wait_is_counted_from_the_first_client() -> None:
    async def scenario() -> None:
        async with reading(revalidate_timeout=0.4) as world:
            await stale(world)
            world.upstream.gate = asyncio.Event()
            first = asyncio.create_task(world.get("1"))
            await asyncio.sleep(0.2)
            began = time.monotonic()
            assert_stale(await world.get("1"))
            assert time.monotonic() - began < 0.35
            assert_stale(await first)

    asyncio.run(scenario())


def test_a_failure_of_one_tag_says_nothing_of_others() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await stale(world, "1", "2")
            world.upstream.failures["HEAD", "1"] = FailedError("broken", status=500)
            assert_stale(await world.get("1"))
            assert "Warning" not in (await world.get("2")).headers

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "answer", [NotFoundError("gone", status=404), FailedError("broken", status=500)]
)
def test_whoever_answers_is_not_out_of_reach(answer: RemoteError) -> None:
    async def scenario() -> None:
        async with reading() as world:
            await stale(world, "1", "2")
            world.upstream.failure = UnreachableError("refused")
            assert_stale(await world.get("1"))
            world.upstream.failure = None
            world.upstream.failures["HEAD", "1"] = answer
            world.clock.pass_by(10)
            assert_stale(await world.get("1"))
            await settled(world)
            assert "Warning" not in (await world.get("2")).headers

    asyncio.run(scenario())


def test_new_bytes_that_are_wrong_leave_the_old_ones() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await stale(world)
            good = world.upstream.content[NGINX.name, "1"]
            new = world.upstream.put(image("new"), "1")
            world.upstream.content[NGINX.name, new] = good
            assert_stale(await world.get("1"))
            assert await world.metadata.manifest(NGINX, new) is None

    asyncio.run(scenario())


def test_gone_upstream_is_kept_and_marked() -> None:
    async def scenario() -> None:
        async with reading(tag_ttl=900.0, negative_ttl=60.0) as world:
            await stale(world)
            world.upstream.remove("1")
            for _ in range(3):
                reply = await world.get("1")
                assert_stale(reply)
                assert "gone upstream since 2027-01-15" in reply.headers["Warning"]
                assert reply.outcome is not None
                assert reply.outcome.upstream_status == 404
                await settled(world)
            assert world.upstream.asked == [("HEAD", "1")]
            row = await world.metadata.tag(NGINX, "1")
            assert row is not None
            assert row.gone == world.clock.wall
            gone = row.gone
            world.clock.pass_by(59)
            assert_stale(await world.get("1"))
            await settled(world)
            assert world.upstream.asked == [("HEAD", "1")]
            world.clock.pass_by(61)
            assert_stale(await world.get("1"))
            await settled(world)
            assert world.upstream.asked == [("HEAD", "1")] * 2
            row = await world.metadata.tag(NGINX, "1")
            assert row is not None
            assert row.gone == gone  # since when, not when last seen

    asyncio.run(scenario())


def test_what_was_gone_and_came_back_is_fresh_again() -> None:
    async def scenario() -> None:
        async with reading(tag_ttl=900.0, negative_ttl=60.0) as world:
            await stale(world)
            world.upstream.remove("1")
            await world.get("1")
            world.upstream.put(image(), "1")
            world.clock.pass_by(61)
            await world.get("1")
            await settled(world)
            reply = await world.get("1")
            assert "Warning" not in reply.headers
            row = await world.metadata.tag(NGINX, "1")
            assert row is not None
            assert row.gone is None

    asyncio.run(scenario())


def test_gone_upstream_is_still_known_after_a_restart() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await stale(world)
            world.upstream.remove("1")
            await world.get("1")
            async with reading() as other:
                other.metadata._state = world.metadata._state
                other.upstream.failure = UnreachableError("refused")
                reply = await other.get("1")
                assert "gone upstream since" in reply.headers["Warning"]

    asyncio.run(scenario())


def test_gone_upstream_is_removed_where_the_policy_says_so() -> None:
    async def scenario() -> None:
        async with reading(gone=Gone.REMOVE) as world:
            await stale(world)
            world.upstream.remove("1")
            for cache in (Cache.MISS, Cache.NEGATIVE):
                error = await world.error("1")
                assert (error.status, error.code) == (404, ErrorCode.MANIFEST_UNKNOWN)
                assert error.outcome is not None
                assert error.outcome.cache is cache
            assert await world.metadata.tag(NGINX, "1") is None
            assert world.upstream.asked == [("HEAD", "1"), ("GET", "1")]  # twice, to be sure
            assert (await world.get(digest_of(image()))).body == image()

    asyncio.run(scenario())


def test_nothing_is_removed_because_of_a_head_that_lies() -> None:
    async def scenario() -> None:
        async with reading(gone=Gone.REMOVE) as world:
            await stale(world)
            world.upstream.failures["HEAD", "1"] = NotFoundError("no HEAD here", status=404)
            reply = await world.get("1")
            assert reply.body == image()
            assert "Warning" not in reply.headers

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [401, 403])
def test_a_public_image_that_is_denied_now_is_kept_like_a_gone_one(status: int) -> None:
    async def scenario() -> None:
        async with reading() as world:
            await stale(world)
            world.upstream.failure = DeniedError("no", host="registry.example", status=status)
            reply = await world.get("1")
            assert_stale(reply)
            assert str(status) in reply.headers["Warning"]
            assert (await world.get(digest_of(image()))).status == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "settings",
    [
        {"credentials": CredentialsConfig(username="u", password_env="P")},  # noqa: S106
        {"anonymous": False},
        {"gone": Gone.REMOVE},
    ],
)
def test_a_private_image_that_is_denied_now_is_denied_to_all(settings: dict[str, object]) -> None:
    async def scenario() -> None:
        async with reading(**settings) as world:
            await stale(world)
            world.upstream.failure = DeniedError("no", host="registry.example", status=401)
            for asked in (1, 2):
                error = await world.error("1")
                assert (error.status, error.code) == (403, ErrorCode.DENIED)
                assert isinstance(error.detail, dict)
                assert error.detail["status"] == 401
                assert world.upstream.asked == [("HEAD", "1")] * asked
            world.upstream.failure = None
            assert "Warning" not in (await world.get("1")).headers
            assert await world.metadata.tag(NGINX, "1") is not None

    asyncio.run(scenario())


def test_credentials_that_are_for_everybody_do_not_make_an_image_private() -> None:
    async def scenario() -> None:
        credentials = CredentialsConfig(username="u", password_env="P")  # noqa: S106
        async with reading(credentials=credentials, anonymous=True) as world:
            await stale(world)
            world.upstream.failure = DeniedError("the token has expired", status=401)
            assert_stale(await world.get("1"))

    asyncio.run(scenario())


def test_a_cold_tag_joins_the_errand_for_it() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.put(image(), "1")
            world.upstream.gate = asyncio.Event()
            clients = [asyncio.create_task(world.get("1")) for _ in range(5)]
            await asyncio.sleep(0.01)
            world.upstream.gate.set()
            replies = await asyncio.gather(*clients)
            caches = [reply.outcome.cache for reply in replies if reply.outcome]
            assert sorted(caches) == [Cache.JOINED] * 4 + [Cache.MISS]
            assert [method for method, _ in world.upstream.asked] == ["HEAD", "GET"]

    asyncio.run(scenario())


def test_a_tag_that_is_deleted_during_its_errand() -> None:
    async def scenario() -> None:
        async with reading(revalidate_timeout=1.0) as world:
            await stale(world)
            world.upstream.gate = asyncio.Event()
            client = asyncio.create_task(world.get("1"))
            await asyncio.sleep(0.01)
            await world.metadata.delete_manifest(NGINX, digest_of(image()))
            world.upstream.gate.set()
            reply = await client
            assert (reply.status, reply.body) == (200, image())  # fetched anew
            assert ("GET", digest_of(image())) in world.upstream.asked

    asyncio.run(scenario())


def test_hostile_words_do_not_get_into_headers() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await stale(world)
            world.upstream.failure = FailedError(
                'evil"\r\nSet-Cookie: x', host="registry.example", status=500, detail="\r\n" * 9
            )
            reply = await world.get("1")
            assert_stale(reply)
            for text in reply.headers.values():
                assert text.isprintable()

    asyncio.run(scenario())


def test_the_error_of_one_client_is_not_shared_state() -> None:
    async def scenario() -> None:
        async with reading() as world:
            errors = await asyncio.gather(*(world.error("1") for _ in range(3)))
            assert len({id(error) for error in errors}) == 3
            assert all(isinstance(error, RegistryError) for error in errors)

    asyncio.run(scenario())
