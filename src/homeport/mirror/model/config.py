"""The mirror's settings as values (docs/reference/mirror-settings.md); `config/` reads them.

Sizes are bytes, rates bytes per second, times seconds. Field names are the keys of `homeport.toml`.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

DOCKER_HUB = "docker.io"
HUB_URL = "https://registry-1.docker.io"


class Role(StrEnum):
    """DOCKER_MIRROR: what `registry-mirrors` of dockerd speaks to: the default upstream only, never
    a 401. REGISTRY: everything. BOTH: a single listener, while no alias or local name can equal a
    bare name of the default upstream."""

    DOCKER_MIRROR = "docker-mirror"
    REGISTRY = "registry"
    BOTH = "both"


class TlsConfig(Struct, frozen=True, kw_only=True):
    """`client_ca` verifies client certificates; they are asked for, and required if
    `client_required`."""

    certificate: str
    key: str
    client_ca: str | None = None
    client_required: bool = False


class ListenerConfig(Struct, frozen=True, kw_only=True):
    """`address` is `HOST:PORT` or `unix:/path`. `proxy_protocol` reads PROXY v2 from trusted
    proxies. `virtual_hosts` maps a Host header to an upstream's name."""

    name: str
    address: str
    role: Role = Role.BOTH
    tls: TlsConfig | None = None
    external_url: str | None = None
    proxy_protocol: bool = False
    virtual_hosts: Mapping[str, str] = {}


class CredentialsConfig(Struct, frozen=True, kw_only=True):
    """Exactly one way: `username` with `password_file` or `password_env`; `docker_config` (a path
    of a config.json); `helper` (a docker-credential-NAME program)."""

    username: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    docker_config: str | None = None
    helper: str | None = None


class TagTtl(Struct, frozen=True, kw_only=True):
    """`pattern` is a glob over `repository:tag`."""

    pattern: str
    ttl: float


class Gone(StrEnum):
    """A tag or manifest that the upstream no longer has, while it is held here."""

    KEEP = "keep"
    REMOVE = "remove"


class UpstreamConfig(Struct, frozen=True, kw_only=True):
    """One upstream registry, known by `name` (`docker.io`).

    `urls` are asked in order and may carry a path prefix. `anonymous` None means: allowed if there
    are no credentials. `connections` is the cap of all connections at once, `attempts` how often a
    download may be resumed without progress.
    """

    name: str
    urls: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    tag_ttl: float = 900.0
    tag_ttls: tuple[TagTtl, ...] = ()
    negative_ttl: float = 60.0
    gone: Gone = Gone.KEEP
    credentials: CredentialsConfig | None = None
    anonymous: bool | None = None
    proxy: str | None = None
    ca: str | None = None
    redirect_hosts: tuple[str, ...] = ()
    auth_hosts: tuple[str, ...] = ()
    connections: int = 32
    connect_timeout: float = 5.0
    answer_timeout: float = 30.0
    read_timeout: float = 30.0
    min_rate: int = 1024
    revalidate_timeout: float = 1.5
    breaker_seconds: float = 15.0
    attempts: int = 6
    bandwidth: int | None = None

    @property
    def open_to_anonymous(self) -> bool:
        return self.credentials is None if self.anonymous is None else self.anonymous


class NamespaceConfig(Struct, frozen=True, kw_only=True):
    """A local namespace: repositories `NAME/…` that are pushed here. `immutable_tags` are globs."""

    name: str
    quota: int | None = None
    immutable_tags: tuple[str, ...] = ()


class RuleConfig(Struct, frozen=True, kw_only=True):
    """The first rule whose every condition holds decides. An empty condition holds for all.

    `principals` are globs over names (`anonymous` for none), `groups` globs, `networks` CIDRs,
    `repositories` globs over `upstream/name`, `claims` globs by claim name.
    """

    name: str
    allow: bool
    actions: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    listeners: tuple[str, ...] = ()
    claims: Mapping[str, str] = {}


class IssuerConfig(Struct, frozen=True, kw_only=True):
    """Who signs id_tokens: a GitLab server, or an OIDC provider. `bound_claims` must match (globs),
    `audience` is required. `jwks_url` None is found by `/.well-known/openid-configuration`."""

    issuer: str
    audience: str
    kind: str = "gitlab"
    jwks_url: str | None = None
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    bound_claims: Mapping[str, str] = {}
    name_claim: str | None = None
    groups_claim: str | None = None
    ca: str | None = None


