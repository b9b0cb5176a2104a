"""What a client's path means: one pure resolver for bare names, host paths, `ns`, aliases, virtual
hosts, local namespaces and canaries.

In: the configuration, then (listener, Host header, name, ns) of each request, all of it hostile.
Out: `Target`, or `Refusal` with the reason. Used by `flow` for every request, so it is fast, and by
`config`, which asks it what would be ambiguous.
"""

from homeport.mirror.names.hosts import (
    HUB_SPELLINGS,
    canonical_host,
    is_host,
    looks_like_host,
    may_be_hub_name,
    path_form,
)
from homeport.mirror.names.resolver import CANARY, Resolver, make_resolver, path_prefixes

__all__ = [
    "CANARY",
    "HUB_SPELLINGS",
    "Resolver",
    "canonical_host",
    "is_host",
    "looks_like_host",
    "make_resolver",
    "may_be_hub_name",
    "path_form",
    "path_prefixes",
]
