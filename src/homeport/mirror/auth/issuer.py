"""id_tokens of GitLab CI jobs, and of OpenID Connect providers."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from homeport.errors import Problem
from homeport.lib.glob import compile_glob, glob_fault
from homeport.mirror.auth.api import Rejected
from homeport.mirror.auth.identity import Identity, name_fault
from homeport.mirror.auth.jwks import Fetch, IssuerUnavailableError, KeySet, may_fetch
from homeport.mirror.model.config import IssuerConfig
from homeport.mirror.model.principal import Proof

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Signatures by a private key. `none` is none, and HS256 with a public key is a known forgery."""

LEEWAY = 30.0
_MAX_CLAIM = 1024
_MAX_GROUPS = 500
_FAR = 1e12
_NOT_KEPT = frozenset({"exp", "iat", "nbf", "jti", "at_hash", "c_hash", "nonce", "auth_time"})
_INVALID = Rejected("the token is not valid here")


class Issuers:
    """Every configured issuer; `verify` finds the one that a token names."""

    def __init__(
        self,
        configs: Sequence[IssuerConfig],
        *,
        data: Path,
        fetch: Fetch,
        clock: Callable[[], float],
        keep: "Issuers | None" = None,
    ) -> None:
        """`keep` hands on the keys of issuers that did not change."""
        old = () if keep is None else keep.key_sets
        self._clock = clock
        self.key_sets: tuple[KeySet, ...] = tuple(
            next((found for found in old if found.config == config), None)
            or KeySet(config, data=data, fetch=fetch, clock=clock)
            for config in configs
        )

    def __bool__(self) -> bool:
        return bool(self.key_sets)

    async def verify(self, token: str) -> Identity | Rejected | None:
        """None for a token of an issuer that nobody configured."""
        issuer = unverified_issuer(token)
        mine = [found for found in self.key_sets if found.config.issuer == issuer]
        verdict: Identity | Rejected | None = None
        # One issuer may be configured several times, with other audiences or bound claims.
        for key_set in mine:
            verdict = await self._verify(token, key_set)
            if isinstance(verdict, Identity):
                break
        return verdict

    async def close(self) -> None:
        for key_set in self.key_sets:
            await key_set.close()

    async def _verify(self, token: str, key_set: KeySet) -> Identity | Rejected:
        import jwt

        config = key_set.config
        try:
            header = jwt.get_unverified_header(token)
            kid, algorithm = header.get("kid"), header.get("alg")
            if algorithm not in config.algorithms or not isinstance(kid, str | None):
                return _INVALID
            key = await key_set.key(kid)
            if key is None:
                return _INVALID
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=config.audience,
                issuer=config.issuer,
                options={
                    "require": ["iss", "aud", "exp"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except IssuerUnavailableError:
            return Rejected("the issuer of the token cannot be asked now", unavailable=True)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return _INVALID
        return _judge(claims, config, self._clock())


def unverified_issuer(token: str) -> str | None:
    """Whom a token says that it comes from, None for what is no token."""
    import jwt

    try:
        found = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def issuer_problems(config: IssuerConfig) -> tuple[Problem, ...]:
    """What is wrong with one issuer's settings."""
    faults: list[str] = []
    if not may_fetch(config.issuer):
        faults.append("an issuer is an https URL")
    if not config.audience:
        faults.append("an audience is required: a token for another service must not do here")
    if config.jwks_url is not None and not may_fetch(config.jwks_url):
        faults.append("jwks_url is an https URL")
    if config.kind not in ("gitlab", "oidc"):
        faults.append(f"kind is gitlab or oidc, not {config.kind!r}")
    if not config.algorithms:
        faults.append("algorithms are required")
    faults += [f"algorithm {name!r} is not allowed" for name in {*config.algorithms} - ALGORITHMS]
    faults += [
        f"bound_claims.{name}: {fault}"
        for name, pattern in config.bound_claims.items()
        if (fault := glob_fault(pattern)) is not None
    ]
    return tuple(Problem(message=f"{config.issuer}: {text}", code="issuer") for text in faults)


def _judge(claims: Mapping[str, Any], config: IssuerConfig, now: float) -> Identity | Rejected:
    times = {name: claims.get(name) for name in ("exp", "nbf", "iat")}
    if not all(
        value is None or (isinstance(value, int | float) and abs(value) < _FAR)
        for value in times.values()
    ):
        return _INVALID
    until = float(claims["exp"])
    if not now < until + LEEWAY:
        return Rejected("the token has expired")
    if any((times[name] or 0) > now + LEEWAY for name in ("nbf", "iat")):
        return Rejected("the token is not valid yet")
    for name, pattern in config.bound_claims.items():
        if not any(compile_glob(pattern)(value) for value in _texts(claims.get(name))):
            return Rejected(f"the token's claim {name} is not what is asked here")
    kept = {
        name: texts[0]
        for name, value in claims.items()
        if name not in _NOT_KEPT and not isinstance(value, list) and (texts := _texts(value))
    }
    name = _name(kept, config)
    groups = _texts(claims.get(config.groups_claim)) if config.groups_claim else []
    sound = all(_is_text(text) for text in (*kept, *kept.values(), *groups))
    if not sound or len(groups) > _MAX_GROUPS or name_fault(name) is not None:
        return _INVALID
    return Identity(
        name=name,
        proof=Proof.GITLAB if config.kind == "gitlab" else Proof.OIDC,
        groups=tuple(dict.fromkeys(groups)),
        claims=kept,
        until=until,
    )


def _name(claims: Mapping[str, str], config: IssuerConfig) -> str:
    usual = "project_path" if config.kind == "gitlab" else "sub"
    return claims.get(config.name_claim or usual, "")


def _texts(value: object) -> list[str]:
    """A claim as rules see it: booleans as `true` and `false`, each entry of a list."""
    match value:
        case bool():
            return ["true" if value else "false"]
        case str():
            return [value]
        case int() | float():
            return [str(value)]
        case list():
            return [text for item in value if not isinstance(item, list) for text in _texts(item)]
        case _:
            return []


def _is_text(text: str) -> bool:
    """Short, and valid: JSON can spell lone surrogates, which nothing could write to a file."""
    try:
        return len(text.encode()) <= _MAX_CLAIM
    except UnicodeEncodeError:
        return False
