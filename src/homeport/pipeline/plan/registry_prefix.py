"""The fallback for people who may not touch an engine: pull images under another registry's name.

Only the name that the engine is asked for changes. The pipeline keeps its own: variables
(`CI_JOB_IMAGE`), the host names of services and reports are those that GitLab would have.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from homeport.errors import Problem, UsageError
from homeport.oci.image_name import HUB, ImageName
from homeport.settings.model import Settings

VARIABLE = "CONTAINER_REGISTRY"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])"
_PREFIX = re.compile(rf"{_HOST}(?::[0-9]{{1,5}})?(?:/[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)?")


class RegistryPrefixes(Struct, frozen=True, kw_only=True):
    """By registry (`docker.io`, lower case), what images of it are pulled as: `HOST[:PORT][/PATH]`.
    `origin` names the setting for people. `library` writes Docker Hub's `library/` out, for
    registries that do not add it themselves; else it is left out, as in Docker Hub's own names."""

    prefixes: Mapping[str, str] = {}
    origin: str = VARIABLE
    library: bool = False

    def pulled_as(self, image: str) -> str:
        """The name that the engine is asked for; the same where nothing is to be changed."""
        name = ImageName.parse(image)
        if name is None or self._is_there(image):
            return image
        prefix = self.prefixes.get(name.registry)
        if prefix is None:
            return image
        path = name.path
        if name.registry == HUB:
            path = path.removeprefix("library/")
            if self.library and "/" not in path:
                path = f"library/{path}"
        return f"{prefix}/{path}{name.suffix}"

    def note(self, image: str) -> str | None:
        """What a job's log says of an image; None if it is pulled by its own name."""
        pulled = self.pulled_as(image)
        if pulled == image:
            return None
        return (
            f"image {image} is pulled as {pulled} ({self.origin}); this cures homeport run alone: "
            "`homeport enroll` cures every tool"
        )

    def _is_there(self, image: str) -> bool:
        lower = image.lower()
        return any(lower.startswith(f"{prefix.lower()}/") for prefix in self.prefixes.values())


NO_PREFIXES = RegistryPrefixes()


def prefixes_of(settings: Settings) -> RegistryPrefixes:
    """The prefixes that the user has set. Raises UsageError for what is no registry."""
    found = {name.lower(): value for name, value in settings.container_registries.items()}
    if "index.docker.io" in found:
        found.setdefault(HUB, found.pop("index.docker.io"))
    if settings.container_registry:
        found[HUB] = settings.container_registry
    found = {name: prefix.rstrip("/") for name, prefix in found.items()}
    wrong = [prefix for prefix in found.values() if not is_prefix(prefix)]
    if wrong:
        raise UsageError([_wrong(prefix) for prefix in wrong])
    keys = ("container_registry", *(f"container_registries.{name}" for name in found))
    origins = dict.fromkeys(settings.origin[key] for key in keys if key in settings.origin)
    words = ", ".join(_shown(origin) for origin in origins)
    return RegistryPrefixes(
        prefixes=found, origin=words or VARIABLE, library=settings.container_registry_library
    )


def is_prefix(text: str) -> bool:
    """Whether a text is `HOST[:PORT][/PATH]` that Docker takes for a registry."""
    host = text.partition("/")[0]
    return _PREFIX.fullmatch(text) is not None and (
        host == "localhost" or "." in host or ":" in host or host.lower() != host
    )


def parse_prefixes(texts: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    """What `--registry-prefix` was given: `HOST` for Docker Hub, `REGISTRY=HOST[/PATH]` else."""
    hub, others = None, {}
    for text in texts:
        registry, equals, prefix = text.partition("=")
        if not equals:
            hub = registry
        elif registry.lower() in (HUB, "index.docker.io"):
            hub = prefix
        elif registry and prefix:
            others[registry.lower()] = prefix
        else:
            raise UsageError([_wrong(text)])
    return hub, others


def _wrong(text: str) -> Problem:
    return Problem(
        code="registry-prefix",
        message=f"{text!r} is no registry to pull from",
        hint="write HOST[:PORT][/PATH] without http://; a HOST without a dot needs its port, "
        "or Docker takes it for a name of Docker Hub",
    )


def _shown(origin: str) -> str:
    return "--registry-prefix" if origin == "command line" else origin
