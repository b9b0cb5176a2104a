"""Who asks: every way to prove oneself, put together behind `Authenticator`.

The warm path (a token or password that was proven lately) is a MAC, a look-up and a glance at the
clock; nothing there suspends. Files are looked at every second, in a thread.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from homeport.errors import Problem, UsageError
from homeport.mirror.auth import keyring as ring
from homeport.mirror.auth.api import Rejected
from homeport.mirror.auth.certificate import identify_certificate
from homeport.mirror.auth.challenge import BASIC, bearer_challenge
from homeport.mirror.auth.header import Basic, Bearer, Malformed, parse_authorization
from homeport.mirror.auth.htpasswd import NO_USERS, Users, read_htpasswd
from homeport.mirror.auth.identity import ROBOT_PREFIX, Identity
from homeport.mirror.auth.issuer import Issuers, issuer_problems
from homeport.mirror.auth.jwks import Fetch
from homeport.mirror.auth.jwks_fetch import fetch as fetch_https
from homeport.mirror.auth.ldap import Directory, ldap_problems
from homeport.mirror.auth.login import Logins
from homeport.mirror.auth.robots import FOLDER, Robot, read_robots
from homeport.mirror.auth.scope import Resolve
from homeport.mirror.auth.throttle import Throttle
from homeport.mirror.auth.token_service import TokenService
from homeport.mirror.auth.tokens import read_access
from homeport.mirror.auth.verified import Verified, VerifiedCache
from homeport.mirror.auth.watched import Watched
from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import AuthConfig, ListenerConfig, Role
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.principal import ANONYMOUS, Principal, Proof
from homeport.mirror.policy.api import Policy
from homeport.oci.error_code import ErrorCode

_LOG = logging.getLogger("homeport.mirror.auth")

PROVEN_FOR = 300.0
"""Seconds after which a password is checked again, however often it came."""
LOOK_EVERY = 1.0
LOOK_AT_LEAST = 2.0
"""A file older than this is looked at before it is believed; below, while it is believed."""

_BAD_TOKEN = Rejected("the token is invalid or has expired")
_NO_ROBOTS: Mapping[str, Robot] = {}


class RegistryAuthenticator:
    """`Authenticator` (see `auth/api.py`). `make_authenticator` builds it."""

    def __init__(
        self,
        config: AuthConfig,
        *,
        data: Path,
        policy: Callable[[], Policy],
        resolve: Resolve,
        listeners: Sequence[ListenerConfig],
        clock: Callable[[], float],
        fetch: Fetch,
    ) -> None:
        self._data = data
        self._policy = policy
        self._clock = clock
        self._fetch = fetch
        self._cache = VerifiedCache()
        self._background: set[asyncio.Task[None]] = set()
        self._looked = clock()
        self._keyring = ring.Keyring(ring.load_keys(data, now=clock()))
        self._keys = Watched(data / ring.FILE, ring.read_keys, absent=self._keyring.keys)
        self._robots = Watched(data / FOLDER, read_robots, absent=_NO_ROBOTS)
        self._config: AuthConfig | None = None
        self.prepare(config, resolve=resolve, listeners=listeners)()

    @property
    def enabled(self) -> bool:
        config = self._settings
        return bool(
            config.htpasswd
            or config.issuers
            or config.ldap
            or self._robots.value
            or self._by_certificate
        )

    def groups_of(self, name: str) -> tuple[str, ...]:
        """Those that are known without a login: of the settings, and a robot's own."""
        robot = None
        if name.startswith(ROBOT_PREFIX):
            robot = self._robots.value.get(name.removeprefix(ROBOT_PREFIX))
        own = () if robot is None else robot.groups
        return tuple(dict.fromkeys((*own, *self._groups.get(name, ()))))

    async def authenticate(self, request: Request) -> Principal | Rejected:
        found = await self._entry(request)
        return found.principal if isinstance(found, Verified) else found

    def challenge(self, request: Request, scope: str | None) -> str:
        if not self._settings.token:
            return BASIC
        external = self._external.get(request.listener)
        return bearer_challenge(request, scope, external_url=external)

    async def token(self, request: Request) -> Reply:
        if not self._settings.token or request.listener in self._for_dockerd:
            raise RegistryError(ErrorCode.UNSUPPORTED, "there is no token service here", status=404)
        await self._look()
        if ring.is_due(self._keyring.keys, self._clock()):
            await asyncio.to_thread(ring.rotate_keys, self._data, now=self._clock())
            await self._refresh()
        return await self._service.answer(request)

    async def reload(
        self,
        config: AuthConfig,
        *,
        resolve: Resolve | None = None,
        listeners: Sequence[ListenerConfig] | None = None,
    ) -> None:
        """Take up new settings; raises as `make_authenticator`, and nothing has changed then. Keys
        of issuers, throttles and, where the ways to prove oneself are the same, what was proven
        are kept."""
        commit = await asyncio.to_thread(
            self.prepare,
            config,
            resolve=resolve or self._resolve,
            listeners=self._listeners if listeners is None else listeners,
        )
        commit()

    async def close(self) -> None:
        for task in tuple(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._logins.issuers.close()
        await self._logins.close()

    def prepare(
        self, config: AuthConfig, *, resolve: Resolve, listeners: Sequence[ListenerConfig]
    ) -> Callable[[], None]:
        """Everything that may fail; what is returned cannot, and switches (on the event loop, but
        for the first time). Raises as `make_authenticator`. Blocking (files)."""
        old = None if self._config is None else self._logins
        problems = auth_problems(config)
        if problems:
            raise UsageError(problems)
        users = None
        if config.htpasswd is not None:
            path = Path(config.htpasswd)
            if not path.exists():
                raise UsageError.of(f"htpasswd: {path} does not exist", code="htpasswd")
            users = Watched(path, read_htpasswd, absent=NO_USERS)
        directory = None if config.ldap is None else Directory(config.ldap)
        before = self._config
        same_rate = before and before.attempts_per_minute == config.attempts_per_minute
        throttle = (
            old.throttle if old is not None and same_rate else Throttle(config.attempts_per_minute)
        )
        issuers = Issuers(
            config.issuers,
            data=self._data,
            fetch=self._fetch,
            clock=self._clock,
            keep=None if old is None else old.issuers,
        )

        def commit() -> None:
            self._users = users
            self._apply(config, resolve, listeners, (issuers, directory, throttle))
            if before is None or _proofs(before) != _proofs(config):
                self._cache.forget_all()
            if old is not None:
                # Who is logging in right now gets an answer, from what held when they asked.
                self._later(old.drain())

        return commit

    def _apply(
        self,
        config: AuthConfig,
        resolve: Resolve,
        listeners: Sequence[ListenerConfig],
        made: tuple[Issuers, Directory | None, Throttle],
    ) -> None:
        issuers, directory, throttle = made
        self._config = self._settings = config
        self._resolve, self._listeners = resolve, tuple(listeners)
        self._external = {
            found.name: found.external_url for found in listeners if found.external_url is not None
        }
        # They never answer 401, so they have nobody to ask for a token.
        self._for_dockerd = {found.name for found in listeners if found.role is Role.DOCKER_MIRROR}
        self._by_certificate = any(
            found.tls is not None and found.tls.client_ca is not None for found in listeners
        )
        self._groups = _groups_of(config.groups)
        self._logins = Logins(
            users=self._current_users,
            robots=lambda: self._robots.value,
            issuers=issuers,
            directory=directory,
            throttle=throttle,
            clock=self._clock,
            look=self._refresh,
        )
        self._service = TokenService(
            keyring=self._keyring,
            logins=self._logins,
            identify=self._identify,
            principal=self._principal,
            policy=self._policy,
            resolve=resolve,
            clock=self._clock,
            lifetime=config.token_lifetime,
        )

    def _current_users(self) -> Users:
        return NO_USERS if self._users is None else self._users.value

    async def _identify(self, request: Request) -> Identity | Rejected | None:
        """For the token service: our own access tokens are not exchanged for others."""
        found = await self._entry(request)
        if isinstance(found, Rejected):
            return found
        if found.principal.proof is Proof.TOKEN:
            return Rejected("an access token is not exchanged for another one")
        return found.identity

    async def _entry(self, request: Request) -> Verified | Rejected:
        text = request.headers.get("Authorization")
        if not text:
            return self._unsaid(request)
        now = self._clock()
        age = abs(now - self._looked)
        if age >= LOOK_EVERY:
            await self._look()
        key = self._cache.key(text)
        found = self._cache.get(key, now)
        if found is not None:
            return found
        epoch = self._cache.epoch
        parsed = parse_authorization(text)
        match parsed:
            case None:
                return self._unsaid(request)
            case Malformed(reason):
                return Rejected(reason)
            case Bearer(token):
                entry = self._own(token, now) or await self._foreign(token)
            case Basic(user, password):
                entry = await self._proven(
                    await self._logins.verify(user, password, request.address)
                )
        if isinstance(entry, Verified):
            self._cache.put(key, entry, epoch=epoch)
        return entry

    def _unsaid(self, request: Request) -> Verified | Rejected:
        """No credentials in the header: a certificate, or nobody."""
        if not request.certificate:
            return _NOBODY
        found = identify_certificate(request.certificate)
        if isinstance(found, str):
            return Rejected(found)
        return Verified(self._principal(found), found, 0.0)

    def _own(self, token: str, now: float) -> Verified | None:
        """One of our access tokens; None for any other, and for one that no longer counts."""
        access = read_access(self._keyring, token, now=now)
        if access is None:
            return None
        identity = access.identity
        if identity is not None and self._logins.stamp(identity) != identity.stamp:
            return None
        principal = self._principal(identity)
        issued = Principal(
            name=principal.name,
            groups=principal.groups,
            proof=Proof.TOKEN,
            claims=principal.claims,
            scopes=access.scopes,
        )
        return Verified(issued, None, access.until)

    async def _foreign(self, token: str) -> Verified | Rejected:
        found = await self._logins.issuers.verify(token)
        return _BAD_TOKEN if found is None else await self._proven(found)

    async def _proven(self, found: Identity | Rejected) -> Verified | Rejected:
        if isinstance(found, Rejected):
            return found
        until = self._clock() + PROVEN_FOR
        if found.until is not None:
            until = min(until, found.until)
        return Verified(self._principal(found), found, until)

    def _principal(self, identity: Identity | None) -> Principal:
        if identity is None:
            return ANONYMOUS
        own = self._groups.get(identity.name, ())
        return Principal(
            name=identity.name,
            groups=tuple(dict.fromkeys((*identity.groups, *own))),
            proof=identity.proof,
            claims=identity.claims,
        )

    async def _look(self) -> None:
        """See whether files have changed: in the background while the last look is young."""
        now = self._clock()
        age = abs(now - self._looked)
        if age < LOOK_EVERY:
            return
        self._looked = now
        if age >= LOOK_AT_LEAST:
            await self._refresh()
            return
        self._later(self._refresh())

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _refresh(self) -> None:
        watched: list[Watched[Any]] = [self._keys, self._robots]
        if self._users is not None:
            watched.append(self._users)
        changed = await asyncio.to_thread(lambda: [found.refresh() for found in watched])
        if any(changed):
            self._keyring.keys = self._keys.value
            self._cache.forget_all()
            _LOG.info("users, robots or token keys have changed")


_NOBODY = Verified(ANONYMOUS, None, 0.0)


def make_authenticator(
    config: AuthConfig,
    *,
    data: Path,
    policy: Callable[[], Policy],
    resolve: Resolve,
    listeners: Sequence[ListenerConfig] = (),
    clock: Callable[[], float] = time.time,
    fetch: Fetch = fetch_https,
) -> RegistryAuthenticator:
    """`data` holds the token keys, the robots and the issuers' keys; `clock` gives seconds since
    1970. Blocking (files). Raises UsageError with every fault of settings and htpasswd file,
    MissingError where LDAP's library is not installed, OSError."""
    return RegistryAuthenticator(
        config,
        data=data,
        policy=policy,
        resolve=resolve,
        listeners=listeners,
        clock=clock,
        fetch=fetch,
    )


def auth_problems(config: AuthConfig) -> tuple[Problem, ...]:
    """What is wrong in the settings themselves; files are not looked at."""
    problems = [found for issuer in config.issuers for found in issuer_problems(issuer)]
    if config.ldap is not None:
        problems += ldap_problems(config.ldap)
    if not 1 <= config.token_lifetime <= 86_400:
        problems.append(Problem(message="token_lifetime is 1 s to 24 h", code="token-lifetime"))
    if config.attempts_per_minute < 0:
        problems.append(
            Problem(message="attempts_per_minute is not negative", code="attempts-per-minute")
        )
    return tuple(problems)


def _groups_of(groups: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    """Name → groups, of group → names."""
    found: dict[str, tuple[str, ...]] = {}
    for group, members in groups.items():
        for member in members:
            found[member] = (*found.get(member, ()), group)
    return found


def _proofs(config: AuthConfig) -> tuple[object, ...]:
    """What cached proofs depend on."""
    return config.htpasswd, config.groups, config.issuers, config.ldap
