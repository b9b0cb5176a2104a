"""How each server is spoken to: the API where there is a token for it, git elsewhere."""

from collections.abc import Mapping
from hashlib import sha256

from homeport.errors import MissingError
from homeport.gitlab.address import parse_url
from homeport.gitlab.api import GitLab, api_address
from homeport.gitlab.fetch import Fetcher
from homeport.gitlab.host import Host
from homeport.pipeline.include.api import ProjectReader, UnreachedError
from homeport.pipeline.include.api_project import ApiProject, unreached
from homeport.pipeline.include.cache import IncludeCache
from homeport.pipeline.include.git_project import GitProject, sibling
from homeport.pipeline.model.trigger import Project


class Servers:
    """`address` is that of the repository's own remote: other projects on its host are asked for
    in the same way. `connect` and `whole` are seconds, for a connection and for a whole fetch;
    `size` bounds a file."""

    def __init__(
        self,
        *,
        own: Project | None,
        address: str | None,
        hosts: Mapping[str, Host],
        ca: str | None,
        env: Mapping[str, str],
        cache: IncludeCache,
        connect: float,
        whole: float,
        size: int,
    ) -> None:
        self.fetcher = Fetcher(hosts=hosts, ca=ca, env=env, connect_timeout=connect)
        self.whole = whole
        self._own = own
        self._address = address
        self._hosts = hosts
        self._ca = ca
        self._env = env
        self._cache = cache
        self._connect = connect
        self._size = size

    def knows(self, host: str) -> bool:
        """Whether the user's settings name a host."""
        return host in self._hosts

    def channel(self, host: str, target: str) -> str:
        """What fails as one: a host, by the way it is spoken to."""
        base = self._base(target)
        if self._has_token(base):
            return base
        scheme, separator, rest = self._git_url(host, target).partition("://")
        return f"{scheme}://{rest.partition('/')[0]}" if separator else scheme.partition(":")[0]

    def project(self, host: str, target: str) -> ProjectReader:
        """A project by its address on the web, after the user's `[rewrite]`."""
        base = self._base(target)
        if self._has_token(base):
            server = GitLab(base, self.fetcher, timeout=self.whole)
            return ApiProject(server, _path_of(target), size=self._size)
        folder = self._cache.folder
        if folder is None:
            raise UnreachedError(
                "git needs a cache folder of this user alone, and there is none: set HOME"
            )
        url = self._git_url(host, target)
        if url.startswith("http:") and not self._may_be_plain(target):
            raise UnreachedError(f"{url} is not encrypted, and is not read")
        entry = self._hosts.get(parse_url(target).authority)
        return GitProject(
            url,
            folder / "git" / sha256(url.encode()).hexdigest()[:32],
            env=self._env,
            ca=(entry.ca if entry else None) or self._ca,
            connect=self._connect,
            whole=self.whole,
            size=self._size,
        )

    def own_server(self) -> GitLab | None:
        """The API of the server that has this repository."""
        if self._own is None:
            return None
        base = api_address(self._own.host, self._hosts, scheme=self._own.protocol)
        return GitLab(base, self.fetcher, timeout=self.whole)

    def _base(self, target: str) -> str:
        url = parse_url(target)
        plain = self._own is not None and url.authority == self._own.host
        scheme = self._own.protocol if plain and self._own else url.scheme
        return api_address(url.authority, self._hosts, scheme=scheme)

    def _has_token(self, base: str) -> bool:
        try:
            return "PRIVATE-TOKEN" in self.fetcher.credentials.headers(parse_url(base))
        except MissingError as error:
            raise unreached(error) from None

    def _git_url(self, host: str, target: str) -> str:
        """As the own remote is written, for its own host; else as the settings say."""
        url = parse_url(target)
        if self._own is not None and url.authority == self._own.host == host and self._address:
            found = sibling(self._address, _path_of(target))
            if found is not None:
                return found
        return target.rstrip("/") + ".git"

    def _may_be_plain(self, target: str) -> bool:
        """http is read where the user wrote it: in the own remote, or in the settings."""
        url = parse_url(target)
        own = self._own
        return url.scheme == "http" or (
            own is not None and own.host == url.authority and own.protocol == "http"
        )


def _path_of(target: str) -> str:
    return parse_url(target).target.strip("/").removesuffix(".git")
