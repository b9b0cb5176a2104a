"""One URL of an upstream: its client, its breaker, its probe, and what it asked us to wait for."""

import asyncio
from collections.abc import Callable, Mapping

from homeport.mirror.upstream.api import Quota
from homeport.mirror.upstream.breaker import Breaker
from homeport.mirror.upstream.quota import parse_quota, seconds_to_wait
from homeport.remote.client import Client, Hear
from homeport.remote.errors import (
    BusyError,
    FailedError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)

_MAX_HOLD = 900.0
_MAX_PAUSE = 5.0
DOWNLOAD = "blob"
COUNTED = "manifest"
"""The kind of call that Docker Hub's quota counts: GET of a manifest."""


class Source:
    """`name` is its host, as `avoid` and the audit name it."""

    def __init__(
        self,
        name: str,
        *,
        make_client: Callable[[Hear], Client],
        breaker_seconds: float,
        probe_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self.breaker = Breaker(breaker_seconds, clock=clock)
        self.quota: Quota | None = None
        self.failing = ""
        self.client = make_client(self.hear)
        self._clock = clock
        self._probe_seconds = probe_seconds
        self._pause = min(breaker_seconds / 3, _MAX_PAUSE)
        self._held: dict[str, tuple[float, BusyError]] = {}
        self._probe: asyncio.Task[None] | None = None
        self._wanted = False

    def hear(self, headers: Mapping[str, str]) -> None:
        """Learn from the headers of any answer."""
        quota = parse_quota(headers, now=self._clock())
        if quota is not None:
            self.quota = quota

    def refusal(self, kind: str, share: float | None, *, look: bool = False) -> RemoteError | None:
        """Why a call of this kind, with so many seconds, is not even begun; None where it is."""
        now = self._clock()
        until, error = self._held.get(kind, (0.0, None))
        if error is not None and now < until:
            return _busy(str(error), self.name, until - now)
        wait = seconds_to_wait(self.quota, now=now) if kind == COUNTED else None
        if wait is not None and self.quota is not None:
            words = f"{self.name} says that its quota of {self.quota.limit} requests is used up"
            return _busy(words, self.name, wait)
        if self.breaker.refuses(share, look=look):
            self._wanted = True
            self._start_probe()
            kind_of_failure = TimedOutError if self.breaker.timed_out else UnreachableError
            return kind_of_failure(
                f"{self.name} is left alone for now, since: {self.breaker.words}", host=self.name
            )
        return None

    def learn(
        self,
        kind: str,
        error: RemoteError | None,
        *,
        took: float = 0.0,
        limit: float | None = None,
    ) -> None:
        """What came of a call after `took` seconds; `limit` is its short deadline if that ran
        out."""
        match error:
            case None | NotFoundError():
                self.breaker.succeed(took=took)
                self.failing = ""
                return
            case TimedOutError() | UnreachableError() if (
                kind == DOWNLOAD and error.host != self.client.host
            ):
                # Where it redirects to is out of reach. The registry is not, and knows manifests.
                self.breaker.succeed(took=took)
            case TimedOutError() | UnreachableError():
                self.breaker.fail(
                    str(error), timed_out=isinstance(error, TimedOutError), limit=limit
                )
                self._start_probe()
            case BusyError(retry_after=float() | int() as seconds):
                self.breaker.succeed(took=took)
                self._held[kind] = (self._clock() + min(seconds, _MAX_HOLD), error)
            case _:
                # It answers, whatever it says.
                self.breaker.succeed(took=took)
        if isinstance(error, BusyError | FailedError | TimedOutError | UnreachableError):
            self.failing = str(error)

    async def close(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)
        await self.client.close()

    def _start_probe(self) -> None:
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._keep_probing())

    async def _keep_probing(self) -> None:
        """Ask for a sign of life until there is one, or until nobody wants to know."""
        while self.breaker.is_open:
            self._wanted = False
            try:
                async with asyncio.timeout(self._probe_seconds):
                    await self.client.ping()
            except TimeoutError:
                words = f"{self.name} did not answer in {self._probe_seconds:g} seconds"
                self.breaker.fail(words, timed_out=True)
            except (TimedOutError, UnreachableError) as error:
                self.breaker.fail(str(error), timed_out=isinstance(error, TimedOutError))
            except RemoteError:
                return  # it speaks; what it says to a real call counts
            else:
                if self.breaker.answer():
                    self.failing = ""
                return
            await asyncio.sleep(self._pause)
            if not self._wanted:
                return


def _busy(words: str, host: str, seconds: float) -> BusyError:
    return BusyError(words, host=host, retry_after=seconds)
