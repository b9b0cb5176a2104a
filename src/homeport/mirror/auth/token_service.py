"""`GET /token` (distribution's token specification) and `POST /token` (its OAuth2 variant)."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from homeport.mirror.auth.api import Rejected
from homeport.mirror.auth.challenge import BASIC
from homeport.mirror.auth.form import read_form
from homeport.mirror.auth.identity import Identity
from homeport.mirror.auth.keyring import Keyring
from homeport.mirror.auth.login import Logins
from homeport.mirror.auth.scope import Resolve, grant, parse_scopes
from homeport.mirror.auth.tokens import (
    SERVICE,
    TokenTooLargeError,
    issue_access,
    issue_refresh,
    read_refresh,
)
from homeport.mirror.errors import RegistryError
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.principal import Allow, Deny, Principal, Proof
from homeport.mirror.policy.api import Policy
from homeport.oci.error_code import ErrorCode

_ENCODER = msgspec.json.Encoder()
_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}
_RENEWABLE = (Proof.PASSWORD, Proof.ROBOT, Proof.LDAP)
"""Whoever has one of the others comes with a fresh proof each time."""


class TokenService:
    def __init__(
        self,
        *,
        keyring: Keyring,
        logins: Logins,
        identify: Callable[[Request], Awaitable[Identity | Rejected | None]],
        principal: Callable[[Identity | None], Principal],
        policy: Callable[[], Policy],
        resolve: Resolve,
        clock: Callable[[], float],
        lifetime: float,
    ) -> None:
        """`identify` judges a request's own credentials, None for nobody; `principal` adds the
        configuration's groups."""
        self._keyring = keyring
        self._logins = logins
        self._identify = identify
        self._principal = principal
        self._policy = policy
        self._resolve = resolve
        self._clock = clock
        self._lifetime = lifetime

    async def answer(self, request: Request) -> Reply:
        """Raises RegistryError. Sets the request's principal and decision, for the audit."""
        if request.method == "GET":
            return await self._get(request)
        if request.method == "POST":
            return await self._post(request)
        raise RegistryError(
            ErrorCode.UNSUPPORTED, "tokens are had by GET and POST", headers={"Allow": "GET, POST"}
        )

    async def _get(self, request: Request) -> Reply:
        found = await self._identify(request)
        if isinstance(found, Rejected):
            raise refusal(request, found, BASIC)
        query = request.query
        offline = query.get("offline_token", "").lower() == "true"
        return self._issue(request, found, request.scopes, query.get("service"), offline=offline)

    async def _post(self, request: Request) -> Reply:
        try:
            form = await read_form(request)
        except ValueError as error:
            return _oauth_error("invalid_request", str(error), 400)

        def one(name: str) -> str:
            return form.get(name, ("",))[0]

        match one("grant_type"):
            case "password":
                found = await self._password(one("username"), one("password"), request)
            case "refresh_token":
                found = await self._refresh(one("refresh_token"))
            case _:
                return _oauth_error(
                    "unsupported_grant_type", "grant_type is password or refresh_token", 400
                )
        if isinstance(found, Rejected):
            refused = refusal(request, found, BASIC)
            if refused.status != 401:
                raise refused
            # RFC 6749 has 400 here; the clients at hand know 401 for a wrong password, and show
            # a registry's error where there is one.
            return _oauth_error("invalid_grant", found.reason, 401)
        offline = one("access_type") == "offline"
        same = one("refresh_token") if offline else ""
        return self._issue(
            request,
            found,
            form.get("scope", ()),
            one("service") or None,
            offline=offline,
            refresh=same,
        )

    async def _password(self, user: str, password: str, request: Request) -> Identity | Rejected:
        if not user or not user.isprintable() or "\0" in password:
            return Rejected("the user name or the password is wrong")
        return await self._logins.verify(user, password, request.address)

    async def _refresh(self, token: str) -> Identity | Rejected:
        named = read_refresh(self._keyring, token, now=self._clock())
        if named is None:
            return Rejected("the refresh token is invalid or has expired; log in again")
        found = await self._logins.look_up(named)
        if isinstance(found, Rejected) and not found.unavailable and found.retry_after is None:
            return Rejected("the refresh token is no longer good; log in again")
        return found

    def _issue(
        self,
        request: Request,
        identity: Identity | None,
        scopes: Iterable[str],
        service: str | None,
        *,
        offline: bool,
        refresh: str = "",
    ) -> Reply:
        if service and service != SERVICE:
            raise RegistryError(
                ErrorCode.UNSUPPORTED, f"this is the token service of {SERVICE!r}", status=400
            )
        principal = self._principal(identity)
        request.principal = principal
        try:
            asked = parse_scopes(scopes)
            grants = grant(asked, principal, request, policy=self._policy(), resolve=self._resolve)
            now = self._clock()
            token, seconds = issue_access(
                self._keyring, identity, grants, now=now, lifetime=self._lifetime
            )
        except TokenTooLargeError as error:
            request.decision = Deny(rule="token", reason=str(error))
            raise RegistryError(ErrorCode.DENIED, str(error)) from None
        except ValueError as error:
            raise RegistryError(ErrorCode.UNSUPPORTED, str(error), status=400) from None
        request.decision = Allow(rule="token")
        body: dict[str, object] = {
            "token": token,
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": seconds,
            "issued_at": datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "scope": " ".join(
                f"{each.type}:{each.name}:{','.join(each.actions)}" for each in grants
            ),
        }
        if offline and identity is not None and identity.proof in _RENEWABLE:
            body["refresh_token"] = refresh or issue_refresh(self._keyring, identity, now=now)
        return Reply(status=200, headers=_HEADERS, body=_ENCODER.encode(body))


def refusal(request: Request, rejected: Rejected, challenge: str) -> RegistryError:
    """The answer to credentials that do not do."""
    request.decision = Deny(rule="authentication", reason=rejected.reason)
    if rejected.retry_after is not None:
        return RegistryError(
            ErrorCode.TOOMANYREQUESTS,
            rejected.reason,
            headers={"Retry-After": str(max(1, round(rejected.retry_after)))},
        )
    if rejected.unavailable:
        return RegistryError(
            ErrorCode.UNAVAILABLE, rejected.reason, status=503, headers={"Retry-After": "5"}
        )
    return RegistryError(
        ErrorCode.UNAUTHORIZED, rejected.reason, headers={"WWW-Authenticate": challenge}
    )


def _oauth_error(code: str, words: str, status: int) -> Reply:
    body: Mapping[str, object] = {
        "error": code,
        "error_description": words,
        "errors": [{"code": ErrorCode.UNAUTHORIZED, "message": words}],
    }
    return Reply(status=status, headers=_HEADERS, body=_ENCODER.encode(body))
