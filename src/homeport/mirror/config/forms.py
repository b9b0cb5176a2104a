"""What each field holds beyond its type. A form takes what TOML gave and returns the value, or
raises ValueError in words."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from homeport.lib.glob import glob_fault
from homeport.mirror.config import amounts, hosts
from homeport.mirror.model.config import (
    AuditConfig,
    AuthConfig,
    BandwidthConfig,
    CredentialsConfig,
    IssuerConfig,
    LdapConfig,
    LimitsConfig,
    ListenerConfig,
    MirrorConfig,
    NamespaceConfig,
    NetworkConfig,
    RuleConfig,
    StoreConfig,
    TagTtl,
    TlsConfig,
    UpstreamConfig,
)
from homeport.mirror.model.principal import Action
from homeport.mirror.names.hosts import is_host
from homeport.oci.reference import is_name

Form = Callable[[Any], Any]
Field = tuple[type, str]

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Of id_tokens. All asymmetric: with HS256 the public key would be the secret."""

_WORD = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_DAY = 86_400.0


def word(text: str) -> str:
    if _WORD.fullmatch(text) is None:
        raise ValueError("expected lower-case letters, digits, - and _, at most 64")
    return text


def glob(text: str) -> str:
    fault = glob_fault(text)
    if fault is not None:
        raise ValueError(fault)
    return text


def prefix(text: str) -> str:
    if not is_name(text):
        raise ValueError(
            "expected the beginning of a name: lower-case letters, digits, - . _ and /"
        )
    return text


