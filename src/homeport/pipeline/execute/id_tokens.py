"""Signs the `id_tokens` of jobs with a key of this user, as GitLab does with its own.

The key is made once and lies in homeport's state folder, readable by the user alone; `homeport
jwks` prints its public half for whoever is to believe such tokens. No job sees the key.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from homeport.errors import MissingError
from homeport.pipeline.execute.api import ExecutorError
from homeport.pipeline.execute.given_files import read_given
from homeport.pipeline.model.plan import IdToken, JobPlan, ScopedVariable

KEY_FILE: Final = "id-tokens.pem"
"""In the state folder of all repositories."""

_BITS = 2048
_SHORTEST = 300.0
"""Seconds that a token holds at least, as on GitLab."""
_EARLIER = 5
"""Seconds before its making from which on it holds, as on GitLab."""


def issue_tokens(
    job: JobPlan, expand: Callable[[str], str], folder: Path
) -> tuple[ScopedVariable, ...]:
    """A job's tokens as masked variables. Raises `ExecutorError` where there is none."""
    return tuple(
        ScopedVariable(
            key=name, value=_token(name, token, job, expand, folder), raw=True, masked=True
        )
        for name, token in job.id_tokens.items()
    )


def public_keys(folder: Path) -> Mapping[str, Any]:
    """The public half of the key in `folder` as a JSON Web Key Set (RFC 7517). Raises
    `MissingError`."""
    jwk = _jwk(_key(folder))
    return {"keys": [{"kty": "RSA", "kid": _name_of(jwk), "use": "sig", "alg": "RS256", **jwk}]}


def _token(
    name: str, token: IdToken, job: JobPlan, expand: Callable[[str], str], folder: Path
) -> str:
    if token.file is not None:
        return read_given(token.file, f"the id_token {name}").strip()
    audience = token.audience
    expanded = expand(audience) if isinstance(audience, str) else [expand(one) for one in audience]
    try:
        return _sign({**job.claims, "aud": expanded}, max(job.timeout, _SHORTEST), folder)
    except MissingError as error:
        hint = error.problems[0].hint
        raise ExecutorError(f"the id_token {name} is not to be had: {error}; {hint}") from error


def _sign(claims: Mapping[str, Any], seconds: float, folder: Path) -> str:
    key = _key(folder)
    import jwt

    now = int(time.time())
    times = {"iat": now, "nbf": now - _EARLIER, "exp": now + int(seconds)}
    payload = {**claims, **times, "jti": _unique()}
    return jwt.encode(payload, key, algorithm="RS256", headers={"kid": _name_of(_jwk(key))})


def _key(folder: Path) -> Any:
    """The user's key; of several processes that make it at once, one is heard."""
    try:
        import jwt  # noqa: F401 - whoever has this one, too, can sign
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
    except ImportError as error:
        raise MissingError.of(
            f"what signs id_tokens is not installed ({error.name})",
            code="no-id-tokens",
            hint="pip install 'homeport[id-tokens]', or give tokens with --id-token NAME=@FILE",
        ) from error
    path = folder / KEY_FILE
    try:
        if not path.exists():
            made = rsa.generate_private_key(public_exponent=65537, key_size=_BITS).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            _place(path, made)
        with open(path, "rb", opener=_own) as file:
            return serialization.load_pem_private_key(file.read(), None)
    except OSError as error:
        raise MissingError.of(
            f"cannot keep the key of id_tokens in {path}: {error.strerror}",
            code="no-id-tokens",
            hint="it must be a file that you can read and write, and no link",
        ) from error
    except ValueError as error:
        raise MissingError.of(
            f"{path} holds no private key",
            code="no-id-tokens",
            hint="remove it, and a new one is made",
        ) from error


def _own(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def _place(path: Path, content: bytes) -> None:
    """Put a whole file there, unless one is there by then."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{_unique()}")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


def _jwk(key: Any) -> dict[str, str]:
    from jwt.algorithms import RSAAlgorithm

    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {"n": public["n"], "e": public["e"]}


def _name_of(jwk: Mapping[str, str]) -> str:
    """The key's thumbprint (RFC 7638)."""
    import base64
    import hashlib

    text = f'{{"e":"{jwk["e"]}","kty":"RSA","n":"{jwk["n"]}"}}'
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _unique() -> str:
    import uuid

    return str(uuid.uuid4())
