"""gitlab-ci-local's options of containers → homeport's settings `container.*`."""

from collections.abc import Mapping

from homeport.cli.container_options import container_value
from homeport.cli.gitlab_ci_local_options import Options
from homeport.errors import UsageError

_LISTS: Mapping[str, str] = {
    "device": "devices",
    "volume": "volumes",
    "network": "networks",
    "extra-host": "extra_hosts",
}
_TEXTS: Mapping[str, str] = {
    "shm-size": "shm_size",
    "userns": "userns",
    "gpus": "gpus",
    "ca-file": "ca_file",
    "container-mac-address": "mac_address",
}
_CPUS_OF_RUNNERS: Mapping[str, int] = {
    "saas-linux-small": 2,
    "saas-linux-medium": 4,
    "saas-linux-large": 8,
    "saas-linux-xlarge": 16,
    "saas-linux-2xlarge": 32,
}
"""GitLab's hosted runners on Linux as gitlab-ci-local knows them; each has 4 GiB for a CPU."""
_GIB = 1024**3


def container_settings(options: Options) -> dict[str, object]:
    """The settings, None for what was not given. Raises `UsageError` for an unknown runner."""
    settings: dict[str, object] = {"container.privileged": options.switch("privileged") or None}
    for name, key in _LISTS.items():
        settings[f"container.{key}"] = options.list(name) or None
    for name, key in _TEXTS.items():
        text = (options.text(name) or "").strip("\"'")
        settings[f"container.{key}"] = container_value(key, text or None)
    settings["container.ulimits"] = _ulimits(options.text("ulimit"))
    runner = options.text("container-emulate")
    if runner:
        if runner not in _CPUS_OF_RUNNERS:
            raise UsageError.of(
                f"{options.origin['container-emulate']} is {runner}: there is no such runner",
                code="gitlab-ci-local",
                hint=f"the runners are {', '.join(_CPUS_OF_RUNNERS)}",
            )
        cpus = _CPUS_OF_RUNNERS[runner]
        settings["container.cpus"] = float(cpus)
        settings["container.memory"] = 4 * cpus * _GIB
    return settings


def _ulimits(text: str | None) -> tuple[str, ...] | None:
    """A number is that of open files."""
    if not text or text == "0":
        return None
    return (text if "=" in text else f"nofile={text}",)
