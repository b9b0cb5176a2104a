"""`/v2/_catalog`: what the asking principal may pull, under names by which it can be pulled."""

from collections.abc import Callable

import msgspec

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import LOCAL, Repository
from homeport.mirror.store.api import Metadata
from homeport.oci.error_code import ErrorCode
from homeport.oci.media_type import JSON

MOST = 1000
_BATCH = 256


async def catalog(
    request: Request,
    metadata: Metadata,
    visible: Callable[[Repository], bool],
    *,
    upstream: str | None,
) -> Reply:
    """The page that `n` and `last` ask for; `upstream` is the only one that a listener shows.

    The order is the store's, local repositories among the upstreams: it is stable, which is what
    paging needs.
    """
    limit = _limit(request.query.get("n"))
    last = request.query.get("last")
    after = None if not last else _repository(last)
    found: list[str] = []
    more = False
    while len(found) < limit:
        batch = await metadata.repositories(after=after, limit=_BATCH, upstream=upstream)
        for repository in batch:
            if len(found) == limit:
                more = True
                break
            if not repository.is_overlay and visible(repository):
                found.append(shown(repository))
        if more or len(batch) < _BATCH:
            break
        after = batch[-1]
    headers = {"Content-Type": JSON}
    if more:
        headers["Link"] = f'</v2/_catalog?n={limit}&last={found[-1]}>; rel="next"'
    return Reply(status=200, headers=headers, body=msgspec.json.encode({"repositories": found}))


def shown(repository: Repository) -> str:
    """The name under which a registry listener serves it."""
    return repository.name if repository.is_local else str(repository)


def _repository(name: str) -> Repository:
    host, _, rest = name.partition("/")
    if rest and ("." in host or ":" in host):
        return Repository(host, rest)
    return Repository(LOCAL, name)


def _limit(text: str | None) -> int:
    if text is None:
        return MOST
    if not (text.isascii() and text.isdigit()):
        raise RegistryError(ErrorCode.UNSUPPORTED, "n is a number", status=400)
    return min(int(text[:9]), MOST)
