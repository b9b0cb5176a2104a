"""A bench for the authenticator: a clock that is set by hand, requests, a resolver, rules."""

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import bcrypt
import jwt
import msgspec
import pytest
from multidict import CIMultiDict, MultiDict

from homeport.mirror.auth.authenticator import RegistryAuthenticator, make_authenticator
from homeport.mirror.auth.jwks import IssuerUnavailableError
from homeport.mirror.model.config import (
    AuthConfig,
    CredentialsConfig,
    ListenerConfig,
    MirrorConfig,
    RuleConfig,
    UpstreamConfig,
)
from homeport.mirror.model.endpoint import Base, Endpoint, Service
from homeport.mirror.model.exchange import Request
from homeport.mirror.model.names import LOCAL, Refusal, Repository, Route, Target
from homeport.mirror.policy.rules import make_policy

START = 1_800_000_000.0


def resolve(listener: str, host: str, name: str, ns: str | None) -> Target | Refusal:
    del listener, host
    upstream, _, rest = name.partition("/")
    if ns is not None:
        return Target(repository=Repository(ns, name), asked=name, route=Route.NAMESPACE)
    if upstream == LOCAL:
        return Target(repository=Repository(LOCAL, rest), asked=name, route=Route.LOCAL)
    if upstream == "nowhere":
        return Refusal(message="leads nowhere")
    if "." in upstream:
        return Target(repository=Repository(upstream, rest), asked=name, route=Route.HOST_PATH)
    return Target(repository=Repository("docker.io", name), asked=name, route=Route.DEFAULT)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Bench:
    """`documents` are what the issuers' hosts answer, `fetched` what they were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.htpasswd = folder / "htpasswd"
        self.now = START
        self.documents: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.rules: tuple[RuleConfig, ...] = ()

    def users(self, **passwords: str) -> str:
        """Write the htpasswd file; its path."""
        lines = [
            f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"
            for name, password in passwords.items()
        ]
        self.htpasswd.write_text("".join(lines))
        return str(self.htpasswd)

    def config(self, auth: AuthConfig) -> MirrorConfig:
        return MirrorConfig(
            listeners=(),
            data=str(self.data),
            auth=auth,
            rules=self.rules,
            upstreams={
                "docker.io": UpstreamConfig(name="docker.io", urls=("https://hub",)),
                "closed.corp": UpstreamConfig(
                    name="closed.corp",
                    urls=("https://closed",),
                    credentials=CredentialsConfig(docker_config="/x"),
                ),
            },
        )

    def authenticator(
        self, auth: AuthConfig, listeners: tuple[ListenerConfig, ...] = ()
    ) -> RegistryAuthenticator:
        policy = make_policy(self.config(auth))
        return make_authenticator(
            auth,
            data=self.data,
            policy=lambda: policy,
            resolve=resolve,
            listeners=listeners,
            clock=lambda: self.now,
            fetch=self.fetch,
        )

    async def fetch(self, url: str, ca: str | None) -> bytes:
        del ca
        self.fetched.append(url)
        if url not in self.documents:
            raise IssuerUnavailableError("gitlab.corp: no answer in time")
        return self.documents[url]

    def request(
        self,
        authorization: str | None = None,
        *,
        endpoint: Endpoint | None = None,
        method: str = "GET",
        query: list[tuple[str, str]] | Mapping[str, str] = (),  # type: ignore[assignment]
        address: str = "10.0.0.1",
        body: bytes | None = None,
        certificate: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] = {},
        host: str = "mirror.corp:5000",
        listener: str = "main",
    ) -> Request:
        found, fields = CIMultiDict(headers), MultiDict(query)
        if authorization is not None:
            found["Authorization"] = authorization
        return Request(
            listener=listener,
            method=method,
            endpoint=endpoint or Base(),
            query={name: fields[name] for name in fields},
            scopes=tuple(fields.getall("scope", ())),
            headers=found,
            address=address,
            scheme="https",
            host=host,
            started=0.0,
            body=None if body is None else stream(body),
            length=None if body is None else len(body),
            certificate=certificate,
        )

    def get_token(self, authorization: str | None = None, **query: str | list[str]) -> Request:
        pairs = [
            (name, value)
            for name, values in query.items()
            for value in ([values] if isinstance(values, str) else values)
        ]
        return self.request(authorization, endpoint=Service.TOKEN, query=pairs)

    def post_token(self, form: str, **more: Any) -> Request:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request(
            method="POST", endpoint=Service.TOKEN, body=form.encode(), headers=headers, **more
        )


async def stream(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


class Signer:
    """An issuer's private key, and its public half as it publishes it."""

    def __init__(self, issuer: str = "https://gitlab.corp", kid: str = "k1") -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self.issuer, self.kid = issuer, kid
        self.key = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self) -> dict[str, Any]:
        found = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**found, "kid": self.kid, "use": "sig", "alg": "ES256"}

    def publish(self, bench: Bench, *others: "Signer") -> None:
        configuration = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        bench.documents[f"{self.issuer}/.well-known/openid-configuration"] = msgspec.json.encode(
            configuration
        )
        keys = {"keys": [self.jwk, *(other.jwk for other in others)]}
        bench.documents[f"{self.issuer}/keys"] = msgspec.json.encode(keys)

    def token(self, now: float, **claims: Any) -> str:
        usual = {
            "iss": self.issuer,
            "aud": "https://mirror.corp",
            "iat": int(now),
            "nbf": int(now) - 5,
            "exp": int(now) + 3600,
            "sub": "project_path:team/app:ref_type:branch:ref:main",
            "project_path": "team/app",
            "namespace_path": "team",
            "ref": "main",
            "ref_protected": "true",
        }
        merged = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(merged, self.key, algorithm="ES256", headers={"kid": self.kid})


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def sign_in() -> Callable[[str, str], str]:
    return basic


@pytest.fixture
def signer() -> type[Signer]:
    return Signer
