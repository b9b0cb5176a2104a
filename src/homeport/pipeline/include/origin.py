"""Where the includes of one file lead: what they are read from, and how they are named."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from homeport.pipeline.include.api import Fetched, FileSource, Wanted
from homeport.pipeline.include.location import Location, LocationError, seconds_of_cache


class Origin(Struct, frozen=True, kw_only=True):
    """What the includes of one file are read from, and may name.

    `path` is the file's own in its project (None: the root file), `prefix` stands before paths of
    that project in messages. `home` is whether that project is this repository. A file of no
    project has no `source`, and sees no variables.
    """

    source: FileSource | None
    path: str | None
    prefix: str = ""
    home: bool = False
    variables: Mapping[str, str]
    component: Mapping[str, Any] = {}


def read_local(path: str, origin: Origin) -> Fetched:
    if origin.source is None:
        raise LocationError(f"Local file `{path}` does not have project!")
    content = origin.source.read(path)
    if content is None:
        raise LocationError(f"Local file `{path}` does not exist!")
    return Fetched(
        content=content,
        name=origin.prefix + path,
        prefix=origin.prefix,
        source=origin.source,
        component=origin.component,
    )


def read_artifact(
    location: Location, origin: Origin, read: Callable[[str, str], bytes | None] | None
) -> Fetched:
    """A file from the artifacts of a job of the parent pipeline."""
    job = location.job
    if not isinstance(job, str) or not job.strip():
        raise LocationError("Job must be provided when including configs from artifacts")
    content = None if read is None else read(job, location.name)
    if content is None:
        raise LocationError(f"Job `{job}` not found in parent pipeline or does not have artifacts!")
    return Fetched(
        content=content,
        name=f"{location.name} of {job}",
        prefix=origin.prefix,
        source=origin.source,
        component=origin.component,
    )


def say_empty(location: Location) -> str:
    name = location.name
    if location.kind == "local":
        return f"Local file `{name}` is empty!"
    if location.kind == "artifact":
        return f"File `{name}` is empty!"
    if location.kind == "project":
        return f"Project `{location.project}` file `{name}` is empty!"
    if location.kind == "component":
        return f"Component '{name}' - content not found"
    return f"Included file `{name}` is empty or does not exist!"


def wanted_of(location: Location) -> Wanted:
    return Wanted(
        kind=location.kind,
        name=location.name,
        project=location.project,
        ref=location.ref,
        integrity=location.integrity,
        fresh=seconds_of_cache(location.cache),
    )
