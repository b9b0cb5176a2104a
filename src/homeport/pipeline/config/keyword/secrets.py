"""`secrets`: values that GitLab fetches from a vault; in a local run, the user gives them.

Source: GitLab's CI/CD YAML reference, `secrets`.
"""

from collections.abc import Mapping
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.flags import parse_boolean
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.shapes import is_integer
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(
    name="secrets",
    run=YES,
    note="from a file or a variable of yours, else the job is not run: "
    "[how to](../how-to/give-secrets-and-tokens.md)",
    cases=("secrets", "secrets-not-given"),
    parts=(
        Keyword(name="vault", run=YES),
        Keyword(name="azure_key_vault", run=YES),
        Keyword(name="gcp_secret_manager", run=YES),
        Keyword(name="aws_secrets_manager", run=YES),
        Keyword(name="gitlab_secrets_manager", run=YES),
        Keyword(name="akeyless", run=YES),
        Keyword(name="file", run=YES),
        Keyword(name="token", note="nobody is asked with it"),
    ),
)

_PROVIDERS = (
    "vault", "azure_key_vault", "gcp_secret_manager", "aws_secrets_manager",
    "gitlab_secrets_manager", "akeyless",
)  # fmt: skip
KEYS = (*_PROVIDERS, "file", "token")
_NAMED = {
    "azure_key_vault": ("name", "version"),
    "gcp_secret_manager": ("name", "version"),
    "gitlab_secrets_manager": ("name", "source"),
}
_AWS = (
    "secret_id", "version_id", "version_stage", "region", "role_arn", "role_session_name", "field",
)  # fmt: skip
_AKEYLESS = (
    "name", "data_key", "cert_user_name", "public_key_data", "csr_data", "akeyless_api_url",
    "akeyless_access_type", "akeyless_token", "uid_token", "gcp_audience", "azure_object_id",
    "k8s_service_account_token", "k8s_auth_config_name", "akeyless_access_key",
    "gateway_ca_certificate",
)  # fmt: skip


def parse_secrets(value: Any, entry: Entry) -> Mapping[str, Any]:
    """Variable → its secret as written."""
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return {}
    for name, secret in value.items():
        _check_secret({} if secret is None else secret, entry.child(value, name))
    return dict(value)


def _check_secret(secret: Any, entry: Entry) -> None:
    if not isinstance(secret, dict):
        entry.config("should be a hash", "wrong-type")
        return
    entry.keys(secret, KEYS)
    if sum(provider in secret for provider in _PROVIDERS) != 1:
        text = f"must use exactly one of these keys: {', '.join(_PROVIDERS)}"
        entry.config(text, "conflict")
    token = entry.string(secret, "token")
    if "gcp_secret_manager" in secret and is_blank(token):
        entry.say("token is required with gcp secrets manager", "missing-key")
    if secret.get("file") is not None:
        parse_boolean(secret["file"], entry.child(secret, "file"))
    for provider in _PROVIDERS:
        if secret.get(provider) is not None:
            _check_provider(provider, secret[provider], entry.child(secret, provider))


def _check_provider(provider: str, value: Any, entry: Entry) -> None:
    if provider == "vault":
        _check_vault(value, entry)
    elif provider == "aws_secrets_manager" and isinstance(value, str):
        if is_blank(value):
            entry.say("secret id can't be blank", "blank")
    elif not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
    elif provider == "aws_secrets_manager":
        entry.keys(value, _AWS)
        entry.string(value, "secret_id", required=True)
        _check_strings(value, _AWS[1:], entry)
    elif provider == "akeyless":
        entry.keys(value, _AKEYLESS)
        _check_strings(value, _AKEYLESS, entry)
    else:
        allowed = _NAMED[provider]
        entry.keys(value, allowed)
        entry.string(value, "name", required=True)
        if provider == "gcp_secret_manager":
            version = value.get("version")
            if version is not None and not (isinstance(version, str) or is_integer(version)):
                entry.wrong(value, "version", "must be an alphanumeric string")
        else:
            _check_strings(value, allowed[1:], entry)


def _check_vault(value: Any, entry: Entry) -> None:
    if isinstance(value, str):
        if is_blank(value):
            entry.say("path can't be blank", "blank")
        return
    if not isinstance(value, dict):
        entry.config("should be a hash or a string", "wrong-type")
        return
    entry.keys(value, ("engine", "path", "field"))
    entry.string(value, "path", required=True)
    entry.string(value, "field", required=True)
    engine = value.get("engine")
    if is_blank(engine):
        entry.wrong(value, "engine", "can't be blank", "blank")
    if not isinstance(engine, dict):
        entry.wrong(value, "engine", "should be a hash")
        return
    place = entry.child(value, "engine")
    place.keys(engine, ("name", "path"))
    place.string(engine, "name", required=True)
    place.string(engine, "path", required=True)


def _check_strings(value: Any, keys: tuple[str, ...], entry: Entry) -> None:
    for key in keys:
        entry.string(value, key)
