"""`secrets` of a job: GitLab's Runner fetches them from a vault, here the user gives them.

A secret is in a file that the settings (`[secrets]`) or `--secret` name, or it is a variable that
the user gives under the same name. A job with any other secret is not run.
"""

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import structs

from homeport.pipeline.model.plan import JobPlan, SecretFile
from homeport.settings.model import Settings

_PROVIDERS = (
    "vault", "azure_key_vault", "gcp_secret_manager", "aws_secrets_manager",
    "gitlab_secrets_manager", "akeyless",
)  # fmt: skip


def unmapped(secrets: Mapping[str, Any], settings: Settings, given: Collection[str]) -> str | None:
    """Why a job cannot have its secrets: each that is neither in a file nor among the variables
    that were `given`, and where GitLab has it."""
    lost = [name for name in secrets if name not in settings.secrets and name not in given]
    if not lost:
        return None
    named = ", ".join(f"{name}{_origin(secrets[name])}" for name in lost)
    flags = " ".join(f"--secret {name}=@FILE" for name in lost)
    return (
        f"it needs secrets that only a server has: {named}; "
        f"give them with {flags}, or as variables of these names"
    )


def with_secrets(plan: JobPlan, secrets: Mapping[str, Any], settings: Settings) -> JobPlan:
    """The job with its secrets: masked, and files unless `file: false`, whichever way they come."""
    as_file = {name: _is_file(secret) for name, secret in secrets.items()}
    files = {
        name: SecretFile(path=settings.secrets[name], file=as_file[name])
        for name in secrets
        if name in settings.secrets
    }
    overrides = tuple(
        structs.replace(variable, raw=True, masked=True, file=as_file[variable.key])
        if variable.key in as_file
        else variable
        for variable in plan.overrides
        if variable.key not in files
    )
    return structs.replace(plan, overrides=overrides, secrets=files)


def _is_file(secret: Any) -> bool:
    return not (isinstance(secret, Mapping) and secret.get("file") is False)


def _origin(secret: Any) -> str:
    """` (vault production/db/password@ops)`: a person who looks for the value knows it by that."""
    for provider in _PROVIDERS:
        value = secret.get(provider) if isinstance(secret, Mapping) else None
        if isinstance(value, Mapping):
            parts = (value.get(key) for key in ("path", "name", "secret_id", "field"))
            value = "/".join(str(part) for part in parts if part)
        if value:
            return f" ({provider} {value})"
    return ""
