"""The token service and the tokens: what clients really send, and what attackers would."""

import asyncio
import base64
import json
from typing import Any
from urllib.parse import urlencode

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.errors import UsageError
from homeport.mirror.auth import keyring as ring
from homeport.mirror.auth.api import Rejected
from homeport.mirror.auth.form import MAX_BYTES
from homeport.mirror.auth.robots import add_robot, remove_robot
from homeport.mirror.auth.scope import MAX_SCOPES, parse_scopes
from homeport.mirror.auth.tokens import MAX_TOKEN
from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import AuthConfig, ListenerConfig, Role, RuleConfig
from homeport.mirror.model.endpoint import Blob, Manifests, Tags, Uploads
from homeport.mirror.model.exchange import Reply
from homeport.mirror.model.principal import Allow, Deny, Principal, Proof


def body(reply: Reply) -> Any:
    assert isinstance(reply.body, bytes)
    return msgspec.json.decode(reply.body)


def granted(reply: Reply) -> dict[str, list[str]]:
    claims = jwt.decode(body(reply)["token"], options={"verify_signature": False})
    return {f"{each['type']}:{each['name']}": each["actions"] for each in claims["access"]}


def test_anybody_gets_a_token_for_what_anybody_may(bench: Any) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
        request = bench.get_token(
            service="homeport",
            scope=[
                "repository:library/nginx:pull,push",
                "repository:closed.corp/secret:pull repository:local/team/app:pull,push",
                "registry:catalog:*",
            ],
        )
        reply = await authenticator.token(request)
        assert reply.status == 200
        assert reply.headers["Cache-Control"] == "no-store"
        assert body(reply) | {"token": "", "access_token": ""} == {
            "token": "",
            "access_token": "",
            "token_type": "Bearer",
            "expires_in": 300,
            "issued_at": "2027-01-15T08:00:00Z",
            "scope": "repository:library/nginx:pull registry:catalog:*",
        }
        assert body(reply)["token"] == body(reply)["access_token"]
        # It is good for nobody, and proven nobody is not the same as nothing said.
        bearer = bench.request(f"Bearer {body(reply)['token']}")
        found = await authenticator.authenticate(bearer)
        assert found == Principal(
            proof=Proof.TOKEN,
            scopes={
                "repository:library/nginx": frozenset({"pull"}),
                "registry:catalog": frozenset({"*"}),
            },
        )
        assert request.decision == Allow(rule="token")
        await authenticator.close()

    asyncio.run(scenario())