def time_zone(text: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        raise ValueError('expected a time zone such as "Europe/Berlin"') from None
    return text


def _matches(pattern: re.Pattern[str], wanted: str) -> Form:
    def form(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError(f"expected {wanted}")
        return text

    return form


def _host(text: str) -> str:
    if not is_host(text):
        raise ValueError("expected a registry's host in lower case, host or host:port")
    return text


def choice(*words: str) -> Form:
    def form(text: str) -> str:
        if text not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return text

    return form


def count(least: int, most: int) -> Form:
    def form(raw: object) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool) or not least <= raw <= most:
            raise ValueError(f"expected a whole number from {least} to {most}")
        return raw

    return form


def seconds(least: float, most: float) -> Form:
    def form(raw: object) -> float:
        value = amounts.parse_duration(raw)
        if not least <= value <= most:
            raise ValueError(f"expected a time from {least:g} to {most:g} seconds")
        return value

    return form


def size(least: int = 0) -> Form:
    def form(raw: object) -> int:
        value = amounts.parse_size(raw)
        if value < least:
            raise ValueError(f"expected at least {least} bytes")
        return value

    return form


_TTL = seconds(0, 366 * _DAY)
_TIMEOUT = seconds(0.05, 3600)

FORMS: Mapping[Field, Form] = {
    (ListenerConfig, "name"): word,
    (ListenerConfig, "address"): hosts.listen_address,
    (ListenerConfig, "external_url"): hosts.root_url,
    (CredentialsConfig, "password_env"): _matches(_ENVIRONMENT, "the name of a variable"),
    (CredentialsConfig, "helper"): _matches(_HELPER, "the NAME of docker-credential-NAME"),
    (TagTtl, "pattern"): glob,
    (TagTtl, "ttl"): _TTL,
    (UpstreamConfig, "tag_ttl"): _TTL,
    (UpstreamConfig, "negative_ttl"): _TTL,
    (UpstreamConfig, "proxy"): hosts.proxy_url,
    (UpstreamConfig, "connections"): count(1, 4096),
    (UpstreamConfig, "connect_timeout"): _TIMEOUT,
    (UpstreamConfig, "answer_timeout"): _TIMEOUT,
    (UpstreamConfig, "read_timeout"): _TIMEOUT,
    (UpstreamConfig, "min_rate"): amounts.parse_rate,
    (UpstreamConfig, "revalidate_timeout"): _TIMEOUT,
    (UpstreamConfig, "breaker_seconds"): seconds(0, 3600),
    (UpstreamConfig, "attempts"): count(1, 100),
    (UpstreamConfig, "bandwidth"): amounts.parse_rate,
    (NamespaceConfig, "quota"): size(),
    (IssuerConfig, "issuer"): hosts.https_url,
    (IssuerConfig, "kind"): choice("gitlab", "oidc"),
    (IssuerConfig, "jwks_url"): hosts.https_url,
    (LdapConfig, "url"): hosts.ldap_url,
    (AuthConfig, "token_lifetime"): seconds(60, _DAY),
    (AuthConfig, "attempts_per_minute"): count(1, 100_000),
    (LimitsConfig, "header_bytes"): size(4096),
    (LimitsConfig, "manifest_bytes"): size(4 * 1024**2),  # what a registry must take at least
    (LimitsConfig, "blob_bytes"): size(1),
    (LimitsConfig, "open_uploads"): count(1, 1_000_000),
    (LimitsConfig, "upload_age"): seconds(60, 366 * _DAY),
    (LimitsConfig, "connections_per_address"): count(1, 1_000_000),
    (LimitsConfig, "header_timeout"): _TIMEOUT,
    (LimitsConfig, "idle_timeout"): _TIMEOUT,
    (LimitsConfig, "send_timeout"): _TIMEOUT,
    (LimitsConfig, "drain_timeout"): seconds(0, 3600),
    (LimitsConfig, "drain_lead"): seconds(0, 3600),
    (NetworkConfig, "network"): hosts.network,
    (NetworkConfig, "rate"): amounts.parse_rate,
    (BandwidthConfig, "total"): amounts.parse_rate,
    (BandwidthConfig, "time_zone"): time_zone,
    (AuditConfig, "queue"): count(256, 16_777_216),
    (AuditConfig, "keep_days"): count(1, 36_600),
    (StoreConfig, "quota"): size(1),
    (StoreConfig, "reserve"): size(),
    (StoreConfig, "sweep_interval"): seconds(1, 7 * _DAY),
    (MirrorConfig, "default_upstream"): _host,
}

EACH: Mapping[Field, Form] = {
    (UpstreamConfig, "urls"): hosts.upstream_url,
    (UpstreamConfig, "aliases"): prefix,
    (UpstreamConfig, "redirect_hosts"): hosts.host_pattern,
    (UpstreamConfig, "auth_hosts"): hosts.host_pattern,
    (NamespaceConfig, "immutable_tags"): glob,
    (RuleConfig, "actions"): choice(*Action),
    (RuleConfig, "principals"): glob,
    (RuleConfig, "groups"): glob,
    (RuleConfig, "networks"): hosts.network,
    (RuleConfig, "repositories"): glob,
    (RuleConfig, "references"): glob,
    (RuleConfig, "claims"): glob,
    (IssuerConfig, "algorithms"): choice(*ALGORITHMS),
    (IssuerConfig, "bound_claims"): glob,
    (AuditConfig, "sinks"): hosts.sink,
    (StoreConfig, "pins"): glob,
    (MirrorConfig, "default_prefixes"): prefix,
    (MirrorConfig, "trusted_proxies"): hosts.proxy_network,
    (MirrorConfig, "metrics_from"): hosts.network,
}
"""Of the elements of a list, or the values of a table."""

PATHS: frozenset[Field] = frozenset(
    (
        (TlsConfig, "certificate"),
        (TlsConfig, "key"),
        (TlsConfig, "client_ca"),
        (CredentialsConfig, "password_file"),
        (CredentialsConfig, "docker_config"),
        (UpstreamConfig, "ca"),
        (IssuerConfig, "ca"),
        (LdapConfig, "ca"),
        (LdapConfig, "bind_password_file"),
        (AuthConfig, "htpasswd"),
        (AuditConfig, "key"),
        (MirrorConfig, "data"),
    )
)
"""Relative ones begin at the folder of the file that names them."""