class LdapConfig(Struct, frozen=True, kw_only=True):
    url: str
    bind_dn: str | None = None
    bind_password_file: str | None = None
    user_base: str = ""
    user_filter: str = "(uid={username})"
    group_base: str | None = None
    group_filter: str = "(member={dn})"
    ca: str | None = None
    start_tls: bool = False


class AuthConfig(Struct, frozen=True, kw_only=True):
    """`htpasswd` is a path; `groups` maps a group's name to its members. `token` switches between
    the token service (Bearer) and plain Basic challenges."""

    htpasswd: str | None = None
    token: bool = True
    token_lifetime: float = 300.0
    groups: Mapping[str, tuple[str, ...]] = {}
    issuers: tuple[IssuerConfig, ...] = ()
    ldap: LdapConfig | None = None
    attempts_per_minute: int = 30


class LimitsConfig(Struct, frozen=True, kw_only=True):
    header_bytes: int = 16 * 1024
    manifest_bytes: int = 8 * 1024**2
    blob_bytes: int = 64 * 1024**3
    open_uploads: int = 256
    upload_age: float = 86_400.0
    connections_per_address: int = 512
    header_timeout: float = 10.0
    idle_timeout: float = 75.0
    send_timeout: float = 60.0
    drain_timeout: float = 30.0
    drain_lead: float = 2.0


class WindowConfig(Struct, frozen=True, kw_only=True):
    """A rate that holds at certain times: `days` as `mon`…`sun`, `start` and `stop` minutes of the
    day; a window whose stop is before its start goes on past midnight."""

    rate: int
    days: tuple[str, ...] = ()
    start: int = 0
    stop: int = 1440


class NetworkConfig(Struct, frozen=True, kw_only=True):
    network: str
    rate: int


class BandwidthConfig(Struct, frozen=True, kw_only=True):
    """`total` None is unlimited; `windows` override it while they last, in `time_zone`."""

    total: int | None = None
    windows: tuple[WindowConfig, ...] = ()
    networks: tuple[NetworkConfig, ...] = ()
    time_zone: str = "UTC"
    shape_hits: bool = False


class Overflow(StrEnum):
    """A full audit queue: BLOCK requests until there is room, or COUNT what is dropped."""

    BLOCK = "block"
    COUNT = "count"


class AuditConfig(Struct, frozen=True, kw_only=True):
    """`key` is the path of an Ed25519 private key (PEM), outside `data`; `sinks` are
    `file:/path` and `syslog:HOST:PORT` or `syslog:/dev/log`. `keep_days` None keeps all."""

    enabled: bool = True
    key: str | None = None
    sinks: tuple[str, ...] = ()
    queue: int = 65_536
    overflow: Overflow = Overflow.BLOCK
    keep_days: int | None = None


class StoreConfig(Struct, frozen=True, kw_only=True):
    """`quota` is of all blobs; least recently used cached images go first, and never those whose
    `upstream/name:tag` a glob of `pins` matches. `reserve` stays free on the disk."""

    quota: int | None = None
    reserve: int = 512 * 1024**2
    pins: tuple[str, ...] = ()
    sweep_interval: float = 300.0


class MirrorConfig(Struct, frozen=True, kw_only=True):
    """Everything that `[mirror]` says. `upstreams` and `namespaces` are keyed by name."""

    listeners: tuple[ListenerConfig, ...]
    data: str
    default_upstream: str = DOCKER_HUB
    upstreams: Mapping[str, UpstreamConfig] = {}
    namespaces: Mapping[str, NamespaceConfig] = {}
    default_prefixes: tuple[str, ...] = ()
    read_only: bool = False
    trusted_proxies: tuple[str, ...] = ()
    metrics_from: tuple[str, ...] = ()
    rules: tuple[RuleConfig, ...] = ()
    auth: AuthConfig = AuthConfig()
    limits: LimitsConfig = LimitsConfig()
    bandwidth: BandwidthConfig = BandwidthConfig()
    audit: AuditConfig = AuditConfig()
    store: StoreConfig = StoreConfig()
