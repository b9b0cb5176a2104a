"""The keys of daemon.json and the flags of dockerd: of which type, from which release to which.

After moby's `daemon/config` and `cmd/dockerd`, 20.10 to 28. A flag's name differs from its key
where the flag can be given several times (`--registry-mirror`, `registry-mirrors`).
"""

from collections.abc import Mapping
from typing import NamedTuple, Optional

NEWEST = 28
"""The last release that the table knows; what newer ones have besides is for them to judge."""


class Key(NamedTuple):
    """`type`: `text`, `truth`, `number`, `texts`, `pairs` (text to text), `object`, `objects`,
    `truths` (text to truth). Releases are the first numbers of versions."""

    type: str
    since: int = 0
    until: int = 99


def _of(kind: str, names: str, since: int = 0, until: int = 99) -> "dict[str, Key]":
    return {name: Key(kind, since, until) for name in names.split()}


KEYS: Mapping[str, Key] = {
    **_of(
        "text",
        """bip bridge cgroup-parent containerd containerd-namespace data-root default-cgroupns-mode
        default-gateway default-gateway-v6 default-ipc-mode default-runtime default-shm-size
        exec-root fixed-cidr fixed-cidr-v6 group init-path ip log-driver log-level
        metrics-addr pidfile seccomp-profile storage-driver swarm-default-advertise-addr tlscacert
        tlscert tlskey userland-proxy-path userns-remap""",
    ),
    **_of("text", "host-gateway-ip deprecated-key-path"),
    **_of("text", "api-cors-header", until=27),
    **_of("text", "graph cluster-store cluster-advertise", until=22),
    **_of("text", "http-proxy https-proxy no-proxy", since=23),
    **_of("text", "log-format", since=25),
    **_of("text", "bip6 bridge-accept-fwmark", since=28),
    **_of(
        "truth",
        """cri-containerd debug experimental icc init ip-forward ip-masq ip6tables iptables ipv6
        live-restore no-new-privileges raw-logs rootless selinux-enabled tls tlsverify
        userland-proxy""",
    ),
    **_of("truth", "ip-forward-no-drop allow-direct-routing", since=28),
    **_of(
        "number",
        """cpu-rt-period cpu-rt-runtime max-concurrent-downloads max-concurrent-uploads
        max-download-attempts mtu network-control-plane-mtu network-diagnostic-port
        shutdown-timeout""",
    ),
    **_of("number", "oom-score-adjust", until=24),
    **_of(
        "texts",
        """allow-nondistributable-artifacts authorization-plugins dns dns-opts dns-search exec-opts
        hosts insecure-registries labels node-generic-resources registry-mirrors storage-opts""",
    ),
    **_of("texts", "cdi-spec-dirs", since=25),
    **_of("texts", "host-gateway-ips", since=28),
    **_of("pairs", "log-opts"),
    **_of("pairs", "cluster-store-opts", until=22),
    **_of("object", "builder default-ulimits runtimes"),
    **_of("object", "default-network-opts", since=24),
    **_of("object", "proxies", since=23),
    **_of("objects", "default-address-pools"),
    **_of("truths", "features"),
}

WHOLE = frozenset(
    [name for name, key in KEYS.items() if key.type in ("object", "pairs", "truths")]
) - {"proxies"}
"""Objects that are values. The members of every other object count as keys, as the daemon reads
them (`proxies`)."""

FLAGS: Mapping[str, str] = {
    "add-runtime": "runtimes",
    "authorization-plugin": "authorization-plugins",
    "cdi-spec-dir": "cdi-spec-dirs",
    "cluster-store-opt": "cluster-store-opts",
    "containerd-plugins-namespace": "containerd-plugins-namespace",
    "default-address-pool": "default-address-pools",
    "default-network-opt": "default-network-opts",
    "default-ulimit": "default-ulimits",
    "dns-opt": "dns-opts",
    "exec-opt": "exec-opts",
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "label": "labels",
    "log-opt": "log-opts",
    "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}
"""Flags that have another name than their key; all others are called like it."""

SHORT: Mapping[str, str] = {
    "D": "debug",
    "G": "group",
    "H": "host",
    "b": "bridge",
    "g": "graph",
    "l": "log-level",
    "p": "pidfile",
    "s": "storage-driver",
    "v": "version",
}

NO_KEYS = frozenset(("config-file", "help", "validate", "version"))
BARE = frozenset(
    {name for name, key in KEYS.items() if key.type == "truth"} | NO_KEYS - {"config-file"}
)
"""Flags that take no word after them."""


def find_key(name: str, release: int) -> Optional[Key]:
    """None for a key that this release refuses."""
    key = KEYS.get(name)
    if key is None or not key.since <= release <= key.until:
        return None
    return key


def is_flag(name: str) -> bool:
    """Whether dockerd has such a flag: it then accepts the name as a key, and ignores it."""
    return name in FLAGS or name in NO_KEYS


def key_of(flag: str) -> str:
    return FLAGS.get(flag, flag)
