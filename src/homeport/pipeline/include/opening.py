"""Everything that includes from elsewhere need, put together once the first is wanted."""

from collections.abc import Mapping

from homeport.pipeline.document.limits import Limits
from homeport.pipeline.include.api import Key, Locked
from homeport.pipeline.include.cache import IncludeCache, cache_folder
from homeport.pipeline.include.elsewhere import Elsewhere, Here
from homeport.pipeline.include.server import Servers
from homeport.pipeline.include.store import Store
from homeport.pipeline.model.trigger import Project
from homeport.settings.model import Settings


def open_elsewhere(
    *,
    own: Project | None,
    address: str | None,
    settings: Settings,
    env: Mapping[str, str],
    locked: Mapping[Key, Locked],
    used: dict[Key, Locked],
    offline: bool,
    refresh: bool,
    secrets: frozenset[str],
    limits: Limits,
    here: Here | None = None,
) -> Elsewhere:
    """`own` and `address` are the project of this repository and its remote's address. `offline`
    forbids every fetch; `refresh` asks anew for what the lock and the cache know. What is read is
    put into `used`; `secrets` are values that may not be written to the lock file."""
    cache = IncludeCache(cache_folder(env.get("HOME"), env.get("XDG_CACHE_HOME")))
    servers = Servers(
        own=own,
        address=address,
        hosts=settings.hosts,
        ca=settings.ca,
        env=env,
        cache=cache,
        connect=settings.connect_timeout,
        whole=settings.fetch_timeout,
        size=limits.size,
    )
    return Elsewhere(
        servers,
        Store(cache, locked={} if refresh else locked, used=used, offline=offline, secrets=secrets),
        own=own,
        rules=settings.rewrite,
        limits=limits,
        refresh=refresh,
        here=here,
    )
