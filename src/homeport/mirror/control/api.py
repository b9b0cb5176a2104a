"""Everything but pulls and pushes, as `flow` sees it. Everything raises `RegistryError`."""

from collections.abc import Callable
from typing import Protocol

from homeport.mirror.model.endpoint import Control as ControlEndpoint
from homeport.mirror.model.endpoint import Named, Service
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Repository, Target
from homeport.mirror.policy.api import Policy


class Control(Protocol):
    async def service(self, request: Request, service: Service) -> Reply:
        """Health, readiness, metrics."""

    async def catalog(self, request: Request, visible: Callable[[Repository], bool]) -> Reply:
        """`/v2/_catalog?n=&last=`, the repositories that the principal may pull."""

    async def control(self, request: Request, endpoint: ControlEndpoint, policy: Policy) -> Reply:
        """`/_homeport/…`; decides for itself who may ask what."""

    async def canary(self, request: Request, target: Target, endpoint: Named) -> Reply:
        """A tiny image derived from `target.nonce`; who fetched it is remembered for a while."""
