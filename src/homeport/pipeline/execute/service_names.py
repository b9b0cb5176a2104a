"""The names under which a job finds its services.

Source: GitLab's docs/ci/services, "Accessing the services": the image's name without registry port
and tag, once with `__` and once with `-` for its slashes, and after them the `alias`es.
"""

import re
from collections.abc import Sequence

from homeport.pipeline.execute.api import ServiceSpec

_PORT = re.compile(r":[0-9]+(?=/)")
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_])?")


def image_aliases(image: str) -> tuple[str, ...]:
    """The names that an image's own name gives: two, or one where it has no slash."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    name = _PORT.sub("", head + slash + last.partition(":")[0], count=1)
    return tuple(dict.fromkeys((name.replace("/", "__"), name.replace("/", "-"))))


def assign_aliases(
    services: Sequence[ServiceSpec],
) -> tuple[tuple[ServiceSpec, tuple[str, ...]], ...]:
    """Each service with the names that are its own; a name belongs to the first that has it.

    One of whose names none is left is not started: its tuple is empty.
    """
    taken: set[str] = set()
    assigned = []
    for service in services:
        names = dict.fromkeys((*image_aliases(service.image), *service.aliases))
        own = tuple(name for name in names if name not in taken)
        taken.update(own)
        assigned.append((service, own))
    return tuple(assigned)


def is_host_name(alias: str) -> bool:
    """Whether a name can be looked up at all (underscores are usual among containers)."""
    return _HOST_NAME.fullmatch(alias) is not None
