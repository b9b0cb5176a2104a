"""The upstreams in force, and those that a reload replaced but somebody still downloads from."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import UpstreamConfig
from homeport.mirror.upstream.api import Upstream
from homeport.mirror.upstream.chain import make_upstream
from homeport.oci.error_code import ErrorCode


class Upstreams:
    def __init__(
        self,
        configs: Mapping[str, UpstreamConfig],
        *,
        env: Mapping[str, str],
        manifest_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Raises UsageError for credentials or a CA that cannot be read."""
        self._env = env
        self._manifest_bytes = manifest_bytes
        self._clock = clock
        self._configs: dict[str, UpstreamConfig] = {}
        self._made: dict[str, Upstream] = {}
        self._retired: list[Upstream] = []
        self.replace(configs, self.make(configs))

    @property
    def by_name(self) -> Mapping[str, Upstream]:
        return MappingProxyType(self._made)

    def of(self, name: str) -> Upstream:
        found = self._made.get(name)
        if found is None:
            raise RegistryError(ErrorCode.DENIED, f"{name} is no upstream of this mirror any more")
        return found

    def config_of(self, name: str) -> UpstreamConfig:
        found = self._configs.get(name)
        if found is None:
            raise RegistryError(ErrorCode.DENIED, f"{name} is no upstream of this mirror any more")
        return found

    def make(self, configs: Mapping[str, UpstreamConfig]) -> dict[str, Upstream]:
        """Those whose settings differ from what is in force. Raises as the constructor."""
        return {
            name: make_upstream(
                config, clock=self._clock, env=self._env, manifest_bytes=self._manifest_bytes
            )
            for name, config in configs.items()
            if self._configs.get(name) != config
        }

    def replace(self, configs: Mapping[str, UpstreamConfig], fresh: Mapping[str, Upstream]) -> None:
        """Use these from now on; `fresh` comes from `make`. Cannot fail."""
        for name, upstream in list(self._made.items()):
            if name in fresh or name not in configs:
                self._retired.append(upstream)
                del self._made[name]
        self._made.update(fresh)
        self._configs = dict(configs)

    async def close_retired(self) -> None:
        """Close those that nobody uses any more."""
        for upstream in tuple(self._retired):
            if upstream.state().active == 0:
                self._retired.remove(upstream)
                await upstream.close()

    async def close(self) -> None:
        for upstream in (*self._made.values(), *self._retired):
            await upstream.close()
        self._made.clear()
        self._retired.clear()
