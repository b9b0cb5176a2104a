"""end-8: pages, links, and what is held where the upstream fails."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import CredentialsConfig, Gone
from homeport.mirror.model.exchange import Reply
from homeport.mirror.model.record import Cache
from homeport.mirror.pull.tags import LONGEST_PAGE, paged
from homeport.oci.error_code import ErrorCode
from homeport.remote.errors import (
    BusyError,
    DeniedError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)
from testbed.reading import NGINX, TEAM, Reading, image, reading


def names(reply: Reply) -> list[str]:
    assert reply.status == 200
    assert isinstance(reply.body, bytes)
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.headers["Content-Type"] == "application/json"
    document = json.loads(reply.body)
    assert set(document) == {"name", "tags"}
    assert isinstance(document["tags"], list)
    return list(document["tags"])


async def error(world: Reading, *query: Any, **what: Any) -> RegistryError:
    try:
        await world.tags(*query, **what)
    except RegistryError as raised:
        return raised
    raise AssertionError("answered")


async def local(world: Reading) -> None:
    await world.push(image(), "b", "a", "C", "1.10", "1.9")


def test_local_tags_are_sorted() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await local(world)
            reply = await world.tags(repository=TEAM)
            assert names(reply) == ["1.10", "1.9", "C", "a", "b"]
            assert "Link" not in reply.headers
            assert isinstance(reply.body, bytes)
            assert json.loads(reply.body)["name"] == "team/app"
            head = await world.tags(repository=TEAM, method="HEAD")
            assert (head.body, head.headers) == (b"", reply.headers)

    asyncio.run(scenario())


def test_local_pages() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await local(world)
            reply = await world.tags({"n": "2"}, repository=TEAM)
            assert names(reply) == ["1.10", "1.9"]
            assert reply.headers["Link"] == '</v2/team/app/tags/list?n=2&last=1.9>; rel="next"'
            reply = await world.tags({"n": "2", "last": "C"}, repository=TEAM)
            assert names(reply) == ["a", "b"]
            assert "Link" not in reply.headers
            assert names(await world.tags({"last": "1.95"}, repository=TEAM)) == ["C", "a", "b"]
            for n in ("5", "6", "99999999999999"):
                reply = await world.tags({"n": n}, repository=TEAM)
                assert len(names(reply)) == 5
                assert "Link" not in reply.headers

    asyncio.run(scenario())


@pytest.mark.parametrize("repository", [TEAM, NGINX])
def test_none_are_asked_for(repository: Any) -> None:
    async def scenario() -> None:
        async with reading() as world:
            await local(world)
            world.upstream.tag_names = ["a", "b"]
            reply = await world.tags({"n": "0"}, repository=repository)
            assert names(reply) == []
            assert "Link" not in reply.headers

    asyncio.run(scenario())


def test_an_unknown_local_repository() -> None:
    async def scenario() -> None:
        async with reading() as world:
            raised = await error(world, repository=TEAM)
            assert (raised.status, raised.code) == (404, ErrorCode.NAME_UNKNOWN)

    asyncio.run(scenario())


@pytest.mark.parametrize("repository", [TEAM, NGINX])
@pytest.mark.parametrize(
    "query",
    [{"n": "-1"}, {"n": "x"}, {"n": ""}, {"n": "٣"}, {"n": "9" * 5000}, {"last": "x" * 256}],
)
def test_malformed_pages(query: dict[str, str], repository: Any) -> None:
    async def scenario() -> None:
        async with reading() as world:
            await local(world)
            assert (await error(world, query, repository=repository)).status == 400
            assert world.upstream.asked == []

    asyncio.run(scenario())


def test_mirrored_tags_are_the_upstreams() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await world.push(image(), "only-here", repository=NGINX)
            world.upstream.tag_names = ["b", "a", "bad tag", "a"]
            reply = await world.tags()
            assert names(reply) == ["a", "b"]
            assert "Warning" not in reply.headers
            assert reply.outcome is not None
            assert reply.outcome.cache is Cache.THROUGH
            assert world.upstream.asked == [("TAGS", "n=None last=None")]

    asyncio.run(scenario())


def test_mirrored_pages_are_linked_under_the_name_that_was_asked() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.tag_names, world.upstream.more_tags = ["z", "b"], True
            reply = await world.tags({"n": "2", "last": "zz"}, namespace="docker.io")
            assert names(reply) == ["b", "z"]
            assert world.upstream.asked == [("TAGS", "n=2 last=zz")]
            # The upstream's own order decides what comes next.
            link = '</v2/library/nginx/tags/list?n=2&last=b&ns=docker.io>; rel="next"'
            assert reply.headers["Link"] == link
            assert reply.headers["OCI-Namespace"] == "docker.io"

    asyncio.run(scenario())


def test_an_upstream_that_knows_no_pages() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.tag_names = ["c", "a", "d", "b"]
            reply = await world.tags({"n": "2", "last": "a"})
            assert names(reply) == ["b", "c"]
            assert "last=c" in reply.headers["Link"]
            reply = await world.tags({"n": "2", "last": "c"})
            assert names(reply) == ["d"]
            assert "Link" not in reply.headers

    asyncio.run(scenario())


@given(st.sets(st.text("abcAB01.-", min_size=1, max_size=4), max_size=30), st.integers(1, 10))
def test_pages_of_a_whole_list_join_to_it(tags: set[str], n: int) -> None:
    seen: list[str] = []
    last = ""
    for _ in range(40):
        listed = paged(sorted(tags), False, n, last) if len(tags) > n else None
        if listed is None:
            seen = sorted(tags)
            break
        seen += listed.names
        if listed.next is None:
            break
        last = listed.next
    assert seen == sorted(tags)


def test_pages_are_bounded() -> None:
    many = [f"{number:06}" for number in range(LONGEST_PAGE + 5)]
    listed = paged(many, False, LONGEST_PAGE, "")
    assert len(listed.names) == LONGEST_PAGE
    assert listed.next == many[LONGEST_PAGE - 1]


@pytest.mark.parametrize(
    "failure",
    [
        BusyError("slow down"),
        UnreachableError("refused"),
        TimedOutError("late"),
        NotFoundError("gone", status=404),
        DeniedError("no", status=401),
    ],
)
def test_what_is_held_stands_in_for_an_upstream_that_fails(failure: RemoteError) -> None:
    async def scenario() -> None:
        async with reading() as world:
            await world.push(image(), "b", "a", repository=NGINX)
            world.upstream.failure = failure
            for _ in range(2):
                reply = await world.tags()
                assert names(reply) == ["a", "b"]
                assert reply.headers["Warning"].startswith('299 - "homeport: only the tags')
                assert reply.outcome is not None
                assert reply.outcome.cache is Cache.STALE
            reply = await world.tags({"n": "1"})
            assert names(reply) == ["a"]
            assert "last=a" in reply.headers["Link"]
            assert names(await world.tags({"last": "b"})) == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (BusyError("slow down"), 429, ErrorCode.TOOMANYREQUESTS),
        (UnreachableError("refused"), 502, ErrorCode.UNAVAILABLE),
        (TimedOutError("late"), 504, ErrorCode.TIMEOUT),
        (NotFoundError("gone", status=404), 404, ErrorCode.NAME_UNKNOWN),
        (DeniedError("no", status=401), 403, ErrorCode.DENIED),
    ],
)
def test_where_nothing_is_held_the_failure_is_told(
    failure: RemoteError, status: int, code: ErrorCode
) -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.failure = failure
            for _ in range(2):
                raised = await error(world)
                assert (raised.status, raised.code) == (status, code)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("settings", "failure", "status"),
    [
        ({"gone": Gone.REMOVE}, NotFoundError("gone", status=404), 404),
        ({"gone": Gone.REMOVE}, DeniedError("no", status=401), 403),
        (
            {"credentials": CredentialsConfig(username="u", password_env="P")},  # noqa: S106
            DeniedError("no", status=401),
            403,
        ),
    ],
)
def test_what_is_held_is_not_shown_against_policy(
    settings: dict[str, Any], failure: RemoteError, status: int
) -> None:
    async def scenario() -> None:
        async with reading(**settings) as world:
            await world.push(image(), "a", repository=NGINX)
            world.upstream.failure = failure
            assert (await error(world)).status == status

    asyncio.run(scenario())


def test_a_black_hole_does_not_hang_lists() -> None:
    async def scenario() -> None:
        async with reading(answer_timeout=0.2) as world:
            await world.push(image(), "a", repository=NGINX)
            world.upstream.gate = asyncio.Event()
            assert names(await world.tags()) == ["a"]
            assert names(await world.tags()) == ["a"]
            assert len(world.upstream.asked) == 1  # the second did not wait

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_a_list_that_comes_ends_the_trouble_of_its_upstream() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await world.push(image(), "a", repository=NGINX)
            world.upstream.failure = UnreachableError("refused")
            await world.tags()
            world.upstream.failure = None
            world.clock.pass_by(2)
            assert "Warning" not in (await world.tags()).headers
            assert world.manifests._tag_lists._troubles.of(NGINX.upstream) is None

    asyncio.run(scenario())


def test_those_who_ask_together_ask_once() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.tag_names = ["a"]
            replies = await asyncio.gather(*(world.tags() for _ in range(10)))
            assert all(names(reply) == ["a"] for reply in replies)
            assert len(world.upstream.asked) == 1

    asyncio.run(scenario())
