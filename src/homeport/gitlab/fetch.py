"""One HTTP request, with everything a closed network asks for, and bounded in every direction.

Standards: RFC 9110 (redirects, CONNECT). Credentials belong to one server: they are chosen by its
host, and a redirect to any other server goes on without them, and without the caller's headers.
"""

from collections.abc import Collection, Mapping

from msgspec import Struct, structs

from homeport import __version__
from homeport.errors import MissingError
from homeport.gitlab.address import Url, join_url, parse_url
from homeport.gitlab.credentials import Credentials
from homeport.gitlab.host import Host
from homeport.gitlab.proxy import choose_proxy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.gitlab.dial import Deadline
    from homeport.gitlab.exchange import Incoming

MAX_REDIRECTS = 5
CONNECT_TIMEOUT = 5.0
TIMEOUT = 30.0
"""Seconds for one request, all its redirects included."""
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_SAME_METHOD = frozenset((307, 308))
_TEXT_LIMIT = 64 * 1024
_SHOWN = 200
_AGENT = f"homeport/{__version__}"


class Response(Struct, frozen=True, kw_only=True):
    """An answer. Names of `headers` are in lower case; `url` is where it came from in the end,
    without secrets; `authenticated` is whether a credential was sent there."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    authenticated: bool = False


class Request(Struct, frozen=True, kw_only=True):
    """What is asked next; `credential` are the headers that only this server may see, `public`
    forbids private addresses."""

    method: str
    url: Url
    headers: Mapping[str, str]
    body: bytes | None
    credential: Mapping[str, str]
    limit: int
    public: bool = False


class Fetcher:
    """Requests of one command.

    `hosts` and `ca` are the settings of these names, `env` is the environment: proxies, CA, tokens,
    netrc. `named` are hosts that the user wrote on the command line, who get `GITLAB_TOKEN`.
    `connect_timeout` are the seconds to reach one address.
    A Fetcher may be used from several threads.
    """

    def __init__(
        self,
        *,
        hosts: Mapping[str, Host],
        ca: str | None,
        env: Mapping[str, str],
        named: Collection[str] = (),
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        self.credentials = Credentials(hosts, env, named=named)
        self._connect_timeout = connect_timeout
        self._ca = ca
        self._env = env

    def read(
        self,
        url: str,
        *,
        limit: int,
        headers: Mapping[str, str] = {},
        timeout: float = TIMEOUT,
    ) -> bytes:
        """The body of a file at `url`; a status of 400 or more is a `MissingError`, too."""
        response = self.get(url, headers=headers, limit=limit, timeout=timeout)
        if response.status >= 400:
            raise refusal(response, advice=self.credentials.advice(parse_url(url)))
        return response.body

    def get(
        self,
        url: str,
        *,
        limit: int,
        headers: Mapping[str, str] = {},
        timeout: float = TIMEOUT,
        api: bool = False,
        public: bool = False,
    ) -> Response:
        """GET; any status is an answer. `limit` is in bytes of body, `timeout` in seconds for all
        of it. Raises `MissingError` for a server that cannot be reached or trusted, and for an
        answer that is too large or leads too far. `api` is whether GitLab's API is asked;
        `public` whether an address of this machine or of a private network, here or behind a
        redirect, is refused (but for the hosts of the settings)."""
        return self._request(
            "GET", url, None, headers, limit=limit, timeout=timeout, api=api, public=public
        )

    def post(
        self,
        url: str,
        body: bytes,
        *,
        limit: int,
        headers: Mapping[str, str] = {},
        timeout: float = TIMEOUT,
        api: bool = True,
    ) -> Response:
        """POST, likewise. The body goes to the server of `url` and to no other."""
        return self._request("POST", url, body, headers, limit=limit, timeout=timeout, api=api)

    def _request(
        self,
        method: str,
        address: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        limit: int,
        timeout: float,
        api: bool,
        public: bool = False,
    ) -> Response:
        from homeport.gitlab.dial import Deadline

        deadline = Deadline(timeout)
        url = parse_url(address)
        credential = self.credentials.headers(url)
        if api and not credential:
            credential = self.credentials.ask_helpers(url, api=True)
        request = Request(
            method=method,
            url=url,
            headers=headers,
            body=body,
            credential=credential,
            limit=limit,
            public=public,
        )
        response = self._follow(request, deadline)
        if response.status == 401 and not api and not credential:
            credential = self.credentials.ask_helpers(url, api=False)
            if credential:
                response = self._follow(structs.replace(request, credential=credential), deadline)
        return response

    def _follow(self, request: Request, deadline: "Deadline") -> Response:
        for _ in range(MAX_REDIRECTS + 1):
            incoming = self._send(request, deadline)
            location = incoming.headers.get("location")
            if incoming.status not in _REDIRECTS or location is None:
                return Response(
                    status=incoming.status,
                    headers=incoming.headers,
                    body=_without_secrets(incoming, request.credential),
                    url=str(request.url),
                    authenticated=bool(request.credential),
                )
            request = _redirected(request, incoming.status, location)
        raise MissingError.of(
            f"{request.url} is behind more than {MAX_REDIRECTS} redirects", code="redirect"
        )

    def _send(self, request: Request, deadline: "Deadline") -> "Incoming":
        from homeport.gitlab.exchange import Outgoing, exchange

        url = request.url
        entry = self.credentials.entry(url)
        found = (self._env.get("SSL_CERT_FILE"), self._ca, entry.ca if entry else None)
        outgoing = Outgoing(
            method=request.method,
            url=url,
            headers={"User-Agent": _AGENT, **request.headers, **request.credential},
            body=request.body,
            proxy=choose_proxy(url, self._env),
            authorities=tuple(path for path in found if path),
            limit=request.limit,
            public=request.public and entry is None,
            connect_timeout=self._connect_timeout,
        )
        return exchange(outgoing, deadline)


def _redirected(request: Request, status: int, location: str) -> Request:
    """The request that a redirect asks for, if it may be followed."""
    try:
        target = join_url(request.url, location)
    except MissingError:
        raise _not_followed(request, "a URL that cannot be read") from None
    elsewhere = target.origin != request.url.origin
    if request.url.scheme == "https" and target.scheme == "http":
        raise _not_followed(request, f"{target}, which is not encrypted")
    if request.method != "GET" and (elsewhere or status not in _SAME_METHOD):
        raise _not_followed(request, str(target))
    if elsewhere or target.user is not None:
        return structs.replace(request, url=target, headers={}, credential={})
    return structs.replace(request, url=target)


def _not_followed(request: Request, where: str) -> MissingError:
    return MissingError.of(
        f"{request.url} redirects to {where}: not followed",
        code="redirect",
        hint="if the server has moved, use its new address",
    )


def _without_secrets(incoming: "Incoming", credential: Mapping[str, str]) -> bytes:
    """The body; a refusal, which is shown, does not echo what was sent."""
    body = incoming.body
    if incoming.status < 400:
        return body
    for value in credential.values():
        body = body.replace(value.rpartition(" ")[2].encode(), b"[MASKED]")
    return body


def refusal(response: Response, *, advice: str, what: str = "") -> MissingError:
    """An answer of 400 or more in words; `what` names what was asked for, else the URL does."""
    what, status = what or response.url, response.status
    said = _server_words(response)
    hint: str | None = None
    if status in (401, 403, 404) and not response.authenticated:
        hint = f"if a credential is needed: {advice}"
    if status == 401:
        words = "the credential is not accepted" if response.authenticated else "log in first"
        if response.authenticated:
            hint = "it may have expired or been revoked"
    elif status == 403:
        words = "access is forbidden"
        if response.authenticated:
            hint = "the token may lack a scope (read_api, or api for ci/lint) or your user a role"
    elif status == 404:
        words = "not found"
        if response.authenticated:
            hint = "it does not exist, or the token's owner may not see it"
    elif status == 429:
        words = "too many requests"
        wait = response.headers.get("retry-after", "")
        hint = f"try again in {wait} seconds" if wait.isdecimal() else "try again later"
    elif status >= 500:
        words = "the server has failed"
    else:
        words = "the request is refused"
    detail = f": {said}" if said else ""
    return MissingError.of(f"{what}: {words} (status {status}){detail}", code="refused", hint=hint)


def _server_words(response: Response) -> str:
    """GitLab's own `message` or `error`, on one line."""
    import msgspec

    try:
        told = msgspec.json.decode(response.body[:_TEXT_LIMIT])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(told, dict):
        return ""
    words = told.get("message") or told.get("error_description") or told.get("error") or ""
    text = " ".join(str(words).split())
    return text[:_SHOWN] if text.isprintable() else ""
