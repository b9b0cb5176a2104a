"""The table of kinds of engines: which there are, and the module of each.

Each module has `KINDS`, a tuple of objects that are an `EngineKind`. It is imported when somebody
asks for one of its kinds, not before.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module

from homeport.enroll.engines.api import EngineKind
from homeport.enroll.errors import EnrollError

MODULES: Mapping[str, str] = {
    "docker": "docker",
    "containerd": "containerd",
    "podman": "containers",
    "buildah": "containers",
    "skopeo": "containers",
    "crio": "containers",
    "buildkit": "buildkit",
    "k3s": "k3s",
    "kind": "kind",
    "minikube": "minikube",
    "colima": "colima",
    "orbstack": "desktop",
    "rancher-desktop": "desktop",
    "lima": "desktop",
    "gitlab-runner": "gitlab_runner",
}
"""The module of each kind, in the order in which they are enrolled: an engine before those that
run inside it."""


def find_kind(name: str) -> EngineKind:
    """The kind of this name. Raises EnrollError for a name that there is not."""
    module = MODULES.get(name)
    found = None if module is None else _load(module)
    for kind in found or ():
        if kind.name == name:
            return kind
    known = ", ".join(MODULES)
    raise EnrollError(f"there is no kind of engine named {name}", hint=f"there are: {known}")


def find_kinds(names: Iterable[str] = ()) -> tuple[EngineKind, ...]:
    """The kinds of these names in the table's order; all of them where no name is given."""
    wanted = set(names)
    for name in wanted:
        find_kind(name)
    found = []
    for name, module in MODULES.items():
        if not wanted or name in wanted:
            found += [kind for kind in _load(module) if kind.name == name]
    return tuple(found)


def _load(module: str) -> "tuple[EngineKind, ...]":
    path = f"homeport.enroll.engines.{module}"
    try:
        return tuple(import_module(path).KINDS)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        return ()
