"""What memory answers: only what is true, only what the store keeps, within its budget."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.mirror.model.names import Repository
from homeport.mirror.pull.warm import MARK_COST, PAGE_COST, Mark, Page, Warm
from homeport.mirror.pull.warm_use import HOLD, PROMISE
from homeport.mirror.store.api import Change, Hold, Kind, StoreError
from homeport.oci.digest import Digest, digest_of
from homeport.oci.manifest import Manifest
from homeport.oci.media_type import OCI_MANIFEST
from testbed.reading import HOST, NGINX, OTHER, TEAM, image, reading


def test_memory_asks_neither_store_nor_upstream() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = world.upstream.put(image(), "1")
            assert world.held("1") is None
            await world.get("1")
            world.metadata._state = None  # type: ignore[assignment]
            world.upstream.asked.clear()
            for reference in ("1", digest):
                reply = world.held(reference)
                assert reply is not None
                assert reply.body == image()
            assert world.upstream.asked == []
            world.metadata._state = type(world.metadata)()._state

    asyncio.run(scenario())


def test_memory_knows_repositories_apart() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = world.upstream.put(image(), "1")
            await world.get("1")
            assert world.held("1", OTHER) is None
            assert world.held(digest, OTHER) is None
            assert world.held(digest, TEAM) is None

    asyncio.run(scenario())


def test_a_push_a_deletion_and_an_untagging_are_seen_at_once() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = await world.push(image(), "1", "2")
            for reference in ("1", "2", digest):
                await world.get(reference, repository=TEAM)
                assert world.held(reference, TEAM) is not None
            await world.push(image("new"), "1")
            assert world.held("1", TEAM) is None
            assert (await world.get("1", repository=TEAM)).body == image("new")
            await world.metadata.delete_tag(TEAM, "1")
            assert world.held("1", TEAM) is None
            assert (await world.error("1", repository=TEAM)).status == 404
            assert world.held(digest, TEAM) is not None
            await world.metadata.delete_manifest(TEAM, digest)
            for reference in ("2", digest):
                assert world.held(reference, TEAM) is None
                assert (await world.error(reference, repository=TEAM)).status == 404

    asyncio.run(scenario())


def test_what_changes_while_it_is_read_is_not_kept() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await world.push(image(), "1")
            read = world.metadata.manifest
            moved: list[int] = []

            async def manifest(repository: Repository, digest: Digest) -> Manifest | None:
                found = await read(repository, digest)
                if not moved:
                    moved.append(1)
                    await world.push(image("new"), "1")
                return found

            world.metadata.manifest = manifest  # type: ignore[method-assign]
            assert (await world.get("1", repository=TEAM)).body == image("new")
            held = world.held("1", TEAM)
            assert held is not None
            assert held.body == image("new")

    asyncio.run(scenario())


def test_a_repository_that_changes_all_the_time_is_answered_but_not_kept() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = await world.push(image(), "1")
            read = world.metadata.manifest

            async def manifest(repository: Repository, digest: Digest) -> Manifest | None:
                found = await read(repository, digest)
                await world.push(image("else"), "else")
                return found

            world.metadata.manifest = manifest  # type: ignore[method-assign]
            for reference in ("1", digest):
                assert (await world.get(reference, repository=TEAM)).body == image()
                assert world.held(reference, TEAM) is None

    asyncio.run(scenario())


def test_a_served_manifest_is_held_before_the_answer() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = world.upstream.put(image(), "1")
            order: list[str] = []
            hold, put = world.metadata.hold, world.metadata.put_manifest

            async def held(*what: object, **more: object) -> None:
                order.append("hold")
                await hold(*what, **more)  # type: ignore[arg-type]

            async def stored(*what: object, **more: object) -> None:
                order.append("put")
                await put(*what, **more)  # type: ignore[arg-type]

            world.metadata.hold = held  # type: ignore[method-assign]
            world.metadata.put_manifest = stored  # type: ignore[method-assign]
            await world.get("1")
            assert order[0] == "hold"
            until = world.metadata._state.holds[digest, Hold.SERVED]
            assert until >= world.clock.wall + PROMISE
            await world.get("1")
            await world.get(digest)
            assert order.count("hold") == 1  # not for each request

    asyncio.run(scenario())


@pytest.mark.parametrize("interval", [1.0, 60.0, 299.0])
def test_whatever_is_served_is_held_for_an_hour_more(interval: float) -> None:
    async def scenario() -> None:
        async with reading(tag_ttl=1e9) as world:
            digest = world.upstream.put(image(), "1")
            await world.get("1")
            writes = 0
            hold = world.metadata.hold

            async def held(*what: object, **more: object) -> None:
                nonlocal writes
                writes += 1
                await hold(*what, **more)  # type: ignore[arg-type]

            world.metadata.hold = held  # type: ignore[method-assign]
            steps = int(3 * PROMISE / interval)
            for _ in range(steps):
                world.clock.pass_by(interval)
                assert (await world.get("1")).status == 200
                until = world.metadata._state.holds[digest, Hold.SERVED]
                assert until >= world.clock.wall + PROMISE
                await world.manifests.flush()
            assert writes <= 3 * PROMISE / 290

    asyncio.run(scenario())


def test_memory_does_not_answer_what_is_no_longer_held() -> None:
    async def scenario() -> None:
        async with reading(tag_ttl=1e9) as world:
            digest = world.upstream.put(image(), "1")
            await world.get("1")
            world.clock.pass_by(HOLD - PROMISE + 1)
            assert world.held("1") is None
            assert (await world.get("1")).status == 200
            assert world.held("1") is not None
            until = world.metadata._state.holds[digest, Hold.SERVED]
            assert until == world.clock.wall + HOLD

    asyncio.run(scenario())


def test_uses_are_written_in_batches() -> None:
    async def scenario() -> None:
        async with reading(tag_ttl=1e9) as world:
            digest = world.upstream.put(image(), "1")
            await world.get("1")
            await world.manifests.flush()
            world.clock.pass_by(100)
            batches: list[object] = []
            used = world.metadata.used

            async def note(uses: object, *, at: float) -> None:
                batches.append(uses)
                await used(uses, at=at)  # type: ignore[arg-type]

            world.metadata.used = note  # type: ignore[method-assign]
            for _ in range(50):
                await world.get("1")
                await world.get(digest)
            assert batches == []
            await world.manifests.flush()
            await world.manifests.flush()
            assert batches == [((NGINX, digest),)]
            assert world.metadata._state.links[NGINX, digest].used == world.clock.wall

    asyncio.run(scenario())


def test_uses_are_noted_once_and_many_are_written_early(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr("homeport.mirror.pull.warm_use.EAGER", 3)
        async with reading() as world:
            for number in range(2):
                await world.push(image(str(number)), str(number))
            for _ in range(5):
                for number in range(2):
                    await world.get(str(number), repository=TEAM)
            assert len(world.manifests._uses._noted) == 2
            await world.push(image("2"), "2")
            await world.get("2", repository=TEAM)
            for _ in range(10):
                await asyncio.sleep(0)
            assert world.manifests._uses._noted == []

    asyncio.run(scenario())


def test_what_was_read_before_a_change_is_not_kept() -> None:
    warm = Warm(10**6)
    manifest = Manifest(digest=digest_of(b"x"), media_type=OCI_MANIFEST, content=b"x")
    with warm.watch(NGINX) as watch, warm.watch(OTHER) as other:
        warm.changed(Change(Kind.TAG, NGINX, "1"))
        assert not warm.keep(watch, "1", Mark(Page(NGINX, manifest), fresh_until=1.0))
        assert warm.keep(other, "1", Mark(Page(OTHER, manifest), fresh_until=1.0))
    assert warm.mark(NGINX, "1") is None
    assert warm.mark(OTHER, "1") is not None
    assert warm._watches == {}


def test_uses_are_written_in_the_background_and_on_close() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.manifests._flush_interval = 0.01
            digest = world.upstream.put(image(), "1")
            await world.get("1")
            world.clock.pass_by(5)
            await world.get("1")
            await asyncio.sleep(0.05)
            assert world.metadata._state.links[NGINX, digest].used == world.clock.wall
            world.clock.pass_by(5)
            await world.get("1")
            await world.manifests.close()
            assert world.metadata._state.links[NGINX, digest].used == world.clock.wall

    asyncio.run(scenario())


def test_a_store_that_fails_does_not_end_the_background(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.put(image(), "1")
            await world.get("1")
            used = world.metadata.used

            async def fail(*_: object, **__: object) -> None:
                raise StoreError("disk")

            world.metadata.used = fail  # type: ignore[method-assign]
            await world.manifests.flush()
            assert "cannot note which manifests were served" in caplog.text
            world.metadata.used = used  # type: ignore[method-assign]
            assert (await world.get("1")).status == 200

    asyncio.run(scenario())


def test_large_manifests_are_served_but_not_kept() -> None:
    async def scenario() -> None:
        async with reading(memory=64 * 1024**2) as world:
            large = image(size=1024**2)
            world.upstream.put(large, "1")
            for _ in range(3):
                assert (await world.get("1")).body == large
            assert world.held("1") is None
            assert [method for method, _ in world.upstream.asked] == ["HEAD", "GET"]

    asyncio.run(scenario())


def test_the_budget_holds_and_what_is_used_stays() -> None:
    async def scenario() -> None:
        async with reading(memory=100_000) as world:
            for number in range(200):
                await world.push(image(str(number), size=2000), str(number))
                await world.get(str(number), repository=TEAM)
                assert world.manifests._warm.size <= 100_000
                assert world.held("0", TEAM) is not None
            assert world.held("1", TEAM) is None
            assert world.held("199", TEAM) is not None

    asyncio.run(scenario())


def test_many_tags_of_one_manifest_are_within_the_budget() -> None:
    async def scenario() -> None:
        async with reading(memory=20_000) as world:
            await world.push(image(), *(str(number) for number in range(200)))
            for number in range(200):
                assert (await world.get(str(number), repository=TEAM)).status == 200
                assert world.manifests._warm.size <= 20_000

    asyncio.run(scenario())


REPOSITORIES = [Repository(HOST, name) for name in ("a", "b")]
CONTENTS = [bytes([65 + number]) * (100 + 700 * number) for number in range(4)]
TAGS = ["1", "2", "latest"]
Step = tuple[str, int, int, int]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["keep", "tag", "untag", "unlink", "clear", "forget"]),
            st.integers(0, 1),
            st.integers(0, 3),
            st.integers(0, 2),
        ),
        max_size=60,
    ),
    st.sampled_from([4_000, 9_000, 10**6]),
)
def test_memory_never_says_what_is_not_so(steps: list[Step], budget: int) -> None:
    warm = Warm(budget)
    truth: dict[tuple[Repository, str], bytes] = {}
    for kind, which, content, tag in steps:
        repository, digest = REPOSITORIES[which], digest_of(CONTENTS[content])
        manifest = Manifest(digest=digest, media_type=OCI_MANIFEST, content=CONTENTS[content])
        if kind in ("keep", "tag"):
            reference = digest if kind == "keep" else TAGS[tag]
            truth[repository, reference] = truth[repository, digest] = CONTENTS[content]
            warm.changed(Change(Kind.TAG, repository, reference))
            with warm.watch(repository) as watch:
                page = warm.page(repository, digest) or Page(repository, manifest)
                warm.keep(watch, reference, Mark(page, fresh_until=1.0))
        elif kind == "untag":
            truth.pop((repository, TAGS[tag]), None)
            warm.changed(Change(Kind.TAG, repository, TAGS[tag]))
        elif kind == "unlink":
            truth = {
                key: value
                for key, value in truth.items()
                if not (key[0] == repository and value == CONTENTS[content])
            }
            warm.changed(Change(Kind.MANIFEST, repository, digest))
        elif kind == "forget":
            warm.forget(repository, TAGS[tag])
        else:
            warm.clear()
        assert warm.size <= budget
        for each in REPOSITORIES:
            for reference in (*TAGS, *map(digest_of, CONTENTS)):
                page = warm.fresh(each, reference, 0.0)
                assert page is None or page.content == truth.get((each, reference))
        costs = [len(page.content) + PAGE_COST for page in warm._pages.values()]
        assert warm.size == sum(costs) + MARK_COST * len(warm._marks)
        marks = {
            (page.repository, each) for page in warm._pages.values() for each in page.references
        }
        assert marks == set(warm._marks)


def test_an_answer_from_memory_is_cheap() -> None:
    """A loose bound, for a loaded machine; benchmarks/ has the figure."""

    async def scenario() -> None:
        async with reading() as world:
            world.upstream.put(image(), "1")
            await world.get("1")
            asked = world.ask("1", headers={"Accept": OCI_MANIFEST})
            began = time.process_time()
            for _ in range(2000):
                world.manifests.held(*asked)
            assert (time.process_time() - began) / 2000 < 100e-6

    asyncio.run(scenario())


def test_closing_twice_is_no_error() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.put(image(), "1")
            await world.get("1")
            await world.manifests.close()

    asyncio.run(scenario())
