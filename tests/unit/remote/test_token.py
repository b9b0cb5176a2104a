"""Tokens: fetched once, kept, renewed, and never turned into a "not found"."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from yarl import URL

from homeport.remote.base_url import parse_base_url
from homeport.remote.client import Access, Client
from homeport.remote.credentials import Credentials, CredentialsError
from homeport.remote.errors import (
    BusyError,
    DeniedError,
    FailedError,
    ForbiddenTargetError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)
from homeport.remote.login import Kind, Login
from homeport.remote.target import Gate, Targets, Way
from homeport.remote.token import may_have_login
from testbed.fake_registry import FakeRegistry, Fault, busy, html

MANIFEST = b'{"schemaVersion":2,"manifests":[]}'


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Given:
    """A login that a test may change."""

    def __init__(self, login: Login | None) -> None:
        self.login = login
        self.reads = 0

    async def find(self) -> Login | None:
        self.reads += 1
        return self.login


USER = Login(username="user", secret="s3cret:ü")  # noqa: S106
Scenario = Callable[[FakeRegistry, Client, Clock, Given], Awaitable[None]]


def play(scenario: Scenario, *, login: Login | None = None, **access: Any) -> None:
    async def run() -> None:
        clock, given = Clock(), Given(login)
        async with FakeRegistry() as registry:
            registry.auth = "bearer"
            registry.users = {"user": "s3cret:ü"}
            registry.add_manifest("library/x", MANIFEST, tag="1")
            registry.add_manifest("library/y", MANIFEST, tag="1")
            client = Client(
                Access(url=registry.url, **{"answer_timeout": 5.0, **access}),
                clock=clock,
                credentials=Credentials(given, clock=clock) if login is not None else None,
            )
            try:
                await scenario(registry, client, clock, given)
            finally:
                await client.close()

    asyncio.run(run())


def test_anonymous_token_is_fetched_once_and_sent_at_once() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        for _number in range(3):
            await client.get_manifest("library/x", "1")
        assert [seen.path for seen in registry.seen] == [
            "/v2/library/x/manifests/1",
            "/token",
            *["/v2/library/x/manifests/1"] * 3,
        ]
        (asked,) = registry.asked("/token")
        assert asked.query == {"service": "fake, registry", "scope": "repository:library/x:pull"}
        assert "authorization" not in asked.headers
        await client.get_manifest("library/y", "1")
        assert [seen.path for seen in registry.seen[5:]] == ["/token", "/v2/library/y/manifests/1"]

    play(scenario)


def test_token_is_renewed_before_its_end() -> None:
    async def scenario(registry: FakeRegistry, client: Client, clock: Clock, _: Given) -> None:
        await client.get_manifest("library/x", "1")
        clock.now += 265
        await client.get_manifest("library/x", "1")
        assert len(registry.asked("/token")) == 1
        clock.now += 10
        await client.get_manifest("library/x", "1")
        assert len(registry.asked("/token")) == 2
        assert [seen.path for seen in registry.seen[-2:]] == ["/token", "/v2/library/x/manifests/1"]

    play(scenario)


def test_lifetime_that_is_not_said_is_a_minute() -> None:
    async def scenario(registry: FakeRegistry, client: Client, clock: Clock, _: Given) -> None:
        registry.token_lifetime = None
        await client.get_manifest("library/x", "1")
        clock.now += 46
        await client.get_manifest("library/x", "1")
        assert len(registry.asked("/token")) == 2

    play(scenario)


def test_revoked_token_is_replaced_once() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        await client.get_manifest("library/x", "1")
        registry.revoke_tokens()
        await client.get_manifest("library/x", "1")
        assert len(registry.asked("/token")) == 2
        registry.on(
            "manifests", Fault(status=401, headers={"WWW-Authenticate": challenge(registry)})
        )
        before = len(registry.seen)
        with pytest.raises(DeniedError, match="401"):
            await client.get_manifest("library/x", "1")
        assert len(registry.seen) == before + 3

    play(scenario)


def challenge(registry: FakeRegistry) -> str:
    return f'Bearer realm="{registry.url}/token",service="fake, registry"'


def test_twenty_at_once_fetch_one_token() -> None:
    async def scenario(registry: FakeRegistry, client: Client, clock: Clock, _: Given) -> None:
        await client.get_manifest("library/x", "1")
        clock.now += 10_000
        registry.on("/token", Fault(delay=0.05))
        await asyncio.gather(*(client.get_manifest("library/x", "1") for _ in range(20)))
        assert len(registry.asked("/token")) == 2

    play(scenario)


def test_caller_who_leaves_does_not_take_the_token_away() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        registry.on("/token", Fault(delay=0.1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.get_manifest("library/x", "1")
        await client.get_manifest("library/x", "1")
        assert len(registry.asked("/token")) == 1

    play(scenario)


@pytest.mark.parametrize(
    ("fault", "expected", "words"),
    [
        (busy("9"), BusyError, "too many"),
        (Fault(status=404, body=b'{"errors":[]}'), FailedError, "has no a token|token"),
        (html(404), FailedError, "404"),
        (html(200), FailedError, "did not answer with a token"),
        (Fault(status=503), FailedError, "503"),
        (Fault(status=401), DeniedError, "anonymous"),
        (Fault(status=403), DeniedError, "anonymous"),
        (Fault(body=b"{}"), FailedError, "gave no token"),
        (Fault(body=b'{"token":"a\\r\\nX-Evil: 1"}'), FailedError, "gave no token"),
        (Fault(body=b'{"token":"' + b"x" * 100_000 + b'"}'), FailedError, "more than"),
        (Fault(black_hole=True), TimedOutError, "did not answer"),
    ],
)
def test_failing_token_service_is_named_for_what_it_is(
    fault: Fault, expected: type[RemoteError], words: str
) -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        registry.on("/token", fault)
        with pytest.raises(RemoteError, match=words) as caught:
            await client.get_manifest("library/x", "1")
        assert type(caught.value) is expected

    play(scenario, answer_timeout=0.3)


def test_token_that_drips_is_not_waited_for_by_everybody() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        registry.on("token", Fault(body=b" " * 4000, piece=1, pace=0.02))
        began = time.monotonic()
        with pytest.raises(TimedOutError, match="did not end its answer"):
            await client.get_manifest("library/x", "1")
        assert time.monotonic() - began < 2

    play(scenario, read_timeout=0.3)


def test_unreachable_token_service() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        async with FakeRegistry() as gone:
            registry.realm = f"{gone.url}/token"
        with pytest.raises(UnreachableError):
            await client.get_manifest("library/x", "1")

    play(scenario, auth_hosts=("127.0.0.1",))


def test_busy_token_service_is_left_alone_for_as_long_as_it_says() -> None:
    async def scenario(registry: FakeRegistry, client: Client, clock: Clock, _: Given) -> None:
        registry.on("/token", busy("20"), times=1)
        for _number in range(3):
            with pytest.raises(BusyError):
                await client.get_manifest("library/x", "1")
        assert len(registry.asked("/token")) == 1
        clock.now += 21
        await client.get_manifest("library/x", "1")

    play(scenario)


def test_wrong_password_is_not_tried_again_at_once_nor_kept_for_ever() -> None:
    async def scenario(registry: FakeRegistry, client: Client, clock: Clock, given: Given) -> None:
        given.login = Login(username="user", secret="old-password")  # noqa: S106
        for _number in range(3):
            with pytest.raises(DeniedError, match="denies the login a token") as caught:
                await client.get_manifest("library/x", "1")
            assert "old-password" not in str(caught.value) + caught.value.detail
        assert len(registry.asked("/token")) == 1
        clock.now += 11
        with pytest.raises(DeniedError):
            await client.get_manifest("library/x", "1")
        assert len(registry.asked("/token")) == 2
        given.login = USER  # corrected: taken up without a wait
        await client.get_manifest("library/x", "1")
        assert len(registry.asked("/token")) == 3

    play(scenario, login=USER)


def test_login_goes_to_the_token_service_and_not_to_the_registry() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, given: Given) -> None:
        registry.anonymous = False
        await client.get_manifest("library/x", "1")
        (asked,) = registry.asked("/token")
        assert asked.headers["authorization"] == USER.basic
        assert asked.query["account"] == "user"
        others = registry.asked("/v2/")
        assert all("Basic" not in seen.headers.get("authorization", "") for seen in others)
        assert given.reads == 1

    play(scenario, login=USER)


def test_identity_token_is_posted() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        registry.identity_tokens["refresh me"] = "user"
        await client.get_manifest("library/x", "1")
        (asked,) = registry.asked("/token")
        assert asked.method == "POST"
        assert b"grant_type=refresh_token" in asked.body
        assert b"refresh_token=refresh+me" in asked.body
        assert "refresh" not in str(asked.query)

    play(scenario, login=Login(kind=Kind.IDENTITY, secret="refresh me"))  # noqa: S106


def test_bearer_of_the_settings_is_sent_as_it_is() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        registry._tokens["ready-made"] = "repository:library/x:pull"
        await client.get_manifest("library/x", "1")
        assert [seen.path for seen in registry.seen] == ["/v2/library/x/manifests/1"]

    play(scenario, login=Login(kind=Kind.BEARER, secret="ready-made"))  # noqa: S106


def test_basic() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, given: Given) -> None:
        registry.auth = "basic"
        await client.get_manifest("library/x", "1")
        await client.get_manifest("library/x", "1")
        sent = [seen.headers.get("authorization") for seen in registry.seen]
        assert sent == [None, USER.basic, USER.basic]
        registry.users["user"] = "changed"
        with pytest.raises(DeniedError, match="refuses our login"):
            await client.get_manifest("library/x", "1")
        given.login = Login(username="user", secret="changed")  # noqa: S106
        await client.get_manifest("library/x", "1")

    play(scenario, login=USER)


def test_basic_without_a_login() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        registry.auth = "basic"
        with pytest.raises(DeniedError, match="asks for a login"):
            await client.get_manifest("library/x", "1")

    play(scenario)


@pytest.mark.parametrize(
    ("realm", "reason"),
    [
        ("http://127.0.0.2:9/token", "not encrypted"),
        ("https://127.0.0.2:9/token", "private network"),
        ("https://169.254.169.254/token", "private network"),
        ("https://localhost/token", "private network"),
    ],
)
def test_realm_elsewhere_must_be_listed(realm: str, reason: str) -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        registry.realm = realm
        with pytest.raises(ForbiddenTargetError, match=reason) as caught:
            await client.get_manifest("library/x", "1")
        assert "auth_hosts" in str(caught.value)

    play(scenario, redirect_hosts=("127.0.0.0/8", "localhost", "169.254.169.254"))


def test_listed_realm_gets_the_login() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        async with FakeRegistry(host="127.0.0.2") as service:
            service.users = registry.users
            service._tokens = registry._tokens
            registry.realm = f"{service.url}/token?tenant=a%2Fb"
            await client.get_manifest("library/x", "1")
            (asked,) = service.asked("/token")
            assert asked.headers["authorization"] == USER.basic
            assert asked.query["tenant"] == "a/b"
            assert not registry.asked("/token")

    play(scenario, login=USER, auth_hosts=("127.0.0.2",))


def test_public_realm_that_is_not_listed_gets_no_login() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        registry.realm = "https://93.184.216.34/token"
        with pytest.raises(ForbiddenTargetError, match="list it in auth_hosts"):
            await client.get_manifest("library/x", "1")

    play(scenario, login=USER)


def test_redirect_of_the_token_service_takes_no_login_along() -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        registry.on("/token", Fault(status=302, headers={"Location": "https://10.0.0.1/steal"}))
        with pytest.raises(ForbiddenTargetError):
            await client.get_manifest("library/x", "1")

    play(scenario, login=USER)


@pytest.mark.parametrize("realm", ["", "/relative?", "::::", "https://", "https://u:p@h/token"])
def test_unusable_realm(realm: str) -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        said = {"WWW-Authenticate": f'Bearer realm="{realm}"'}
        registry.on("manifests", Fault(status=401, headers=said))
        registry.on("relative", Fault(status=404))
        with pytest.raises((FailedError, ForbiddenTargetError)):
            await client.get_manifest("library/x", "1")

    play(scenario)


@pytest.mark.parametrize("said", ["Negotiate", "Digest realm=x", ",,,", "Bearer"])
def test_challenge_that_cannot_be_met(said: str) -> None:
    async def scenario(registry: FakeRegistry, client: Client, _clock: Clock, _: Given) -> None:
        registry.on("manifests", Fault(status=401, headers={"WWW-Authenticate": said}))
        with pytest.raises((DeniedError, FailedError)):
            await client.get_manifest("library/x", "1")

    play(scenario)


def test_scope_of_the_challenge_counts() -> None:
    async def scenario(registry: FakeRegistry, client: Client, clock: Clock, _: Given) -> None:
        scope = "repository:tenant/library/x:pull"
        said = challenge(registry) + f',scope="{scope}"'
        fault = Fault(status=401, headers={"WWW-Authenticate": said})
        registry.on("manifests", fault, times=1)
        registry.auth = None
        await client.get_manifest("library/x", "1")
        clock.now += 10_000
        await client.get_manifest("library/x", "1")
        assert [seen.query["scope"] for seen in registry.asked("/token")] == [scope, scope]

    play(scenario)


def test_credentials_that_cannot_be_read_are_a_denial() -> None:
    class Broken(Given):
        async def find(self) -> Login | None:
            raise CredentialsError("/etc/x cannot be read: no such file")

    async def run() -> None:
        async with FakeRegistry() as registry:
            client = Client(
                Access(url=registry.url),
                clock=time.monotonic,
                credentials=Credentials(Broken(None), clock=time.monotonic),
            )
            with pytest.raises(DeniedError, match="/etc/x cannot be read"):
                await client.get_manifest("library/x", "1")
            await client.close()

    asyncio.run(run())


def test_login_shows_no_secret() -> None:
    assert "s3cret" not in repr(USER)


@pytest.mark.parametrize(
    ("own", "listed", "realm", "expected"),
    [
        ("https://registry-1.docker.io", (), "https://auth.docker.io/token", True),
        ("https://registry-1.docker.io", (), "http://auth.docker.io/token", False),
        ("https://registry-1.docker.io", (), "https://auth.docker.io.evil/token", False),
        ("https://registry.gitlab.com", (), "https://gitlab.com/jwt/auth", True),
        ("https://quay.io", (), "https://auth.docker.io/token", False),
        ("https://quay.io", (), "https://quay.io/v2/auth", True),
        ("https://h", (), "https://h:5001/auth", True),
        ("https://h", (), "http://h/auth", False),
        ("http://10.0.0.1:5000", (), "http://10.0.0.1:5001/auth", True),
        ("http://127.0.0.1:5000", (), "http://127.0.0.1:5001/auth", False),
        ("https://h", ("*.corp",), "https://login.corp/auth", True),
        ("https://h", ("login.corp",), "http://login.corp/auth", True),
    ],
)
def test_who_gets_the_login(own: str, listed: tuple[str, ...], realm: str, expected: bool) -> None:
    gate = Gate(parse_base_url(own), Targets(listed), Way.REALM, "auth_hosts")
    assert may_have_login(gate, URL(realm)) is expected
