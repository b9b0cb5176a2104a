"""Options of what containers get of the machine: the settings `container.*` for one run."""

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_ONCE: "Mapping[str, tuple[str, str]]" = {
    "memory": ("SIZE", "the memory that a job's container may use: 512m, 2GiB"),
    "cpus": ("N", "the CPUs that a job's container may use: 1.5"),
    "shm-size": ("SIZE", "the size of /dev/shm"),
    "userns": ("MODE", "the user namespace: host; with Podman keep-id and others"),
    "gpus": ("GPUS", "GPUs for jobs: all, a number, device=ID,…"),
    "mac-address": ("MAC", "the address of a job's container in its network"),
    "ca-file": ("FILE", "certificates to trust in containers beside their own (PEM)"),
}
"""Option → its value's name, and what it does. Each sets the key of `container` of its name."""

_REPEATED: "Mapping[str, tuple[str, str, str]]" = {
    "device": ("devices", "HOST[:CONTAINER[:rwm]]", "a device"),
    "volume": ("volumes", "[HOST:]CONTAINER[:ro]", "a folder; without HOST one of each job's own"),
    "ulimit": ("ulimits", "NAME=SOFT[:HARD]", "a limit"),
    "extra-host": ("extra_hosts", "NAME:ADDRESS", "a line of /etc/hosts"),
    "network": ("networks", "NAME", "a network: host, none, bridge or another that there is"),
}
"""Option → the key that it adds to, its value's name, and what containers get."""


def add_container_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "containers", "what jobs and services get of the machine; see the settings container.*"
    )
    group.add_argument(
        "--privileged", action="store_true", default=None, help="all privileges, as dind needs them"
    )
    group.add_argument(
        "--ssh-agent",
        action="store_true",
        default=None,
        help="your SSH agent (SSH_AUTH_SOCK), also for jobs in the shell",
    )
    for name, (key, metavar, text) in _REPEATED.items():
        group.add_argument(
            f"--{name}", dest=key, metavar=metavar, action="append", help=f"{text}; may be repeated"
        )
    for name, (metavar, text) in _ONCE.items():
        group.add_argument(f"--{name}", metavar=metavar, help=text)


def container_flags(args: argparse.Namespace) -> "dict[str, object]":
    """The settings that the options stand for; what was not given is None."""
    flags: dict[str, object] = {
        "container.privileged": args.privileged,
        "container.ssh_agent": args.ssh_agent,
    }
    for key, _, _ in _REPEATED.values():
        flags[f"container.{key}"] = getattr(args, key)
    for name in _ONCE:
        key = name.replace("-", "_")
        flags[f"container.{key}"] = container_value(key, getattr(args, key))
    return flags


def container_value(key: str, text: str | None) -> object:
    """A value as the command line has it, for the setting of this key: sizes in docker's way of
    writing them (`512m`), relative paths."""
    import os.path

    if text is None:
        return None
    if key == "cpus":
        try:
            return float(text)
        except ValueError:
            return text  # which the settings refuse by name
    if key in ("memory", "shm_size"):
        return text[:-1] + text[-1:].upper() if text[-1:] in ("k", "m", "g", "b") else text
    return os.path.abspath(text) if key == "ca_file" else text  # noqa: PTH100
