"""`include:component` → project, name and version (GitLab `Ci::Components::InstancePath`)."""

from msgspec import Struct

from homeport.pipeline.include.location import LocationError


class Component(Struct, frozen=True, kw_only=True):
    """`HOST/PROJECT/NAME@VERSION`, taken apart; `address` is the whole as written."""

    address: str
    host: str
    project: str
    name: str
    version: str

    @property
    def paths(self) -> tuple[str, str]:
        """Where the component's file may be, the first that exists counts."""
        return f"templates/{self.name}.yml", f"templates/{self.name}/template.yml"

    def refuse(self, reason: str) -> LocationError:
        return LocationError(f"Component '{self.address}' - {reason}")


def parse_component(address: str) -> Component:
    """The parts of an address. Raises `LocationError` where GitLab sees no component in it."""
    place, at, version = address.partition("@")
    host, _, path = place.partition("/")
    project, _, name = path.rpartition("/")
    if not at or not host or host.endswith(":") or ":" in host.partition(":")[2]:
        raise LocationError(f"Component '{address}' - the component path is not supported")
    component = Component(
        address=address,
        host=host.lower(),
        project=project,
        name=name,
        version=version,
    )
    if not project or not name or not version:
        raise component.refuse("content not found")
    return component