def test_a_token_carries_what_rules_need_and_ends(bench: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        config = AuthConfig(htpasswd=bench.users(alice="one"), groups={"dev": ("alice",)})
        authenticator = bench.authenticator(config)
        request = bench.get_token(
            sign_in("alice", "one"),
            account="alice",
            scope="repository:closed.corp/secret:pull,push,delete repository:local/a/b:*",
        )
        reply = await authenticator.token(request)
        assert granted(reply) == {
            "repository:closed.corp/secret": ["pull", "push", "delete"],
            "repository:local/a/b": ["pull", "push", "delete"],
        }
        assert request.principal.name == "alice"
        bearer = bench.request(f"Bearer {body(reply)['token']}")
        for _ in range(2):
            found = await authenticator.authenticate(bearer)
            assert (found.name, found.groups, found.proof) == ("alice", ("dev",), Proof.TOKEN)
        bench.now += 299
        assert isinstance(await authenticator.authenticate(bearer), Principal)
        bench.now += 1
        assert isinstance(await authenticator.authenticate(bearer), Rejected)
        assert 'error="invalid_token"' in authenticator.challenge(bearer, None)
        await authenticator.close()

    asyncio.run(scenario())


def test_rules_cut_scopes_down_by_address_and_group(bench: Any, sign_in: Any) -> None:
    bench.rules = (
        RuleConfig(name="lan", allow=False, actions=("push",), networks=("10.9.0.0/16",)),
        RuleConfig(name="dev", allow=True, groups=("dev",), repositories=("local/dev/**",)),
        RuleConfig(name="no", allow=False, actions=("push",)),
    )

    async def scenario() -> None:
        config = AuthConfig(htpasswd=bench.users(alice="one"), groups={"dev": ("alice",)})
        authenticator = bench.authenticator(config)
        scope = "repository:local/dev/app:pull,push repository:local/ops/app:push"
        request = bench.get_token(sign_in("alice", "one"), scope=scope)
        assert granted(await authenticator.token(request)) == {
            "repository:local/dev/app": ["pull", "push"]
        }
        request.address = "10.9.1.1"
        assert granted(await authenticator.token(request)) == {"repository:local/dev/app": ["pull"]}
        await authenticator.close()

    asyncio.run(scenario())


def test_a_wrong_password_gets_no_token(bench: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
        request = bench.get_token(sign_in("alice", "two"), scope="repository:library/nginx:pull")
        with pytest.raises(RegistryError) as caught:
            await authenticator.token(request)
        assert caught.value.status == 401
        assert caught.value.headers["WWW-Authenticate"].startswith("Basic ")
        assert isinstance(request.decision, Deny)
        form = urlencode({"grant_type": "password", "username": "alice", "password": "two"})
        reply = await authenticator.token(bench.post_token(form))
        assert reply.status == 401
        assert body(reply)["error"] == "invalid_grant"
        assert body(reply)["errors"][0]["code"] == "UNAUTHORIZED"
        await authenticator.close()

    asyncio.run(scenario())


def test_docker_login_keeps_a_refresh_token_until_the_password_changes(
    bench: Any, sign_in: Any
) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
        offline = {"offline_token": "true", "client_id": "docker", "service": "homeport"}
        request = bench.get_token(sign_in("alice", "one"), **offline)
        refresh = body(await authenticator.token(request))["refresh_token"]
        # It is no access token.
        as_bearer = bench.request(f"Bearer {refresh}")
        assert isinstance(await authenticator.authenticate(as_bearer), Rejected)
        form = urlencode(
            {
                "grant_type": "refresh_token",
                "refresh_token": refresh,
                "service": "homeport",
                "client_id": "docker",
                "access_type": "offline",
                "scope": "repository:closed.corp/secret:pull repository:local/a/b:push",
            }
        )
        bench.now += 86_400
        reply = await authenticator.token(bench.post_token(form))
        assert granted(reply) == {
            "repository:closed.corp/secret": ["pull"],
            "repository:local/a/b": ["push"],
        }
        assert body(reply)["refresh_token"] == refresh
        bearer = bench.request(f"Bearer {body(reply)['token']}")
        assert (await authenticator.authenticate(bearer)).name == "alice"
        # A new password ends both, an access token that is still young included.
        bench.users(alice="two")
        bench.now += 2
        assert isinstance(await authenticator.authenticate(bearer), Rejected)
        reply = await authenticator.token(bench.post_token(form))
        assert (reply.status, body(reply)["error"]) == (401, "invalid_grant")
        await authenticator.close()

    asyncio.run(scenario())


def test_a_refresh_token_ends_by_age_and_with_its_robot(bench: Any) -> None:
    async def scenario() -> None:
        secret = add_robot(bench.data, "ci", groups=("g",), expires=None, now=bench.now)
        authenticator = bench.authenticator(AuthConfig())
        form = {"grant_type": "password", "username": "robot$ci", "password": secret}
        asked = bench.post_token(urlencode({**form, "access_type": "offline"}))
        refresh = body(await authenticator.token(asked))["refresh_token"]
        again = urlencode({"grant_type": "refresh_token", "refresh_token": refresh})
        reply = await authenticator.token(bench.post_token(again))
        assert reply.status == 200
        assert "refresh_token" not in body(reply)
        bearer = bench.request(f"Bearer {body(reply)['token']}")
        assert (await authenticator.authenticate(bearer)).groups == ("g",)
        remove_robot(bench.data, "ci")
        # The same name is another robot.
        add_robot(bench.data, "ci", expires=None, now=bench.now)
        bench.now += 2
        assert (await authenticator.token(bench.post_token(again))).status == 401
        assert isinstance(await authenticator.authenticate(bearer), Rejected)
        bench.now += 91 * 86_400
        assert (await authenticator.token(bench.post_token(again))).status == 401
        await authenticator.close()

    asyncio.run(scenario())


def test_an_access_token_is_not_exchanged_for_another(bench: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
        token = body(await authenticator.token(bench.get_token(sign_in("alice", "one"))))["token"]
        with pytest.raises(RegistryError) as caught:
            await authenticator.token(bench.get_token(f"Bearer {token}"))
        assert caught.value.status == 401
        await authenticator.close()

    asyncio.run(scenario())


def test_a_robots_token_ends_with_the_robot(bench: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        secret = add_robot(bench.data, "ci", expires=bench.now + 60, now=bench.now)
        authenticator = bench.authenticator(AuthConfig())
        reply = await authenticator.token(bench.get_token(sign_in("robot$ci", secret)))
        assert body(reply)["expires_in"] == 60
        await authenticator.close()

    asyncio.run(scenario())


def forged(token: str, secret: bytes) -> list[str]:
    """What somebody who holds one good token and not our key would try."""
    head, claims, signature = token.split(".")
    content = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": kid}).encode()).decode()
    other = base64.urlsafe_b64encode(json.dumps({**content, "sub": "root"}).encode()).decode()
    return [
        f"{none.rstrip('=')}.{claims}.",
        f"{none.rstrip('=')}.{claims}.{signature}",
        f"{head}.{other.rstrip('=')}.{signature}",
        f"{head}.{claims}.{signature[:-4]}",
        jwt.encode(content, b"x" * 32, algorithm="HS256", headers={"kid": kid}),
        jwt.encode(content, secret, algorithm="HS256", headers={"kid": "../../x"}),
        jwt.encode(content, secret, algorithm="HS256"),
        jwt.encode(content, secret * 2, algorithm="HS512", headers={"kid": kid}),
        jwt.encode({**content, "aud": "other"}, secret, headers={"kid": kid}),
        jwt.encode({**content, "iss": "other"}, secret, headers={"kid": kid}),
        jwt.encode({**content, "exp": "9999999999"}, secret, headers={"kid": kid}),
        jwt.encode({**content, "iat": content["iat"] + 9999}, secret, headers={"kid": kid}),
        jwt.encode({**content, "who": {"proof": "king"}}, secret, headers={"kid": kid}),
        jwt.encode({**content, "access": "all"}, secret, headers={"kid": kid}),
        base64.urlsafe_b64encode(b"[" * 6000).decode() + ".e30.x",
        f"{head}.{base64.urlsafe_b64encode(b'[' * 6000).decode().rstrip('=')}.x",
        "..",
        "a.b.c",
        "e30.e30.e30",
    ]


def test_forged_tokens_are_refused_without_waiting(bench: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
        token = body(await authenticator.token(bench.get_token(sign_in("alice", "one"))))["token"]
        secret = authenticator._keyring.keys.keys[0].raw
        for each in forged(token, secret):
            coroutine = authenticator.authenticate(bench.request(f"Bearer {each}"))
            with pytest.raises(StopIteration) as ended:
                coroutine.send(None)
            assert isinstance(ended.value.value, Rejected), each
        coroutine = authenticator.authenticate(bench.request(f"Bearer {token}"))
        with pytest.raises(StopIteration) as ended:
            coroutine.send(None)
        assert ended.value.value.name == "alice"
        await authenticator.close()

    asyncio.run(scenario())


def test_keys_are_private_survive_and_rotate(bench: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        config = AuthConfig(htpasswd=bench.users(alice="one"), token_lifetime=3600.0)
        first = bench.authenticator(config)
        path = bench.data / ring.FILE
        assert path.stat().st_mode & 0o777 == 0o600
        token = body(await first.token(bench.get_token(sign_in("alice", "one"))))["token"]
        bearer = bench.request(f"Bearer {token}")
        await first.close()
        second = bench.authenticator(config)
        assert (await second.authenticate(bearer)).name == "alice"
        # Rotated by a command while the mirror runs: old tokens count, new ones are signed anew.
        ring.rotate_keys(bench.data, now=bench.now)
        bench.now += 2
        assert (await second.authenticate(bearer)).name == "alice"
        newer = body(await second.token(bench.get_token(sign_in("alice", "one"))))["token"]
        assert jwt.get_unverified_header(newer)["kid"] != jwt.get_unverified_header(token)["kid"]
        # And by itself, when the newest is a month old.
        before = len(ring.read_keys(path).keys)
        bench.now += ring.ROTATE_AFTER + 10
        latest = body(await second.token(bench.get_token(sign_in("alice", "one"))))["token"]
        assert len(ring.read_keys(path).keys) == before + 1
        assert (await second.authenticate(bench.request(f"Bearer {latest}"))).name == "alice"
        bench.now += ring.KEEP_FOR
        assert len(ring.rotate_keys(bench.data, now=bench.now).keys) == 1
        await second.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("content", ["", "{}", '{"keys":[]}', "[" * 10_000])
def test_broken_keys_stop_the_start(bench: Any, content: str) -> None:
    path = bench.data / ring.FILE
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(UsageError, match="is broken"):
        bench.authenticator(AuthConfig())
    path.chmod(0o604)
    with pytest.raises(UsageError, match="open to all"):
        bench.authenticator(AuthConfig())


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ("", "unsupported_grant_type"),
        ("grant_type=authorization_code&code=x", "unsupported_grant_type"),
        ("grant_type=refresh_token&refresh_token=abc", "invalid_grant"),
        ("grant_type=password&username=&password=x", "invalid_grant"),
        ("grant_type=password&username=a%00b&password=x", "invalid_grant"),
        ("grant_type=%ff", "invalid_request"),
        ("a=" + "x" * MAX_BYTES, "invalid_request"),
        ("&".join(f"a{n}=1" for n in range(100)), "invalid_request"),
    ],
)
def test_bad_forms_are_answered_in_oauths_words(bench: Any, form: str, error: str) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
        request = bench.post_token(form)
        reply = await authenticator.token(request)
        assert body(reply)["error"] == error
        assert reply.status in (400, 401)
        # The same without saying how long it is.
        request = bench.post_token(form)
        request.length = None
        assert body(await authenticator.token(request))["error"] == error
        await authenticator.close()

    asyncio.run(scenario())


def test_other_methods_services_and_scopes_without_end_are_refused(bench: Any) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig())
        many = [f"repository:a{n}:pull" for n in range(MAX_SCOPES + 1)]
        for request, status in (
            (bench.get_token(service="registry.docker.io"), 400),
            (bench.get_token(scope=many), 400),
            (bench.request(endpoint=bench.get_token().endpoint, method="PUT"), 405),
        ):
            with pytest.raises(RegistryError) as caught:
                await authenticator.token(request)
            assert caught.value.status == status
        await authenticator.close()
        without = bench.authenticator(AuthConfig(token=False))
        with pytest.raises(RegistryError) as caught:
            await without.token(bench.get_token())
        assert caught.value.status == 404
        assert without.challenge(bench.request(), None).startswith("Basic ")
        await without.close()

    asyncio.run(scenario())


def test_a_mirror_for_dockerd_has_no_tokens(bench: Any) -> None:
    async def scenario() -> None:
        hub = ListenerConfig(name="hub", address="x", role=Role.DOCKER_MIRROR)
        authenticator = bench.authenticator(AuthConfig(), listeners=(hub,))
        wrong = "grant_type=password&username=a&password=b"
        with pytest.raises(RegistryError) as caught:
            await authenticator.token(bench.post_token(wrong, listener="hub"))
        assert caught.value.status == 404
        assert (await authenticator.token(bench.post_token(wrong))).status == 401
        await authenticator.close()

    asyncio.run(scenario())


def test_more_than_a_header_carries_is_refused_and_not_cut(bench: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        groups = tuple(f"group-{n}-{'x' * 200}" for n in range(60))
        secret = add_robot(bench.data, "big", groups=groups, expires=None, now=bench.now)
        authenticator = bench.authenticator(AuthConfig())
        with pytest.raises(RegistryError) as caught:
            await authenticator.token(bench.get_token(sign_in("robot$big", secret)))
        assert caught.value.status == 403
        await authenticator.close()

    asyncio.run(scenario())
    assert MAX_TOKEN < 12 * 1024


def test_scopes_are_read_as_the_specification_has_them() -> None:
    found = parse_scopes(
        [
            "repository:host.corp:5000/a/b:pull",
            "repository(plugin):x:pull,push repository:x:delete",
            "nonsense repository: :: repository::pull " + "repository:" + "x" * 2000 + ":pull",
        ]
    )
    assert [(each.type, each.name, sorted(each.actions)) for each in found] == [
        ("repository", "host.corp:5000/a/b", ["pull"]),
        ("repository", "x", ["delete", "pull", "push"]),
    ]


@given(st.lists(st.text(), max_size=5))
def test_no_scope_raises_but_too_many(texts: list[str]) -> None:
    for scope in parse_scopes(texts):
        assert scope.name


def test_a_challenge_says_where_tokens_are_had(bench: Any) -> None:
    authenticator = bench.authenticator(
        AuthConfig(htpasswd=bench.users(alice="one")),
        listeners=(
            ListenerConfig(name="out", address="x", external_url="https://mirror.example/reg/"),
        ),
    )
    scope = "repository:library/nginx:pull"
    assert authenticator.challenge(bench.request(), None) == (
        'Bearer realm="https://mirror.corp:5000/token",service="homeport"'
    )
    assert authenticator.challenge(bench.request(listener="out"), scope) == (
        f'Bearer realm="https://mirror.example/reg/token",service="homeport",scope="{scope}"'
    )
    # containerd's namespace goes along; nothing that a client sends breaks out of its quotes.
    request = bench.request(query={"ns": 'quay.io",evil="'}, host='x",evil="y')
    assert authenticator.challenge(request, 'a"b\\\nc') == (
        'Bearer realm="https://localhost/token?ns=quay.io%22%2Cevil%3D%22",service="homeport",'
        'scope="abc"'
    )


@pytest.mark.parametrize(
    ("method", "endpoint", "scope"),
    [
        ("GET", Manifests("a/b", "latest"), "repository:a/b:pull"),
        ("HEAD", Blob("a/b", "sha256:x"), "repository:a/b:pull"),
        ("GET", Tags("a/b"), "repository:a/b:pull"),
        ("PUT", Manifests("a/b", "latest"), "repository:a/b:pull,push"),
        ("POST", Uploads("a/b"), "repository:a/b:pull,push"),
        ("DELETE", Manifests("a/b", "latest"), "repository:a/b:delete"),
    ],
)
def test_who_had_a_bad_token_is_told_what_to_ask_for(
    bench: Any, method: str, endpoint: Any, scope: str
) -> None:
    authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
    request = bench.request("Bearer a.b.c", endpoint=endpoint, method=method)
    challenge = authenticator.challenge(request, None)
    assert f'scope="{scope}"' in challenge
    assert 'error="invalid_token"' in challenge
    request.principal = Principal(proof=Proof.TOKEN, scopes={})
    assert 'error="insufficient_scope"' in authenticator.challenge(request, scope)


def test_a_namespace_is_part_of_what_a_scope_means(bench: Any) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(htpasswd=bench.users(alice="one")))
        scope = "repository:secret:pull"
        assert granted(await authenticator.token(bench.get_token(scope=scope)))
        assert granted(await authenticator.token(bench.get_token(scope=scope, ns="docker.io")))
        closed = bench.get_token(scope=scope, ns="closed.corp")
        assert not granted(await authenticator.token(closed))
        assert not granted(
            await authenticator.token(bench.get_token(scope="repository:nowhere/x:pull"))
        )
        await authenticator.close()

    asyncio.run(scenario())
