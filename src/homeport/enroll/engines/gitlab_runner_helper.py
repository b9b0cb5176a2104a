"""The helper image of GitLab Runner: its default name, and the same through a mirror. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from homeport.enroll.engines.door import Door
from homeport.enroll.model import Finding

REGISTRY = "registry.gitlab.com"
HELPER = "gitlab-org/gitlab-runner/gitlab-runner-helper"
_HUB = ("gitlab/gitlab-runner-helper", "docker.io/gitlab/gitlab-runner-helper")
_ARCHITECTURES: Mapping[str, str] = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv6l": "arm",
    "armv7l": "arm",
    "arm": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
"""The runner's names of architectures (helpers/container/helperimage/linux_info.go)."""


class Helper(NamedTuple):
    """`value` None: `helper_image` stays as it is."""

    value: Optional[str]
    findings: "tuple[Finding, ...]"


def find_helper(runner: Mapping[str, Any], architecture: str, door: Door) -> Helper:
    """What `helper_image` of one `[[runners]]` shall be; `architecture` is that of `uname -m`."""
    executor = str(runner.get("executor", ""))
    if executor not in ("docker", "docker+machine", "docker-autoscaler", "kubernetes"):
        return Helper(None, _other(executor))
    found = runner.get("kubernetes" if executor == "kubernetes" else "docker")
    table: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    image = table.get("helper_image")
    notes = _pull_secrets(table) if executor == "kubernetes" else ()
    if isinstance(image, str) and image:
        return Helper(*_through(image, door, notes))
    name = _target(table, architecture, kubernetes=executor == "kubernetes")
    if name is None:
        words = f"the helper image of the architecture {architecture or 'of this machine'} has no"
        hint = f"set helper_image to {door.location}/{HELPER}:ARCH-v${{CI_RUNNER_VERSION}}"
        return Helper(None, (Finding("helper-architecture", f"{words} name", hint),))
    if executor != "docker":
        words = f"helper_image is set for {name}, as this runner itself is"
        hint = "nodes of another architecture need a [[runners]] of their own"
        notes = (*notes, Finding("helper-architecture", words, hint))
    tag = default_tag(name, str(table.get("helper_image_flavor", "")), str(runner.get("shell", "")))
    return Helper(f"{door.location}/{HELPER}:{tag}", notes)


def default_tag(architecture: str, flavor: str, shell: str) -> str:
    """As the runner makes it: `alpine` is not said, other flavors stand before the architecture."""
    prefix = "" if flavor in ("", "alpine") else f"{flavor}-"
    if not flavor and architecture == "riscv64":
        prefix = "alpine-edge-"
    return f"{prefix}{architecture}-v${{CI_RUNNER_VERSION}}{'-pwsh' if shell == 'pwsh' else ''}"


def _through(
    image: str, door: Door, notes: "tuple[Finding, ...]"
) -> "tuple[Optional[str], tuple[Finding, ...]]":
    """The same image through the mirror, its tag to the letter; what is somebody's own stays."""
    before, slash, tag = image.partition(f"/{HELPER}")
    ours = before == REGISTRY or before.endswith(f"/{REGISTRY}") or before == door.location
    if slash and ours and tag[:1] in (":", "@", ""):
        return f"{door.location}/{HELPER}{tag}", notes
    if image.partition("@")[0].rpartition(":")[0] in _HUB:
        words = "helper_image is one of Docker Hub's, which an enrolled engine gets by the mirror"
        return None, (*notes, Finding("helper-of-hub", words))
    words = f"helper_image is {image}, which somebody has chosen: it is left as it is"
    return None, (*notes, Finding("helper-of-user", words))


def _target(table: Mapping[str, Any], machine: str, *, kubernetes: bool) -> Optional[str]:
    """Kubernetes: that of the nodes, where a selector names it."""
    selector = table.get("node_selector")
    named = selector.get("kubernetes.io/arch") if isinstance(selector, Mapping) else None
    return _ARCHITECTURES.get(str(named) if kubernetes and named else machine)


def _pull_secrets(table: Mapping[str, Any]) -> "tuple[Finding, ...]":
    if table.get("image_pull_secrets"):
        return ()
    words = "pods pull the helper image by the mirror's name, and have no image_pull_secrets"
    hint = "name one there if the mirror asks clients who they are"
    return (Finding("helper-pull-secrets", words, hint),)


def _other(executor: str) -> "tuple[Finding, ...]":
    if executor != "docker-windows":
        return ()
    words = "the helper image of Windows has its release in its tag: helper_image is left as it is"
    return (Finding("helper-windows", words, severity="warning"),)
