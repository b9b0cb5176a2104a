"""Which credential a server gets. Nothing here is stored, shown or sent to a second server.

The first that fits wins: user and password of the URL itself, `token_env` of `[hosts."NAME"]`,
`GITLAB_TOKEN` for the server that the user means by it, `CI_JOB_TOKEN` inside a job of that server,
the netrc file, the git credential helpers of the user's own configuration.

The repository, its remote included, never decides where a token goes: `GITLAB_TOKEN` is for the
host in `GITLAB_HOST`, else for gitlab.com, else for a server that the user named on the command
line or in `[hosts]`.
"""

from collections.abc import Collection, Mapping

from homeport.errors import HomeportError, MissingError
from homeport.gitlab.address import Url, parse_url
from homeport.gitlab.host import Host

_GIT_ENV = ("HOME", "PATH", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM")
_HELPER_SECONDS = 20.0


def basic(user: str, password: str) -> str:
    """The value of a header for Basic authentication (RFC 7617)."""
    from base64 import b64encode

    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


class Credentials:
    """The credentials of one user. `named` are hosts that the user wrote on the command line."""

    def __init__(
        self,
        hosts: Mapping[str, Host],
        env: Mapping[str, str],
        *,
        named: Collection[str] = (),
    ) -> None:
        self._hosts = hosts
        self._env = env
        self._named = frozenset(name.lower() for name in named)
        self._helped: dict[tuple[str, str, int], dict[str, str]] = {}
        self._netrc: Mapping[str, tuple[str, str, str]] | None = None

    def entry(self, url: Url) -> Host | None:
        """What the settings say about the server of a URL, by its name or its API's address."""
        found = self._hosts.get(url.authority)
        if found is not None:
            return found
        for host in self._hosts.values():
            if host.api_url and parse_url(host.api_url).origin == url.origin:
                return host
        return None

    def headers(self, url: Url) -> dict[str, str]:
        """The headers to send at once; empty without a credential, or where it could be read on
        the way: over http only to this machine, or where `api_url` says http."""
        if not self._private(url):
            return {}
        if url.user is not None:
            return {"Authorization": basic(url.user, url.password)}
        return self._token(url) or self._from_netrc(url)

    def ask_helpers(self, url: Url, *, api: bool) -> dict[str, str]:
        """The headers from the user's git credential helpers, which are asked once for a server.

        The API takes a token as bearer, a web server takes user and password.
        """
        if not self._private(url):
            return {}
        if url.origin not in self._helped:
            self._helped[url.origin] = self._fill(url)
        found = self._helped[url.origin]
        password = found.get("password", "")
        if not password:
            return {}
        if api:
            return {"Authorization": f"Bearer {password}"}
        return {"Authorization": basic(found.get("username", ""), password)}

    def advice(self, url: Url) -> str:
        """How to give a credential for a server, for a hint."""
        name = url.authority
        if not self._private(url):
            return f"none is sent by http; use https, or set api_url for {name} in your settings"
        return (
            f'set GITLAB_TOKEN and GITLAB_HOST={name}, or token_env under [hosts."{name}"] in your'
            " settings"
        )

    def _private(self, url: Url) -> bool:
        if url.scheme == "https" or url.loopback:
            return True
        entry = self.entry(url)
        return entry is not None and (entry.api_url or "").startswith("http://")

    def _token(self, url: Url) -> dict[str, str]:
        entry = self.entry(url)
        if entry is not None and entry.token_env:
            token = self._env.get(entry.token_env, "").strip()
            if not token:
                raise MissingError.of(
                    f"the token for {url.authority} is missing: {entry.token_env} is not set",
                    code="token",
                    hint="your settings name this environment variable as token_env",
                )
            return _checked("PRIVATE-TOKEN", token, entry.token_env)
        token = self._env.get("GITLAB_TOKEN", "").strip()
        if token and (entry is not None or self._means(url)):
            return _checked("PRIVATE-TOKEN", token, "GITLAB_TOKEN")
        job_token = self._env.get("CI_JOB_TOKEN", "").strip()
        if job_token and url.authority == self._server("CI_SERVER_URL"):
            return _checked("JOB-TOKEN", job_token, "CI_JOB_TOKEN")
        return {}

    def _means(self, url: Url) -> bool:
        home = self._server("GITLAB_HOST") or "gitlab.com"
        return url.authority in self._named or url.authority == home

    def _server(self, variable: str) -> str:
        """The `host[:port]` in a variable that holds a host or a URL."""
        text = self._env.get(variable, "").strip()
        if not text:
            return ""
        try:
            return parse_url(text if "://" in text else f"https://{text}").authority
        except HomeportError:
            return ""

    def _from_netrc(self, url: Url) -> dict[str, str]:
        if self._netrc is None:
            self._netrc = _read_netrc(self._env)
        found = self._netrc.get(url.host)
        return {"Authorization": basic(found[0], found[2])} if found else {}

    def _fill(self, url: Url) -> dict[str, str]:
        from homeport.lib.git import Git, GitError

        # Not in the repository: only the user's configuration may name helpers.
        git = Git("/", trusted=True)
        env = {name: self._env[name] for name in _GIT_ENV if name in self._env}
        env |= {"GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never"}
        question = f"protocol={url.scheme}\nhost={url.authority}\n\n"
        try:
            answer = git.try_run(
                "credential",
                "fill",
                input=question.encode(),
                env=env,
                timeout=_HELPER_SECONDS,
                config=False,
            )
        except (GitError, MissingError):
            return {}
        pairs = (
            line.partition("=") for line in (answer or b"").decode("utf-8", "replace").split("\n")
        )
        return {name: value for name, equals, value in pairs if equals and value.isprintable()}


def _checked(header: str, token: str, variable: str) -> dict[str, str]:
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise MissingError.of(
            f"{variable} does not hold a token: it has spaces or other characters of no token",
            code="token",
        )
    return {header: token}


def _read_netrc(env: Mapping[str, str]) -> Mapping[str, tuple[str, str, str]]:
    """The machines of `$NETRC` or `~/.netrc`. Its `default` is left out: a server that the
    repository chose would get it."""
    from netrc import NetrcParseError, netrc

    path = env.get("NETRC") or (f"{env['HOME']}/.netrc" if env.get("HOME") else "")
    if not path:
        return {}
    try:
        machines = netrc(path).hosts
    except FileNotFoundError:
        return {}
    except NetrcParseError as error:
        # Its message quotes the file, and so perhaps a password.
        raise _broken_netrc(path, f"line {error.lineno} is malformed") from None
    except UnicodeDecodeError:
        raise _broken_netrc(path, "it is not text") from None
    except OSError as error:
        raise _broken_netrc(path, error.strerror or "it cannot be read") from None
    return {
        name.lower(): (login or "", account or "", password or "")
        for name, (login, account, password) in machines.items()
        if name != "default"
    }


def _broken_netrc(path: str, reason: str) -> MissingError:
    return MissingError.of(f"{path} cannot be used: {reason}", code="netrc")
