"""Basic: htpasswd and robots; the warm path, changes of files, throttles."""

import asyncio
import os
import time
from typing import Any

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.errors import UsageError
from homeport.mirror.auth.api import Rejected
from homeport.mirror.auth.header import Basic, Bearer, Malformed, parse_authorization
from homeport.mirror.auth.login import WRONG
from homeport.mirror.auth.robots import add_robot, list_robots, remove_robot
from homeport.mirror.auth.throttle import MAX_BUCKETS, Throttle, place
from homeport.mirror.auth.verified import MAX_ENTRIES, Verified, VerifiedCache
from homeport.mirror.model.config import AuthConfig
from homeport.mirror.model.principal import ANONYMOUS, Principal, Proof


def test_a_user_is_known_by_the_password_and_in_the_groups_of_the_settings(
    bench: Any, sign_in: Any
) -> None:
    async def scenario() -> None:
        config = AuthConfig(htpasswd=bench.users(alice="wonder"), groups={"dev": ("alice", "bob")})
        authenticator = bench.authenticator(config)
        found = await authenticator.authenticate(bench.request(sign_in("alice", "wonder")))
        assert found == Principal(name="alice", groups=("dev",), proof=Proof.PASSWORD)
        for user, password in (("alice", "wonderx"), ("alice", ""), ("bob", "wonder")):
            request = bench.request(sign_in(user, password))
            assert await authenticator.authenticate(request) == WRONG
        await authenticator.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("text", [None, "", "Basic Og==", "basic  Og== ", "Basic OnNlY3JldA=="])
def test_who_says_nothing_is_anonymous(bench: Any, text: str | None) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="wonder")))
        assert await authenticator.authenticate(bench.request(text)) is ANONYMOUS
        await authenticator.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "text",
    [
        "Basic",
        "Basic !!!",
        "Basic YWxpY2U=",
        "Basic /////w==",
        "Basic YQBiOng=",
        "Bearer",
        "Bearer a b",
        "Bearer a,Basic b",
        "Digest x",
        "Basic " + "A" * 20_000,
        "Bearer ü",
    ],
)
def test_what_is_malformed_is_refused(bench: Any, text: str) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="wonder")))
        assert isinstance(await authenticator.authenticate(bench.request(text)), Rejected)
        await authenticator.close()

    asyncio.run(scenario())


@given(st.text() | st.text().map(lambda text: f"Basic {text}"))
def test_no_header_raises(text: str) -> None:
    assert isinstance(parse_authorization(text), Basic | Bearer | Malformed | None)


def test_a_password_that_was_proven_lately_is_not_hashed_again(
    bench: Any, sign_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = []
    checkpw = bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda *a: checks.append(1) or checkpw(*a))

    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="wonder")))
        request = bench.request(sign_in("alice", "wonder"))
        # Many at once are one check.
        found = await asyncio.gather(*(authenticator.authenticate(request) for _ in range(20)))
        assert {each.name for each in found} == {"alice"}
        assert len(checks) == 1
        coroutine = authenticator.authenticate(request)
        with pytest.raises(StopIteration) as ended:
            coroutine.send(None)
        assert ended.value.value.name == "alice"
        bench.now += 301
        await authenticator.authenticate(request)
        assert len(checks) == 2
        await authenticator.close()

    asyncio.run(scenario())


