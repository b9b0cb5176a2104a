"""id_tokens, OpenID Connect, and client certificates."""

import asyncio
import base64
import hmac
import json
from typing import Any

import jwt
import pytest

from homeport.errors import UsageError
from homeport.mirror.auth.api import Rejected
from homeport.mirror.auth.certificate import identify_certificate
from homeport.mirror.auth.identity import Identity
from homeport.mirror.auth.issuer import LEEWAY
from homeport.mirror.auth.jwks import ASK_EVERY, FRESH_FOR, KEPT_FOR
from homeport.mirror.model.config import AuthConfig, IssuerConfig
from homeport.mirror.model.principal import ANONYMOUS, Principal, Proof

GITLAB = IssuerConfig(
    issuer="https://gitlab.corp",
    audience="https://mirror.corp",
    algorithms=("RS256", "ES256"),
    bound_claims={"project_path": "team/*", "ref_protected": "true"},
)


def test_a_job_is_its_project_by_password_or_bearer(bench: Any, signer: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        gitlab = signer()
        gitlab.publish(bench)
        authenticator = bench.authenticator(AuthConfig(issuers=(GITLAB,)))
        token = gitlab.token(bench.now, job_id=17, list=["x"], deep={"a": 1})
        for header in (
            sign_in("gitlab-ci-token", token),
            sign_in("whatever", token),
            f"Bearer {token}",
        ):
            found = await authenticator.authenticate(bench.request(header))
            assert isinstance(found, Principal), found
            assert (found.name, found.proof) == ("team/app", Proof.GITLAB)
            assert found.claims["ref_protected"] == "true"
            assert found.claims["job_id"] == "17"
            assert "list" not in found.claims
        assert bench.fetched == [
            "https://gitlab.corp/.well-known/openid-configuration",
            "https://gitlab.corp/keys",
        ]
        # Proven lately, it does not wait; over, it does not count.
        coroutine = authenticator.authenticate(bench.request(f"Bearer {token}"))
        with pytest.raises(StopIteration):
            coroutine.send(None)
        bench.now += 3600 + LEEWAY
        late = await authenticator.authenticate(bench.request(f"Bearer {token}"))
        assert isinstance(late, Rejected)
        await authenticator.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other"},
        {"aud": None},
        {"aud": ["https://other"]},
        {"iss": "https://gitlab.corp/"},
        {"iss": "https://evil"},
        {"iss": None},
        {"exp": None},
        {"exp": 1},
        {"exp": "soon"},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"nbf": 1_800_000_100},
        {"iat": 1_800_000_100},
        {"project_path": "team/sub/app"},
        {"project_path": "teams/app"},
        {"project_path": "robot$x"},
        {"project_path": None},
        {"project_path": ["team/app\n"]},
        {"ref_protected": "false"},
        {"ref_protected": None},
        {"ref": "x" * 2000},
        {"ref": "\ud800"},
    ],
)
def test_a_token_that_is_not_meant_for_us_is_refused(
    bench: Any, signer: Any, claims: dict[str, Any]
) -> None:
    async def scenario() -> None:
        gitlab = signer()
        gitlab.publish(bench)
        authenticator = bench.authenticator(AuthConfig(issuers=(GITLAB,)))
        try:
            token = gitlab.token(bench.now, **claims)
        except (TypeError, ValueError):
            # The library will not sign it: an issuer with another one might.
            token = _signed(gitlab, bench.now, claims)
        found = await authenticator.authenticate(bench.request(f"Bearer {token}"))
        assert isinstance(found, Rejected)
        await authenticator.close()

    asyncio.run(scenario())


def _signed(gitlab: Any, now: float, claims: dict[str, Any]) -> str:
    usual = jwt.decode(gitlab.token(now), options={"verify_signature": False})
    payload = json.dumps({**usual, **claims}).encode()
    return jwt.api_jws.encode(payload, gitlab.key, algorithm="ES256", headers={"kid": gitlab.kid})


def test_forgeries_are_refused(bench: Any, signer: Any) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    async def scenario() -> None:
        gitlab, mallory = signer(), signer()
        gitlab.publish(bench)
        authenticator = bench.authenticator(AuthConfig(issuers=(GITLAB,)))
        good = gitlab.token(bench.now)
        claims = jwt.decode(good, options={"verify_signature": False})
        public = gitlab.key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        head, content, _ = good.split(".")
        for token in (
            mallory.token(bench.now),
            _hmac_signed(claims, public),
            jwt.encode(claims, None, algorithm="none", headers={"kid": "k1"}),
            f"{head}.{content}.",
            jwt.encode(claims, mallory.key, algorithm="ES256", headers={"kid": "unknown"}),
            jwt.encode(claims, mallory.key, algorithm="ES256", headers={"jwk": mallory.jwk}),
        ):
            found = await authenticator.authenticate(bench.request(f"Bearer {token}"))
            assert isinstance(found, Rejected), token
        found = await authenticator.authenticate(bench.request(f"Bearer {good}"))
        assert isinstance(found, Principal)
        await authenticator.close()

    asyncio.run(scenario())


