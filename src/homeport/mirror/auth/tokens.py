"""Our own tokens: access tokens (Bearer), and refresh tokens (what `docker login` keeps)."""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from homeport.mirror.auth.identity import Identity
from homeport.mirror.auth.keyring import Keyring
from homeport.mirror.model.principal import Proof

ISSUER = "homeport"
SERVICE = "homeport"
_REFRESH = "homeport/refresh"
REFRESH_LIFETIME = 90 * 86_400.0
MAX_TOKEN = 10 * 1024
"""Below common limits of headers (16 kB), with room for the others."""
_SKEW = 30.0


class Grant(Struct, frozen=True):
    """What a token is good for, as the token specification of distribution writes it."""

    type: str
    name: str
    actions: tuple[str, ...]


class _Who(Struct, frozen=True, omit_defaults=True):
    proof: Proof = Proof.NONE
    groups: tuple[str, ...] = ()
    claims: dict[str, str] = {}
    stamp: str = ""


class AccessToken(Struct, frozen=True, kw_only=True):
    """A verified one; `identity` is None for a token of nobody."""

    identity: Identity | None
    scopes: Mapping[str, frozenset[str]]
    until: float


class TokenTooLargeError(ValueError):
    """Its owner has more groups and claims than a header can carry."""


def issue_access(
    keyring: Keyring,
    identity: Identity | None,
    grants: Iterable[Grant],
    *,
    now: float,
    lifetime: float,
) -> tuple[str, int]:
    """The token, and the seconds that it lives. Raises TokenTooLargeError: a token that left groups
    out would slip through rules that deny them."""
    until = now + lifetime
    who = _Who()
    if identity is not None:
        until = until if identity.until is None else min(until, identity.until)
        who = _Who(identity.proof, identity.groups, dict(identity.claims), identity.stamp)
    token = keyring.sign(
        {
            "iss": ISSUER,
            "aud": SERVICE,
            "sub": "" if identity is None else identity.name,
            "iat": int(now),
            "nbf": int(now),
            "exp": int(until),
            "jti": secrets.token_hex(8),
            "access": [msgspec.to_builtins(grant) for grant in grants],
            "who": msgspec.to_builtins(who),
        }
    )
    if len(token) > MAX_TOKEN:
        raise TokenTooLargeError("more scopes, groups and claims than a token can carry")
    return token, max(0, int(until) - int(now))


def read_access(keyring: Keyring, token: str, *, now: float) -> AccessToken | None:
    """None for a token that is not ours, not for us, not yet or no longer good."""
    claims = keyring.verify(token, issuer=ISSUER, audience=SERVICE)
    if claims is None or not _is_now(claims, now):
        return None
    try:
        who = msgspec.convert(claims.get("who"), _Who)
        grants = msgspec.convert(claims.get("access"), list[Grant])
        name = msgspec.convert(claims.get("sub"), str)
    except msgspec.ValidationError:
        return None
    until = float(claims["exp"])
    identity = None
    if name:
        identity = Identity(
            name=name,
            proof=who.proof,
            groups=who.groups,
            claims=who.claims,
            until=until,
            stamp=who.stamp,
        )
    scopes = {f"{grant.type}:{grant.name}": frozenset(grant.actions) for grant in grants}
    return AccessToken(identity=identity, scopes=scopes, until=until)


def issue_refresh(keyring: Keyring, identity: Identity, *, now: float) -> str:
    """It says who, never what: everything else is looked up again when it is used."""
    until = now + REFRESH_LIFETIME
    return keyring.sign(
        {
            "iss": ISSUER,
            "aud": _REFRESH,
            "sub": identity.name,
            "iat": int(now),
            "exp": int(until if identity.until is None else min(until, identity.until)),
            "jti": secrets.token_hex(8),
            "who": {"proof": identity.proof.value, "stamp": identity.stamp},
        }
    )


def read_refresh(keyring: Keyring, token: str, *, now: float) -> Identity | None:
    """Name, proof and stamp; the caller asks whether they are still true."""
    claims = keyring.verify(token, issuer=ISSUER, audience=_REFRESH)
    if claims is None or not _is_now(claims, now):
        return None
    try:
        who = msgspec.convert(claims.get("who"), _Who)
        name = msgspec.convert(claims.get("sub"), str)
    except msgspec.ValidationError:
        return None
    return Identity(name=name, proof=who.proof, stamp=who.stamp)


def _is_now(claims: Mapping[str, Any], now: float) -> bool:
    times = [claims.get("exp"), claims.get("iat")]
    if not all(isinstance(time, int | float) for time in times):
        return False
    return bool(claims["iat"] - _SKEW <= now < claims["exp"])
