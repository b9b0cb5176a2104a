"""What is rendered for, checked: nothing of it needs quoting in any format. Pure."""

import re
from dataclasses import dataclass, replace
from typing import Optional

from homeport.enroll.address import Address, docker_address, parse_address
from homeport.enroll.engines.door import HUB, Door, find_doors, normalise
from homeport.enroll.errors import EnrollError
from homeport.enroll.model import Mode, Request

_REGISTRY = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?(?::[0-9]{1,5})?")
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_PEM = re.compile(
    r"(?:-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/=]{1,76}\n)+-----END CERTIFICATE-----\n)+"
)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Wanted:
    """`request` has the mirror's URLs in their plain form; `ca` is PEM and nothing else."""

    request: Request
    mirror: Address
    ca: Optional[str]

    @property
    def only(self) -> bool:
        return self.request.mode is Mode.ONLY

    def hub(self) -> Address:
        """Docker's mirror. Raises EnrollError for one with a path."""
        return docker_address(self.request.mirror.hub_url)

    def doors(self, *, by_name: bool) -> "tuple[Door, ...]":
        """Raises EnrollError where a registry has none."""
        doors, limits = find_doors(self.request, by_name=by_name)
        if limits:
            raise EnrollError(f"cannot {limits[0].what}: {limits[0].why}", hint=limits[0].hint)
        return doors

    def trusts(self, door: Door) -> bool:
        """Whether an engine needs the CA for it."""
        return self.ca is not None and not door.plain


def check(request: Request) -> Wanted:
    """Raises EnrollError for a value that no mirror can have."""
    mirror = parse_address(request.mirror.url)
    hub = parse_address(request.mirror.hub_url or request.mirror.url)
    registries = tuple(dict.fromkeys(map(normalise, request.registries))) or (HUB,)
    for registry in registries:
        if not _REGISTRY.fullmatch(registry):
            raise EnrollError(
                f"{registry[:200]!r} is no registry's name", hint="docker.io,ghcr.io,…"
            )
    for registry, path in request.mirror.paths.items():
        if not _REGISTRY.fullmatch(registry) or not _PATH.fullmatch(path):
            raise EnrollError(f"{registry[:200]}={path[:200]} is no registry's path")
    given = replace(request.mirror, url=mirror.url, hub_url=hub.url)
    return Wanted(
        request=replace(request, mirror=given, registries=registries),
        mirror=mirror,
        ca=None if request.mirror.ca is None else _pem(request.mirror.ca),
    )


def _pem(text: str) -> str:
    found = "".join(f"{each}\n" for each in _CERTIFICATE.findall(text.replace("\r\n", "\n")))
    if not _PEM.fullmatch(found):
        raise EnrollError("the CA is no certificate in PEM")
    return found
