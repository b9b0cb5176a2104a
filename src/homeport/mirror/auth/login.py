"""A user name and a password: who that is, throttled, off the loop, once for all who ask alike."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from homeport.mirror.auth.api import Rejected
from homeport.mirror.auth.htpasswd import Users
from homeport.mirror.auth.identity import ROBOT_PREFIX, Identity
from homeport.mirror.auth.issuer import Issuers
from homeport.mirror.auth.ldap import Directory, DirectoryUnavailableError
from homeport.mirror.auth.robots import Robot, verify_robot
from homeport.mirror.auth.throttle import Throttle
from homeport.mirror.model.principal import Proof

_LOG = logging.getLogger("homeport.mirror.auth")

WRONG = Rejected("the user name or the password is wrong")
"""One answer for all: a name that does not exist, a wrong password, a robot that is over."""

MAX_WAITING = 64
MAX_PASSWORD = 1024
_THREADS = 2
_DIRECTORY_THREADS = 4
_DEADLINE = 20.0
_AWAY_FOR = 5.0
"""For how long a directory that failed is not asked: nobody waits for each of its time-outs."""


class Logins:
    """`users` and `robots` give what the files hold now."""

    def __init__(
        self,
        *,
        users: Callable[[], Users],
        robots: Callable[[], Mapping[str, Robot]],
        issuers: Issuers,
        directory: Directory | None,
        throttle: Throttle,
        clock: Callable[[], float],
        look: Callable[[], Awaitable[None]],
    ) -> None:
        """`look` reads the files again where they have changed: an account counts as soon as the
        command that made it has ended."""
        self._users = users
        self._look = look
        self._robots = robots
        self.issuers = issuers
        self.directory = directory
        self.throttle = throttle
        self._clock = clock
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="homeport-login")
        self._directory_pool = ThreadPoolExecutor(
            _DIRECTORY_THREADS, thread_name_prefix="homeport-ldap"
        )
        self._away_since: float | None = None
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._flying: dict[tuple[str, str], asyncio.Task[Identity | Rejected]] = {}

    async def verify(self, user: str, password: str, address: str) -> Identity | Rejected:
        wait = self.throttle.take(address, user, self._clock())
        if wait > 0:
            return Rejected("too many failed logins; try again later", retry_after=wait)
        with self._busy():
            found = await self._judge(user, password)
        if isinstance(found, Identity):
            self.throttle.give_back(address, user, self._clock(), proven=True)
        elif found is not WRONG:
            self.throttle.give_back(address, user, self._clock(), proven=False)
        return found

    async def look_up(self, named: Identity) -> Identity | Rejected:
        """Whether somebody who was proven by a password is still who a refresh token says."""
        match named.proof:
            case Proof.PASSWORD:
                return named if self._users().stamp(named.name) == named.stamp else WRONG
            case Proof.ROBOT:
                robot = self._robots().get(named.name.removeprefix(ROBOT_PREFIX))
                if robot is None or robot.is_over(self._clock()) or robot.stamp != named.stamp:
                    return WRONG
                return robot.identity
            case Proof.LDAP if self.directory is not None:
                directory = self.directory
                with self._busy():
                    return await self._ask(lambda: directory.look_up(named.name))
            case _:
                return WRONG

    def stamp(self, identity: Identity) -> str | None:
        """The stamp that a credential must have now; None where it has none any more."""
        match identity.proof:
            case Proof.PASSWORD:
                return self._users().stamp(identity.name)
            case Proof.ROBOT:
                robot = self._robots().get(identity.name.removeprefix(ROBOT_PREFIX))
                return None if robot is None else robot.stamp
            case _:
                return identity.stamp

    async def close(self) -> None:
        for task in tuple(self._flying.values()):
            task.cancel()
        await self.drain()

    async def drain(self) -> None:
        """Let those who wait have their answers, then end the threads."""
        await self._idle.wait()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._directory_pool.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self._active += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()

    async def _judge(self, user: str, password: str) -> Identity | Rejected:
        if user.startswith(ROBOT_PREFIX):
            await self._look()
            return verify_robot(self._robots(), user, password, now=self._clock()) or WRONG
        if self.issuers and password.count(".") == 2 and password.startswith("ey"):
            verdict = await self.issuers.verify(password)
            if verdict is not None:
                return verdict
        if len(password) > MAX_PASSWORD:
            return WRONG
        key = (user, password)
        task = self._flying.get(key)
        if task is None:
            if len(self._flying) >= MAX_WAITING:
                return Rejected("too many logins at once; try again", retry_after=1.0)
            task = asyncio.get_running_loop().create_task(self._password(user, password))
            self._flying[key] = task
            task.add_done_callback(lambda _: self._flying.pop(key, None))
        return await asyncio.shield(task)

    async def _password(self, user: str, password: str) -> Identity | Rejected:
        await self._look()
        users, directory = self._users(), self.directory
        if directory is not None and user not in users:
            return await self._ask(lambda: directory.login(user, password))
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._pool, users.verify, user, password):
            return WRONG
        return Identity(name=user, proof=Proof.PASSWORD, stamp=users.stamp(user) or "")

    async def _ask(self, question: Callable[[], Identity | None]) -> Identity | Rejected:
        away = Rejected("the user directory does not answer; try again later", unavailable=True)
        if self._away_since is not None and abs(self._clock() - self._away_since) < _AWAY_FOR:
            return away
        try:
            async with asyncio.timeout(_DEADLINE):
                loop = asyncio.get_running_loop()
                found = await loop.run_in_executor(self._directory_pool, question)
        except (DirectoryUnavailableError, TimeoutError):
            self._away_since = self._clock()
            return away
        self._away_since = None
        return found or WRONG
