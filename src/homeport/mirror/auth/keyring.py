"""The keys that sign our tokens, in `data/token-keys.json`.

HS256: the process that signs is the one that verifies, so nobody needs a public key, and a
signature costs a tenth of Ed25519's. The newest key signs, older ones still verify until nothing
that they signed can be alive.
"""

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from homeport.errors import UsageError
from homeport.mirror.auth.private_file import create_private, read_private, replace_private

FILE = "token-keys.json"
ALGORITHM = "HS256"
ROTATE_AFTER = 30 * 86_400.0
KEEP_FOR = 120 * 86_400.0
"""Longer than a refresh token lives after its key signed for the last time."""
_BYTES = 32


class SigningKey(Struct, frozen=True, kw_only=True):
    kid: str
    secret: str
    created: float

    @property
    def raw(self) -> bytes:
        return base64.b64decode(self.secret)


class Keys(Struct, frozen=True, kw_only=True):
    """The newest first."""

    keys: tuple[SigningKey, ...] = ()


class Keyring:
    """Signs and verifies; `keys` is replaced when the file changes."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    @property
    def keys(self) -> Keys:
        return self._keys

    @keys.setter
    def keys(self, keys: Keys) -> None:
        self._keys = keys
        self._by_kid = {key.kid: key.raw for key in keys.keys}

    def sign(self, claims: Mapping[str, Any]) -> str:
        import jwt

        key = self._keys.keys[0]
        return jwt.encode(dict(claims), key.raw, algorithm=ALGORITHM, headers={"kid": key.kid})

    def verify(self, token: str, *, issuer: str, audience: str) -> Mapping[str, Any] | None:
        """The claims of a token that one of our keys signed for this audience; None for any other.
        Its times are the caller's to judge."""
        import jwt

        try:
            kid = jwt.get_unverified_header(token).get("kid")
            secret = self._by_kid.get(kid) if isinstance(kid, str) else None
            if secret is None:
                return None
            found: Mapping[str, Any] = jwt.decode(
                token,
                secret,
                algorithms=[ALGORITHM],
                audience=audience,
                issuer=issuer,
                options={
                    "require": ["iss", "aud", "exp", "iat"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None
        return found


def load_keys(data: Path, *, now: float) -> Keys:
    """The keys, made or rotated where that is due. Raises UsageError for a broken or open file,
    OSError. Safe among processes that start at once."""
    path = data / FILE
    if not path.exists():
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_private(path, msgspec.json.encode(Keys(keys=(_new_key(now),))))
    keys = read_keys(path)
    return rotate_keys(data, now=now) if is_due(keys, now) else keys


def read_keys(path: Path) -> Keys:
    try:
        keys = msgspec.json.decode(read_private(path), type=Keys)
        sound = bool(keys.keys) and all(len(key.raw) >= _BYTES for key in keys.keys)
    except (msgspec.MsgspecError, ValueError):
        sound = False
    if not sound:
        raise UsageError.of(
            f"{path} is broken",
            code="token-keys",
            hint="delete it: a new one is made, and everybody logs in again",
        )
    return keys


def is_due(keys: Keys, now: float) -> bool:
    return now - keys.keys[0].created > ROTATE_AFTER


def rotate_keys(data: Path, *, now: float) -> Keys:
    """A new key signs from now on (`mirror token rotate`); a running mirror takes it up within two
    seconds."""
    path = data / FILE
    old = read_keys(path).keys if path.exists() else ()
    kept = tuple(key for key in old if now - key.created < KEEP_FOR)
    keys = Keys(keys=(_new_key(now), *kept))
    replace_private(path, msgspec.json.encode(keys))
    return keys


def _new_key(now: float) -> SigningKey:
    return SigningKey(
        kid=secrets.token_hex(8),
        secret=base64.b64encode(secrets.token_bytes(_BYTES)).decode(),
        created=now,
    )
