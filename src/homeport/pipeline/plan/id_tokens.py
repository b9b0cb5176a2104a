"""`id_tokens` of a job: what each of them says, but for the times, which are known at its start.

The claims are those of GitLab's own tokens, from the facts of the run alone: a variable of the CI
file or of the user does not change them, or a job could give itself out as another project's.
Source: GitLab's "OpenID Connect (OIDC) authentication using ID tokens", Token payload.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from homeport.pipeline.model.plan import IdToken, JobPlan
from homeport.settings.model import Settings

_FACTS = {
    "namespace_id": "CI_PROJECT_NAMESPACE_ID",
    "namespace_path": "CI_PROJECT_NAMESPACE",
    "project_id": "CI_PROJECT_ID",
    "project_path": "CI_PROJECT_PATH",
    "user_id": "GITLAB_USER_ID",
    "user_login": "GITLAB_USER_LOGIN",
    "user_email": "GITLAB_USER_EMAIL",
    "pipeline_id": "CI_PIPELINE_ID",
    "pipeline_source": "CI_PIPELINE_SOURCE",
    "job_id": "CI_JOB_ID",
    "ref": "CI_COMMIT_REF_NAME",
    "ref_protected": "CI_COMMIT_REF_PROTECTED",
    "environment": "CI_ENVIRONMENT_NAME",
    "deployment_tier": "CI_ENVIRONMENT_TIER",
    "environment_action": "CI_ENVIRONMENT_ACTION",
    "sha": "CI_COMMIT_SHA",
    "project_visibility": "CI_PROJECT_VISIBILITY",
    "ci_config_ref_uri": "CI_CONFIG_REF_URI",
    "ci_config_sha": "CI_COMMIT_SHA",
    "iss": "CI_SERVER_URL",
}


def with_id_tokens(
    plan: JobPlan, tokens: Mapping[str, Any], settings: Settings, facts: Mapping[str, str]
) -> JobPlan:
    """The job with its tokens; `facts` are its predefined variables."""
    return structs.replace(
        plan,
        id_tokens={
            name: IdToken(audience=_audience(token["aud"]), file=settings.id_tokens.get(name))
            for name, token in tokens.items()
        },
        claims=_claims(facts),
    )


def _audience(written: str | list[str]) -> str | tuple[str, ...]:
    return written if isinstance(written, str) else tuple(written)


def _claims(facts: Mapping[str, str]) -> Mapping[str, Any]:
    kind, folder = ("tag", "tags") if "CI_COMMIT_TAG" in facts else ("branch", "heads")
    ref, path = facts["CI_COMMIT_REF_NAME"], facts["CI_PROJECT_PATH"]
    found = {claim: facts[name] for claim, name in _FACTS.items() if facts.get(name)}
    if "environment" in found:
        found["environment_protected"] = "false"
    return {
        **found,
        "ref_type": kind,
        "ref_path": f"refs/{folder}/{ref}",
        "runner_id": int(facts["CI_RUNNER_ID"]),
        "runner_environment": "self-hosted",
        "sub": f"project_path:{path}:ref_type:{kind}:ref:{ref}",
    }
