"""Every settings key: its type, and whether a repository's own file may set it."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from homeport.gitlab.host import Host
from homeport.settings.model import (
    ExecutorChoice,
    PullPolicy,
    SettingsVariable,
    ShellChoice,
    TagRuns,
    VariablesFrom,
)

Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="a name with only letters, digits and _"),
]
Device = Annotated[
    str,
    Meta(
        pattern=r"^/[^:]*(:/[^:]*(:[rwm]{1,3})?)?$",
        description="/dev/kvm or HOST:CONTAINER[:rwm], both absolute",
    ),
]
Volume = Annotated[
    str,
    Meta(
        pattern=r"^/[^:]+$|^/[^:]*:/[^:]*(:(ro|rw))?$",
        description="/folder or HOST:CONTAINER[:ro], both absolute",
    ),
]
Ulimit = Annotated[
    str,
    Meta(
        pattern=r"^[a-z]+=-?[0-9]{1,18}(:-?[0-9]{1,18})?$",
        description="a limit as nofile=1024 or nofile=1024:2048",
    ),
]
ExtraHost = Annotated[
    str,
    Meta(
        pattern=r"^[^\s:=]+:(host-gateway|[0-9A-Fa-f.:]+)$",
        description="NAME:ADDRESS or NAME:host-gateway",
    ),
]
Gpus = Annotated[
    str,
    Meta(
        pattern=r"^(all|[0-9]{1,4}|device=[^\s,]+(,[^\s,]+)*)$",
        description="all, a number or device=ID,…",
    ),
]
MacAddress = Annotated[
    str,
    Meta(
        pattern=r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$",
        description="an address as 02:00:00:aa:bb:cc",
    ),
]
Network = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", description="the name of a network")
]
Size = Annotated[
    str,
    Meta(pattern=r"^[0-9]+ ?([KMGT]i?B?|B)?$", description="bytes, or a size as 512 MB or 2 GiB"),
]

Registry = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$",
        description="a registry as HOST[:PORT]",
    ),
]

Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
Path = Annotated[str, Meta(pattern=r"^/", description="an absolute path")]
HttpUrl = Annotated[
    str,
    Meta(pattern=r"^https?://[^\s@?#]+$", description="http:// or https:// and no user, ? or #"),
]
Target = Annotated[
    str,
    Meta(
        pattern=r"^(https?://[^\s@?#]+|/.*)$",
        description="a URL of http or https, or an absolute path",
    ),
]


class TagImage(Struct, frozen=True, forbid_unknown_fields=True):
    image: Text


class VariableTable(SettingsVariable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`NAME = { value = "…", masked = true }`; a plain string is the short form."""


class HostTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[hosts."NAME"]`: see `homeport.gitlab.host.Host`."""

    token_env: Name | None = None
    ca: Path | None = None
    api_url: HttpUrl | None = None


class Key(Struct, frozen=True):
    """One key. `table` keys hold one value of `type` for each name that the user chose."""

    type: Any
    repository: bool = True
    table: bool = False


KEYS: Mapping[str, Key] = {
    "default_image": Key(Text),
    "executor": Key(ExecutorChoice),
    "shell": Key(ShellChoice),
    "concurrency": Key(Annotated[int, Meta(ge=1, le=1024)]),
    "pull_policy": Key(PullPolicy | tuple[PullPolicy, ...]),
    "pass_env": Key(tuple[Name, ...], repository=False),
    "masked": Key(frozenset[Name]),
    "engine": Key(Text, repository=False),
    "keep_runs": Key(Annotated[int, Meta(ge=1)], repository=False),
    "keep_size": Key(Annotated[int, Meta(ge=0)] | Size, repository=False),
    "keep_cache_size": Key(Annotated[int, Meta(ge=0)] | Size, repository=False),
    "connect_timeout": Key(Seconds, repository=False),
    "fetch_timeout": Key(Seconds, repository=False),
    "container.privileged": Key(bool, repository=False),
    "container.devices": Key(tuple[Device, ...], repository=False),
    "container.volumes": Key(tuple[Volume, ...], repository=False),
    "container.memory": Key(Annotated[int, Meta(ge=0)] | Size, repository=False),
    "container.cpus": Key(Annotated[float, Meta(gt=0, le=4096)], repository=False),
    "container.shm_size": Key(Annotated[int, Meta(ge=0)] | Size, repository=False),
    "container.ulimits": Key(tuple[Ulimit, ...], repository=False),
    "container.extra_hosts": Key(tuple[ExtraHost, ...], repository=False),
    "container.networks": Key(tuple[Network, ...], repository=False),
    "container.userns": Key(Text, repository=False),
    "container.gpus": Key(Gpus, repository=False),
    "container.mac_address": Key(MacAddress, repository=False),
    "container.ca_file": Key(Path, repository=False),
    "container.ssh_agent": Key(bool, repository=False),
    "container.services_timeout": Key(Seconds, repository=False),
    "limits.includes": Key(Count, repository=False),
    "limits.needs": Key(Count, repository=False),
    "limits.yaml_size": Key(Count | Size, repository=False),
    "limits.yaml_depth": Key(Annotated[int, Meta(ge=1, le=200)], repository=False),
    "limits.yaml_total_size": Key(Count | Size, repository=False),
    "limits.dotenv_size": Key(Count | Size, repository=False),
    "limits.dotenv_variables": Key(Count, repository=False),
    "ca": Key(Path, repository=False),
    "variables_from": Key(VariablesFrom, repository=False),
    "variables": Key(str | VariableTable, table=True),
    "tags": Key(TagRuns | TagImage, table=True),
    "hosts": Key(HostTable, repository=False, table=True),
    "container_registry": Key(Text, repository=False),
    "container_registry_library": Key(bool, repository=False),
    "container_registries": Key(Text, repository=False, table=True),
    "mirror_url": Key(Text, repository=False),
    "mirror_ca": Key(Path, repository=False),
    "mirror_registries": Key(tuple[Registry, ...], repository=False),
    "rewrite": Key(Target, repository=False, table=True),
    "projects": Key(Path, repository=False, table=True),
    "needs_artifacts": Key(Path, repository=False, table=True),
    "secrets": Key(Path, repository=False, table=True),
    "id_tokens": Key(Path, repository=False, table=True),
}

LISTS = frozenset(
    (
        "pull_policy",
        "pass_env",
        "masked",
        "container.devices",
        "container.volumes",
        "container.ulimits",
        "container.extra_hosts",
        "container.networks",
    ),
)

SIZES = frozenset(
    (
        "keep_size",
        "keep_cache_size",
        "container.memory",
        "container.shm_size",
        "limits.yaml_size",
        "limits.yaml_total_size",
        "limits.dotenv_size",
    )
)
"""Keys whose values are bytes, and may be written with a unit."""

ENVIRONMENT: Mapping[str, str] = {
    "HOMEPORT_" + name.upper().replace(".", "_"): name
    for name, key in KEYS.items()
    if not key.table
}
"""Environment variable → key; lists are separated by commas."""

WELL_KNOWN: Mapping[str, str] = {"CONTAINER_REGISTRY": "container_registry"}
"""Environment variables of other names than ours; ours go before them."""

VARIABLE_PREFIX = "HOMEPORT_VARIABLE_"
"""`HOMEPORT_VARIABLE_NAME=value` sets the pipeline variable NAME."""

UNITS = {"": 1, "B": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def host_of(value: HostTable) -> Host:
    api_url = value.api_url and value.api_url.rstrip("/")
    return Host(token_env=value.token_env, ca=value.ca, api_url=api_url)


def size_in_bytes(text: str | int) -> int:
    """Bytes from `1048576`, `500MB` or `2 GiB`; every unit is a power of 1024."""
    if isinstance(text, int):
        return text
    digits = text.rstrip("KMGTiB ")
    return int(digits) * UNITS[text[len(digits) :].strip()[:1]]
