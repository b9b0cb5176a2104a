"""Single files: `include:remote` and `include:template`."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from hashlib import sha256

from homeport.errors import MissingError
from homeport.gitlab.address import parse_url
from homeport.gitlab.fetch import refusal
from homeport.gitlab.rewrite import rewrite
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.include.api import Fetched, Locked, UnreachedError, Wanted
from homeport.pipeline.include.api_project import unreached
from homeport.pipeline.include.cache import in_words
from homeport.pipeline.include.checkout import read_mapped
from homeport.pipeline.include.circuit import Circuit
from homeport.pipeline.include.location import LocationError
from homeport.pipeline.include.server import Servers
from homeport.pipeline.include.store import Store, digest_of
from homeport.pipeline.model.trigger import Project

TEMPLATES = "template"
"""The prefix of `[rewrite]` that stands for GitLab's own templates."""
_SUFFIX = ".gitlab-ci.yml"
_FRESH_REMOTE = 60.0
_FRESH_TEMPLATE = 3600.0
_ABSENT = frozenset((404, 410))


class WebFiles:
    """Files that belong to no project; arguments as for `Elsewhere`."""

    def __init__(
        self,
        servers: Servers,
        store: Store,
        circuit: Circuit,
        *,
        own: Project | None,
        rules: Mapping[str, str],
        limits: Limits,
        refresh: bool,
    ) -> None:
        self._servers = servers
        self._store = store
        self._circuit = circuit
        self._own = own
        self._rules = rules
        self._limits = limits
        self._refresh = refresh

    def remote(self, wanted: Wanted) -> Fetched:
        """A URL. Raises `LocationError` for an integrity that does not match, too."""
        name = wanted.name.strip()
        target = rewrite(name, self._rules)
        if target.startswith("/"):
            content, note = self._mapped(target, name), None
        else:
            locked = Locked(kind="remote", source=_shown(name), sha256="")
            content, note = self._get(
                locked,
                wanted.fresh or _FRESH_REMOTE,
                lambda: self._download(target, name, rewritten=target != name),
                integrity=wanted.integrity,
                name=name,
            )
        if wanted.integrity is not None and not _matches(content, wanted.integrity):
            raise LocationError(f"Remote file `{name}` failed integrity check!")
        return Fetched(content=content, name=_shown(name), note=note)

    def template(self, wanted: Wanted) -> Fetched:
        """A template of the user's own GitLab server, or of the mirror that the settings name."""
        name = wanted.name
        if any(part in ("", ".", "..") for part in name.split("/")):
            raise LocationError(f"Template file `{name}` is not a valid location!")
        mirror = self._rules.get(TEMPLATES)
        if mirror is not None and mirror.startswith("/"):
            content, note = self._mapped(f"{mirror.rstrip('/')}/{name}", name), None
        else:
            host = self._own.host if self._own else ""
            if mirror is None and not host:
                raise UnreachedError(
                    "the repository has no remote, so the server that has the templates is not "
                    f"known; map {TEMPLATES} under [rewrite]"
                )
            locked = Locked(kind="template", source=host, file=name, sha256="")
            url = f"{mirror.rstrip('/')}/{name}" if mirror else None
            content, note = self._get(
                locked,
                _FRESH_TEMPLATE,
                lambda: self._download(url, name, rewritten=True) if url else self._ask(name),
                name=name,
            )
        return Fetched(content=content, name=name, note=note)

    def _mapped(self, path: str, name: str) -> bytes:
        content = read_mapped(path, self._limits)
        if content is None:
            raise UnreachedError(f"the settings map {name} to {path}, which is no file")
        return content

    def _get(
        self,
        locked: Locked,
        fresh: float,
        ask: Callable[[], bytes],
        *,
        name: str,
        integrity: str | None = None,
    ) -> tuple[bytes, str | None]:
        """What is locked, or is in the cache and fresh, or is fetched, or is at least in the
        cache; and in the last case a note."""
        store = self._store
        index = (locked.kind, locked.source, name)
        content = store.locked_content(locked.key, *index)
        note = None
        if content is None and integrity is not None:
            content = store.cache.content(_digest(integrity))
        if content is None:
            content, note = self._newest(locked, fresh, ask, index)
        used = Locked(
            kind=locked.kind, source=locked.source, file=locked.file, sha256=digest_of(content)
        )
        return store.use(used, content), note

    def _newest(
        self, locked: Locked, fresh: float, ask: Callable[[], bytes], index: tuple[str, ...]
    ) -> tuple[bytes, str | None]:
        store = self._store
        entry = store.cache.entry(*index)
        known = store.cache.content(entry.sha256) if entry and entry.sha256 else None
        # What is locked and not in the cache is fetched to be compared.
        if locked.key not in store.locked:
            young = entry is not None and entry.age < fresh and not self._refresh
            if known is not None and (store.offline or young):
                return known, None
        store.refuse_offline()
        try:
            content = ask()
        except UnreachedError as error:
            if known is None or entry is None or self._refresh or locked.key in store.locked:
                raise
            return known, f"{locked.title} is as it was {in_words(entry.age)} ago: {error}"
        store.keep(content, *index)
        return content, None

    def _download(self, target: str, name: str, *, rewritten: bool) -> bytes:
        try:
            url = parse_url(target)
        except MissingError:
            raise LocationError(f"Remote file `{name}` does not have a valid address!") from None
        own = self._own is not None and self._own.host == url.authority
        trusted = rewritten or own or self._servers.knows(url.authority)
        if url.scheme == "http" and not trusted:
            raise UnreachedError(
                f'{url} is not encrypted; if you trust it, name it: [hosts."{url.authority}"]'
            )
        return self._circuit.reach(
            f"{url.scheme}://{url.authority}", lambda: self._request(target, name, trusted=trusted)
        )

    def _request(self, target: str, name: str, *, trusted: bool) -> bytes:
        fetcher = self._servers.fetcher
        try:
            response = fetcher.get(
                target,
                limit=self._limits.size,
                timeout=self._servers.whole,
                public=not trusted,
            )
            if response.status in _ABSENT:
                raise LocationError(
                    f"Remote file `{name}` could not be fetched after 1 attempt because of HTTP "
                    f"code `{response.status}` error!"
                )
            if response.status >= 300:
                raise refusal(response, advice=fetcher.credentials.advice(parse_url(target)))
        except MissingError as error:
            if error.problems[0].code == "too-large":
                raise LocationError(error.problems[0].message) from None
            raise unreached(error, parse_url(target).authority) from None
        return response.body

    def _ask(self, name: str) -> bytes:
        server = self._servers.own_server()
        if server is None:
            raise UnreachedError("the server that has the templates is not known")

        def ask() -> bytes:
            try:
                return server.template(name.removesuffix(_SUFFIX)).encode()
            except MissingError as error:
                if ": 404 " in error.problems[0].message:
                    raise LocationError(
                        f"Included file `{name}` is empty or does not exist!"
                    ) from None
                raise unreached(error, server.url.authority) from None

        return self._circuit.reach(server.base, ask)


def _shown(url: str) -> str:
    """A URL without what may be a secret: user and password."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


def _digest(integrity: str) -> str:
    return b64decode(integrity.removeprefix("sha256-")).hex()


def _matches(content: bytes, integrity: str) -> bool:
    return sha256(content).hexdigest() == _digest(integrity)