def test_a_change_of_the_file_counts_at_once(bench: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
        old, new = bench.request(sign_in("alice", "one")), bench.request(sign_in("alice", "two"))
        assert isinstance(await authenticator.authenticate(old), Principal)
        bench.users(alice="two")
        bench.now += 2
        assert await authenticator.authenticate(old) == WRONG
        assert isinstance(await authenticator.authenticate(new), Principal)
        # Under steady load the look at the file is in the background.
        bench.users(bob="three")
        bench.now += 1
        await authenticator.authenticate(new)
        await asyncio.gather(*authenticator._background)
        assert await authenticator.authenticate(new) == WRONG
        await authenticator.close()

    asyncio.run(scenario())


def test_a_file_that_became_invalid_changes_nothing_and_one_that_is_gone_knows_nobody(
    bench: Any, sign_in: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
        request = bench.request(sign_in("alice", "one"))
        bench.htpasswd.write_text("alice:{SHA}plaintextsecret\n")
        bench.now += 2
        assert isinstance(await authenticator.authenticate(request), Principal)
        assert "stays as it was" in caplog.text
        assert "plaintextsecret" not in caplog.text
        bench.htpasswd.unlink()
        bench.now += 2
        assert await authenticator.authenticate(request) == WRONG
        await authenticator.close()

    asyncio.run(scenario())


def test_only_bcrypt_is_read_and_every_bad_line_is_said(bench: Any) -> None:
    good = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()
    bench.htpasswd.write_text(
        f"# users\n\nalice:{good}\nbob:$apr1$abc$def\ncarol:secret\nalice:{good}\n"
        f"anonymous:{good}\nrobot$x:{good}\ndave:{good.replace('$04$', '$31$')}\n"
    )
    with pytest.raises(UsageError) as caught:
        bench.authenticator(AuthConfig(htpasswd=str(bench.htpasswd)))
    said = [(problem.span.line, problem.message) for problem in caught.value.problems]
    assert [line for line, _ in said] == [4, 5, 6, 7, 8, 9]
    assert "htpasswd -B" in said[0][1]
    assert "secret" not in str(caught.value)
    with pytest.raises(UsageError, match="does not exist"):
        bench.authenticator(AuthConfig(htpasswd="/nowhere"))


@pytest.mark.parametrize("prefix", ["2a", "2b", "2y"])
def test_the_three_spellings_of_bcrypt_are_read(bench: Any, sign_in: Any, prefix: str) -> None:
    async def scenario() -> None:
        hashed = bcrypt.hashpw(b"p" * 72, bcrypt.gensalt(4)).decode().replace("2b", prefix, 1)
        bench.htpasswd.write_text(f"alice:{hashed}\n")
        authenticator = bench.authenticator(AuthConfig(htpasswd=str(bench.htpasswd)))
        request = bench.request(sign_in("alice", "p" * 80))
        assert isinstance(await authenticator.authenticate(request), Principal)
        await authenticator.close()

    asyncio.run(scenario())


def test_a_name_that_does_not_exist_takes_as_long_as_one_that_does(
    bench: Any, sign_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = []
    checkpw = bcrypt.checkpw

    def record(password: bytes, hashed: bytes) -> bool:
        costs.append(hashed[:7])
        return checkpw(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", record)

    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
        await authenticator.authenticate(bench.request(sign_in("alice", "x")))
        await authenticator.authenticate(bench.request(sign_in("nobody", "x")))
        await authenticator.close()

    asyncio.run(scenario())
    assert costs == [b"$2b$04$", b"$2b$04$"]


def test_guessing_is_throttled_by_address_and_by_name(bench: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        config = AuthConfig(htpasswd=bench.users(alice="one", bob="two"), attempts_per_minute=5)
        authenticator = bench.authenticator(config)

        async def ask(user: str, password: str, address: str) -> Principal | Rejected:
            request = bench.request(sign_in(user, password), address=address)
            return await authenticator.authenticate(request)

        # Alice is known at her desk.
        assert isinstance(await ask("alice", "one", "10.0.0.7"), Principal)
        wrong = await asyncio.gather(*(ask("alice", f"x{n}", "10.0.0.66") for n in range(20)))
        assert [each for each in wrong if each == WRONG] == [WRONG] * 5
        assert all(each.retry_after == pytest.approx(12) for each in wrong if each != WRONG)
        # The address is shut out, for every name; the name is, from places that do not know it.
        assert (await ask("bob", "two", "10.0.0.66")).retry_after
        # Who was proven lately is not: by this very password, or from this very place.
        assert isinstance(await ask("alice", "one", "10.0.0.8"), Principal)
        authenticator._cache.forget_all()
        assert (await ask("alice", "one", "10.0.0.8")).retry_after
        assert isinstance(await ask("alice", "one", "10.0.0.7"), Principal)
        assert isinstance(await ask("bob", "two", "10.0.0.9"), Principal)
        bench.now += 13
        assert isinstance(await ask("alice", "one", "10.0.0.8"), Principal)
        await authenticator.close()

    asyncio.run(scenario())


def test_right_passwords_use_up_nothing(bench: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        config = AuthConfig(htpasswd=bench.users(alice="one"), attempts_per_minute=3)
        authenticator = bench.authenticator(config)
        for _ in range(20):
            authenticator._cache.forget_all()
            request = bench.request(sign_in("alice", "one"))
            assert isinstance(await authenticator.authenticate(request), Principal)
        await authenticator.close()

    asyncio.run(scenario())


def test_the_throttle_is_bounded_and_takes_a_whole_ipv6_network_for_one() -> None:
    throttle = Throttle(1)
    assert throttle.take("2001:db8::1", "a", 0.0) == 0
    assert throttle.take("2001:db8::2", "b", 0.0) > 0
    assert throttle.take("2001:db8:0:1::2", "c", 0.0) == 0
    assert place("::ffff:10.0.0.1") == "10.0.0.1"
    for n in range(MAX_BUCKETS):
        throttle.take(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", f"u{n}", 0.0)
    assert len(throttle._buckets) <= MAX_BUCKETS
    assert Throttle(0).take("10.0.0.1", "a", 0.0) == 0


def test_what_was_proven_is_bounded_and_cannot_come_back_after_it_was_forgotten() -> None:
    cache = VerifiedCache()
    entry = Verified(ANONYMOUS, None, 10.0)
    epoch = cache.epoch
    for n in range(MAX_ENTRIES + 10):
        cache.put(cache.key(str(n)), entry, epoch=epoch)
    assert len(cache) == MAX_ENTRIES
    assert cache.get(cache.key("0"), 0.0) is None
    assert cache.get(cache.key("100"), 0.0) is entry
    assert cache.get(cache.key("100"), 10.0) is None
    cache.forget_all()
    cache.put(cache.key("x"), entry, epoch=epoch)
    assert len(cache) == 0


def test_robots_come_and_go_while_the_mirror_runs(bench: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig())
        assert not authenticator.enabled
        secret = add_robot(
            bench.data, "ci", groups=("builders",), expires=bench.now + 100, now=bench.now
        )
        request = bench.request(sign_in("robot$ci", secret))
        bench.now += 2
        assert await authenticator.authenticate(request) == Principal(
            name="robot$ci", groups=("builders",), proof=Proof.ROBOT
        )
        assert authenticator.enabled
        for user, password in (("robot$c", secret), ("robot$ci", secret + "x"), ("ci", secret)):
            wrong = bench.request(sign_in(user, password))
            assert await authenticator.authenticate(wrong) == WRONG
        # Its end counts although it was proven lately.
        bench.now += 98
        assert await authenticator.authenticate(request) == WRONG
        other = add_robot(bench.data, "robot$cd", expires=None, now=bench.now)
        bench.now += 2
        again = bench.request(sign_in("robot$cd", other))
        assert isinstance(await authenticator.authenticate(again), Principal)
        assert remove_robot(bench.data, "cd")
        assert not remove_robot(bench.data, "cd")
        bench.now += 2
        assert await authenticator.authenticate(again) == WRONG
        await authenticator.close()

    asyncio.run(scenario())


def test_an_account_counts_as_soon_as_it_is_made(bench: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
        secret = add_robot(bench.data, "ci", expires=None, now=bench.now)
        bench.users(alice="two", bob="three")
        for user, password in (("robot$ci", secret), ("bob", "three"), ("alice", "two")):
            found = await authenticator.authenticate(bench.request(sign_in(user, password)))
            assert isinstance(found, Principal), user
        await authenticator.close()

    asyncio.run(scenario())


def test_a_robots_secret_is_nowhere_and_its_file_is_private(bench: Any) -> None:
    secret = add_robot(bench.data, "ci", expires=None, now=bench.now)
    [path] = (bench.data / "robots").iterdir()
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (bench.data / "robots").stat().st_mode & 0o777 == 0o700
    assert [robot.name for robot in list_robots(bench.data)] == ["ci"]
    with pytest.raises(UsageError, match="already"):
        add_robot(bench.data, "ci", expires=None, now=bench.now)
    path.chmod(0o644)
    with pytest.raises(UsageError, match="open to all"):
        list_robots(bench.data)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "A", "x" * 65, "a b", "robot$robot$a"])
def test_a_robots_name_is_a_plain_word(bench: Any, name: str) -> None:
    with pytest.raises(UsageError):
        add_robot(bench.data, name, expires=None, now=bench.now)
    with pytest.raises(UsageError):
        remove_robot(bench.data, name)


def test_a_reload_keeps_what_still_holds_and_an_invalid_one_changes_nothing(
    bench: Any, sign_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = []
    checkpw = bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda *a: checks.append(1) or checkpw(*a))

    async def scenario() -> None:
        config = AuthConfig(htpasswd=bench.users(alice="one"))
        authenticator = bench.authenticator(config)
        request = bench.request(sign_in("alice", "one"))
        await authenticator.authenticate(request)
        await authenticator.reload(AuthConfig(htpasswd=config.htpasswd, token_lifetime=60.0))
        await authenticator.authenticate(request)
        assert len(checks) == 1
        with pytest.raises(UsageError):
            await authenticator.reload(AuthConfig(htpasswd="/nowhere"))
        with pytest.raises(UsageError):
            await authenticator.reload(AuthConfig(htpasswd=config.htpasswd, token_lifetime=0))
        assert isinstance(await authenticator.authenticate(request), Principal)
        await authenticator.reload(AuthConfig(htpasswd=config.htpasswd, groups={"g": ("alice",)}))
        assert (await authenticator.authenticate(request)).groups == ("g",)
        # Who logs in while the settings change gets an answer.
        authenticator._cache.forget_all()
        pending = asyncio.create_task(authenticator.authenticate(request))
        await asyncio.sleep(0)
        await authenticator.reload(config)
        assert (await pending).name == "alice"
        await authenticator.close()

    asyncio.run(scenario())


def test_nobody_waits_in_an_endless_queue(
    bench: Any, sign_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeport.mirror.auth.login.MAX_WAITING", 4)
    monkeypatch.setattr(bcrypt, "checkpw", lambda *_: time.sleep(0.3))

    async def scenario() -> None:
        config = AuthConfig(htpasswd=bench.users(alice="one"), attempts_per_minute=0)
        authenticator = bench.authenticator(config)
        requests = [bench.request(sign_in("alice", f"x{n}")) for n in range(10)]
        found = await asyncio.gather(*(authenticator.authenticate(each) for each in requests))
        assert [each.retry_after for each in found].count(1.0) == 6
        await authenticator.close()

    asyncio.run(scenario())


def test_a_warm_request_costs_little(bench: Any, sign_in: Any) -> None:
    async def scenario() -> float:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
        request = bench.request(sign_in("alice", "one"))
        await authenticator.authenticate(request)
        best = 1.0
        for _ in range(5):
            start = time.process_time()
            for _ in range(2000):
                await authenticator.authenticate(request)
            best = min(best, (time.process_time() - start) / 2000)
        await authenticator.close()
        return best

    assert asyncio.run(scenario()) < 30e-6


def test_files_that_root_writes_belong_to_the_folders_owner(bench: Any) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(bench.data, 12345, 12345)
    add_robot(bench.data, "ci", expires=None, now=bench.now)
    path = bench.data / "robots" / "ci.json"
    assert (path.stat().st_uid, path.parent.stat().st_uid) == (12345, 12345)
