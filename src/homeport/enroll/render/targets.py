"""The table of what can be rendered."""

from collections.abc import Callable, Mapping

from homeport.enroll.errors import EnrollError
from homeport.enroll.model import Request
from homeport.enroll.render import engines, machines, pipelines
from homeport.enroll.render.files import Made
from homeport.enroll.render.wanted import Wanted, check

TARGETS: "Mapping[str, Callable[[Wanted], tuple[Made, ...]]]" = {
    "ansible": machines.ansible,
    "cloud-init": machines.cloud_init,
    "gitlab-runner": pipelines.gitlab_runner,
    "dind": pipelines.dind,
    "buildkitd": engines.buildkitd,
    "k3s": engines.k3s,
    "kind": engines.kind,
    "colima": engines.colima,
    "kaniko": engines.kaniko,
    "systemd": machines.systemd,
    "shell": machines.shell,
}


def render(target: str, request: Request) -> "tuple[Made, ...]":
    """The files of one target: the same for the same request, always. Raises EnrollError."""
    make = TARGETS.get(target)
    if make is None:
        raise EnrollError(f"there is no target {target}", hint=f"there are: {', '.join(TARGETS)}")
    return make(check(request))
