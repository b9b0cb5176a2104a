"""Long acts: one at a time, their outcome kept, ended with the server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from homeport.errors import UsageError
from homeport.mirror.control.jobs import Job, Jobs, Progress
from homeport.mirror.errors import RegistryError
from homeport.mirror.store.api import StoreError


def outcome(work: Callable[[Progress], Awaitable[Any]]) -> Job:
    async def scenario() -> Job:
        jobs = Jobs(lambda: 5.0)
        jobs.start("verify", work)
        while (job := jobs.of("verify")) is not None and job.state == "running":
            await asyncio.sleep(0)
        assert job is not None
        assert job.ended == 5.0
        return job

    return asyncio.run(scenario())


def test_a_result_is_kept() -> None:
    async def work(progress: Progress) -> int:
        progress.done, progress.total = 2, 3
        return 7

    job = outcome(work)
    assert (job.state, job.result, job.error) == ("done", 7, None)
    assert (job.progress.done, job.progress.total) == (2, 3)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreError("the disk is gone"), "the disk is gone"),
        (UsageError.of("no such name"), "no such name"),
        (ValueError("secret"), "a defect of homeport: ValueError"),
    ],
)
def test_a_failure_is_said(error: Exception, said: str) -> None:
    async def work(_progress: Progress) -> None:
        raise error

    job = outcome(work)
    assert (job.state, job.error) == ("failed", said)


def test_one_at_a_time_and_none_after_the_end() -> None:
    async def scenario() -> None:
        jobs = Jobs(lambda: 1.0)

        async def work(_progress: Progress) -> None:
            await asyncio.Event().wait()

        job = jobs.start("verify", work)
        with pytest.raises(RegistryError) as refused:
            jobs.start("verify", work)
        assert refused.value.status == 409
        await asyncio.sleep(0)
        await jobs.close()
        assert (job.state, job.error) == ("failed", "the mirror was stopped")
        assert jobs.of("other") is None

    asyncio.run(scenario())