def _hmac_signed(claims: dict[str, Any], secret: bytes) -> str:
    """The public key, taken for a secret; the library would not do it."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "k1"}, claims)
    ]
    signature = hmac.digest(secret, b".".join(parts), "sha256")
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def test_keys_are_kept_over_outages_and_restarts_but_not_for_ever(bench: Any, signer: Any) -> None:
    async def scenario() -> None:
        gitlab = signer()
        gitlab.publish(bench)
        config = AuthConfig(issuers=(GITLAB,))
        first = bench.authenticator(config)
        await first.authenticate(bench.request(f"Bearer {gitlab.token(bench.now)}"))
        await first.close()
        bench.documents.clear()
        bench.fetched.clear()
        second = bench.authenticator(config)
        bench.now += FRESH_FOR + 10

        async def ask() -> Principal | Rejected:
            token = gitlab.token(bench.now)
            return await second.authenticate(bench.request(f"Bearer {token}"))

        assert isinstance(await ask(), Principal)
        bench.now += KEPT_FOR - FRESH_FOR - 60
        assert isinstance(await ask(), Principal)
        bench.now += 120
        late = await ask()
        assert isinstance(late, Rejected)
        assert late.unavailable
        assert "corp" not in late.reason
        gitlab.publish(bench)
        bench.now += ASK_EVERY
        assert isinstance(await ask(), Principal)
        await second.close()

    asyncio.run(scenario())


def test_unknown_keys_are_looked_for_once_and_not_too_often(bench: Any, signer: Any) -> None:
    async def scenario() -> None:
        old, new = signer(), signer(kid="k2")
        old.publish(bench)
        authenticator = bench.authenticator(AuthConfig(issuers=(GITLAB,)))

        async def ask(who: Any, n: int = 0) -> Principal | Rejected:
            token = who.token(bench.now, n=n)
            return await authenticator.authenticate(bench.request(f"Bearer {token}"))

        # Twenty at once on a cold start are one fetch.
        found = await asyncio.gather(*(ask(old, n) for n in range(20)))
        assert all(isinstance(each, Principal) for each in found)
        assert len(bench.fetched) == 2
        # The issuer rotates: too soon after the last look, then at the first token.
        old.publish(bench, new)
        assert isinstance(await ask(new), Rejected)
        assert len(bench.fetched) == 2
        bench.now += ASK_EVERY
        assert isinstance(await ask(new), Principal)
        assert len(bench.fetched) == 4
        for n in range(50):
            assert isinstance(await ask(signer(kid=f"x{n}")), Rejected)
        assert len(bench.fetched) == 4
        await authenticator.close()

    asyncio.run(scenario())


def test_an_issuer_that_is_away_is_no_wrong_password(bench: Any, signer: Any, sign_in: Any) -> None:
    async def scenario() -> None:
        gitlab = signer()
        config = AuthConfig(issuers=(GITLAB,), attempts_per_minute=2)
        authenticator = bench.authenticator(config)
        for _ in range(5):
            request = bench.request(sign_in("gitlab-ci-token", gitlab.token(bench.now)))
            found = await authenticator.authenticate(request)
            assert isinstance(found, Rejected)
            assert found.unavailable
        assert len(bench.fetched) == 1
        await authenticator.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "documents",
    [
        {"/.well-known/openid-configuration": b"no"},
        {"/.well-known/openid-configuration": b"[" * 10_000},
        {"/.well-known/openid-configuration": b'{"issuer":"https://evil","jwks_uri":"https://x"}'},
        {
            "/.well-known/openid-configuration": b'{"issuer":"https://gitlab.corp",'
            b'"jwks_uri":"http://169.254.169.254/keys"}'
        },
        {
            "/.well-known/openid-configuration": b'{"issuer":"https://gitlab.corp",'
            b'"jwks_uri":"https://gitlab.corp/keys"}',
            "/keys": b'{"keys":7}',
        },
        {
            "/.well-known/openid-configuration": b'{"issuer":"https://gitlab.corp",'
            b'"jwks_uri":"https://gitlab.corp/keys"}',
            "/keys": b'{"keys":[{"kty":"oct","kid":"k1","k":"AAAA"},{"kty":"RSA","kid":"k1"},1]}',
        },
    ],
)
def test_documents_that_are_none_prove_nothing(
    bench: Any, signer: Any, documents: dict[str, bytes]
) -> None:
    async def scenario() -> None:
        for path, content in documents.items():
            bench.documents[f"https://gitlab.corp{path}"] = content
        authenticator = bench.authenticator(AuthConfig(issuers=(GITLAB,)))
        token = signer().token(bench.now)
        found = await authenticator.authenticate(bench.request(f"Bearer {token}"))
        assert isinstance(found, Rejected)
        assert not any("169.254" in url for url in bench.fetched)
        await authenticator.close()

    asyncio.run(scenario())


def test_people_of_an_oidc_provider_have_their_groups(bench: Any, signer: Any) -> None:
    config = IssuerConfig(
        issuer="https://login.corp",
        audience="mirror",
        kind="oidc",
        jwks_url="https://login.corp/jwks",
        algorithms=("ES256",),
        name_claim="email",
        groups_claim="roles",
    )

    async def scenario() -> None:
        provider = signer(issuer="https://login.corp")
        provider.publish(bench)
        bench.documents["https://login.corp/jwks"] = bench.documents["https://login.corp/keys"]
        authenticator = bench.authenticator(
            AuthConfig(issuers=(config,), groups={"local": ("a@corp",)})
        )
        token = provider.token(
            bench.now, aud=["x", "mirror"], email="a@corp", roles=["dev", "ops", "dev"]
        )
        found = await authenticator.authenticate(bench.request(f"Bearer {token}"))
        assert isinstance(found, Principal)
        assert (found.name, found.groups, found.proof) == (
            "a@corp",
            ("dev", "ops", "local"),
            Proof.OIDC,
        )
        assert bench.fetched == ["https://login.corp/jwks"]
        # A token of ours that is had with it ends with it, and carries its claims.
        request = bench.get_token(f"Bearer {token}", scope="repository:library/nginx:pull")
        ours = json.loads((await authenticator.token(request)).body)
        assert "refresh_token" not in ours
        again = await authenticator.authenticate(bench.request(f"Bearer {ours['token']}"))
        assert isinstance(again, Principal)
        assert (again.name, again.proof, again.claims["email"]) == ("a@corp", Proof.TOKEN, "a@corp")
        await authenticator.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"issuer": "http://gitlab.corp"}, "https"),
        ({"audience": ""}, "audience"),
        ({"algorithms": ("none",)}, "none"),
        ({"algorithms": ("RS256", "HS256")}, "HS256"),
        ({"algorithms": ()}, "algorithms"),
        ({"jwks_url": "file:///etc/passwd"}, "jwks_url"),
        ({"kind": "github"}, "github"),
        ({"bound_claims": {"ref": ""}}, "ref"),
    ],
)
def test_settings_that_would_prove_nothing_are_refused(
    bench: Any, change: dict[str, Any], said: str
) -> None:
    values = {name: getattr(GITLAB, name) for name in GITLAB.__struct_fields__}
    with pytest.raises(UsageError, match=said):
        bench.authenticator(AuthConfig(issuers=(IssuerConfig(**{**values, **change}),)))


def subject(**parts: str) -> dict[str, Any]:
    return {"subject": tuple(((name, value),) for name, value in parts.items())}


def test_a_certificate_names_its_owner_and_units(bench: Any) -> None:
    async def scenario() -> None:
        authenticator = bench.authenticator(AuthConfig(groups={"ops": ("host-7",)}))
        certificate = subject(organizationalUnitName="build", commonName="host-7")
        found = await authenticator.authenticate(bench.request(certificate=certificate))
        assert found == Principal(name="host-7", groups=("build", "ops"), proof=Proof.CERTIFICATE)
        reply = await authenticator.token(bench.get_token())
        assert reply.status == 200
        fake = bench.request(certificate=subject(commonName="robot$ci"))
        assert isinstance(await authenticator.authenticate(fake), Rejected)
        assert await authenticator.authenticate(bench.request(certificate={})) is ANONYMOUS
        await authenticator.close()

    asyncio.run(scenario())


def test_a_certificate_without_a_common_name_has_another() -> None:
    found = identify_certificate(
        {"subject": (), "subjectAltName": (("DNS", "a.corp"), ("URI", "spiffe://corp/a"))}
    )
    assert isinstance(found, Identity)
    assert found.name == "spiffe://corp/a"
    assert isinstance(identify_certificate({"subject": ()}), str)
    assert isinstance(identify_certificate(subject(commonName="anonymous")), str)
