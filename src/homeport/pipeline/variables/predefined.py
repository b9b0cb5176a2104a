"""The predefined `CI_*` variables. Source: GitLab's "Predefined CI/CD variables reference".

Values that only a server could know (numeric ids, visibility, licensed features) are those of a
fresh private project; tokens and passwords are never made up.
"""

import re

from homeport import __version__
from homeport.pipeline.model.trigger import Commit, Project, Source, Trigger, Upstream

GITLAB_VERSION = "19.0.0"
"""The GitLab whose behaviour homeport follows."""

NO_PROJECT = Project(host="gitlab.invalid", path="local/project")
"""Stands in where the repository names no server: `.invalid` never resolves (RFC 6761)."""

_MAX_MESSAGE = 100_000
_NULL_SHA = "0" * 40


def slug(text: str) -> str:
    """A name made safe for host names and URLs, as GitLab's `Utils.slugify`.

    Lower case, at most 63 characters, everything but `0-9a-z` a `-`, none at the ends.
    """
    return re.sub("[^a-z0-9]", "-", text.lower())[:63].strip("-")


def pipeline_variables(trigger: Trigger, *, pipeline_name: str | None = None) -> dict[str, str]:
    """The variables that exist before a pipeline does: `include` and `workflow` see these alone."""
    project = trigger.project or NO_PROJECT
    return {
        **_server_variables(project),
        **_project_variables(project, trigger),
        **_registry_variables(project),
        **_pipeline_variables(trigger, project, pipeline_name),
        **_commit_variables(trigger),
        **_merge_request_variables(trigger, project),
    }


def seed_variables(trigger: Trigger) -> dict[str, str]:
    """What all jobs' `rules` see besides, the same for each; it goes over the variables of the
    file. Source: GitLab's `Variables::Builder#user_variables`."""
    if not (trigger.user_name or trigger.user_email):
        return {}
    return {
        "GITLAB_USER_ID": "1",
        "GITLAB_USER_EMAIL": trigger.user_email,
        "GITLAB_USER_LOGIN": trigger.user_email.partition("@")[0] or trigger.user_name,
        "GITLAB_USER_NAME": trigger.user_name,
    }


def trigger_variables(trigger: Trigger) -> dict[str, str]:
    """What tells a job that a trigger token made its pipeline; a local run has no token."""
    if trigger.source is not Source.TRIGGER:
        return {}
    return {"CI_PIPELINE_TRIGGERED": "true", "CI_TRIGGER_SHORT_TOKEN": "none"}


def job_variables(
    trigger: Trigger,
    *,
    name: str,
    stage: str,
    job_id: int,
    project_dir: str | None = None,
    builds_dir: str | None = None,
    image: str | None = None,
    timeout: int | None = None,
    manual: bool = False,
    node_index: int | None = None,
    node_total: int | None = None,
    environment_name: str | None = None,
    environment_url: str | None = None,
    environment_action: str | None = None,
    environment_tier: str | None = None,
    started_at: str | None = None,
    architecture: str | None = None,
) -> dict[str, str]:
    """The variables of one job, those of a saved pipeline included.

    `timeout` is in seconds, `started_at` ISO 8601 in UTC, `architecture` like `linux/amd64`.

    What is None is left out: it is known only when the job starts, or does not exist for it.
    """
    project = trigger.project or NO_PROJECT
    url = _project_url(project)
    root, _, rest = project.path.lower().partition("/")
    pages = f"{root}.{_pages_domain(project)}"
    found: dict[str, str | None] = {
        **trigger_variables(trigger),
        "CI_SERVER": "yes",
        "CI_PIPELINE_ID": str(trigger.pipeline_id),
        "CI_PIPELINE_URL": f"{url}/-/pipelines/{trigger.pipeline_id}",
        "CI_REPOSITORY_URL": f"{url}.git",
        "CI_PAGES_HOSTNAME": pages,
        "CI_PAGES_URL": f"https://{pages}/{rest}",
        "CI_JOB_ID": str(job_id),
        "CI_JOB_URL": f"{url}/-/jobs/{job_id}",
        "CI_JOB_NAME": name,
        "CI_JOB_NAME_SLUG": slug(name),
        "CI_JOB_GROUP_NAME": group_name(name),
        "CI_JOB_STAGE": stage,
        "CI_JOB_MANUAL": "true" if manual else None,
        "CI_JOB_IMAGE": image,
        "CI_JOB_TIMEOUT": None if timeout is None else str(timeout),
        "CI_JOB_STARTED_AT": started_at,
        "CI_JOB_STARTED_AT_SLUG": None if started_at is None else slug(started_at),
        "CI_NODE_INDEX": None if node_index is None else str(node_index),
        "CI_NODE_TOTAL": str(node_total or 1),
        "CI_PROJECT_DIR": project_dir,
        "CI_BUILDS_DIR": builds_dir,
        "CI_CONCURRENT_ID": "0",
        "CI_CONCURRENT_PROJECT_ID": "0",
        "CI_RUNNER_ID": "1",
        "CI_RUNNER_DESCRIPTION": "homeport",
        "CI_RUNNER_TAGS": "[]",
        "CI_RUNNER_VERSION": __version__,
        "CI_RUNNER_REVISION": "homeport",
        "CI_RUNNER_EXECUTABLE_ARCH": architecture,
        # An image makes a place that is gone after the job; the host's shell stays.
        "CI_DISPOSABLE_ENVIRONMENT": "true" if image is not None else None,
        "CI_SHARED_ENVIRONMENT": "true" if image is None else None,
    }
    if environment_name is not None:
        found["CI_ENVIRONMENT_ID"] = "1"
        found["CI_ENVIRONMENT_NAME"] = environment_name
        found["CI_ENVIRONMENT_SLUG"] = environment_slug(environment_name)
        found["CI_ENVIRONMENT_ACTION"] = environment_action or "start"
        found["CI_ENVIRONMENT_TIER"] = environment_tier or guess_tier(environment_name)
        found["CI_ENVIRONMENT_URL"] = environment_url
    return {key: value for key, value in found.items() if value is not None}


def group_name(name: str) -> str:
    """A job's name without what `parallel` or a numbered series puts at its end."""
    if ":" not in name and not any(map(str.isspace, name)):
        return name
    end = re.search(r"(?:[\s:]+(?:\[[^\n]*\]|\d+[\s:/\\]+\d+)){1,3}\s*\Z", name)
    return (name[: end.start()] if end else name).strip()


def environment_slug(name: str) -> str:
    """An environment's name for host names: at most 24 characters, starting with a letter.

    A name that had to change gets a suffix made from its hash, as in GitLab's
    `Slug::Environment`.
    """
    found = re.sub("[^a-z0-9]", "-", name.lower())
    if not re.match("[a-z]", found):
        found = f"env-{found}"
    found = re.sub("-+", "-", found)
    if len(found) <= 24 and found == name:
        return found.removesuffix("-")
    found = found[:17]
    return found + ("" if found.endswith("-") else "-") + _suffix(name)


def guess_tier(name: str) -> str:
    """The deployment tier that GitLab takes for an environment of this name."""
    for pattern, tier in (
        ("dev|review|trunk", "development"),
        ("test|tst|int|ac(?:ce|)pt|qa|qc|control|quality", "testing"),
        ("sta?g|mode?l|pre|demo|non", "staging"),
        ("pro?d|live", "production"),
    ):
        if re.search(pattern, name, re.IGNORECASE):
            return tier
    return "other"


def _suffix(name: str) -> str:
    import hashlib

    number = int(hashlib.sha256(name.encode()).hexdigest(), 16)
    digits = ""
    for _ in range(6):
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits


def _server_variables(project: Project) -> dict[str, str]:
    name, port = _host_and_port(project)
    url = f"{project.protocol}://{project.host}"
    major, minor, patch = GITLAB_VERSION.split(".")
    return {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_SERVER_FQDN": project.host,
        "CI_SERVER_URL": url,
        "CI_SERVER_HOST": name,
        "CI_SERVER_PORT": port,
        "CI_SERVER_PROTOCOL": project.protocol,
        "CI_SERVER_SHELL_SSH_HOST": name,
        "CI_SERVER_SHELL_SSH_PORT": str(project.ssh_port),
        "CI_SERVER_NAME": "GitLab",
        "CI_SERVER_VERSION": GITLAB_VERSION,
        "CI_SERVER_VERSION_MAJOR": major,
        "CI_SERVER_VERSION_MINOR": minor,
        "CI_SERVER_VERSION_PATCH": patch,
        "CI_SERVER_REVISION": "homeport",
        "CI_API_V4_URL": f"{url}/api/v4",
        "CI_API_GRAPHQL_URL": f"{url}/api/graphql",
        "CI_TEMPLATE_REGISTRY_HOST": "registry.gitlab.com",
        "GITLAB_FEATURES": "",
    }


def _project_variables(project: Project, trigger: Trigger) -> dict[str, str]:
    namespace, _, name = project.path.rpartition("/")
    root = project.path.split("/", 1)[0]
    return {
        "CI_PROJECT_ID": "1",
        "CI_PROJECT_NAME": name,
        "CI_PROJECT_TITLE": name,
        "CI_PROJECT_DESCRIPTION": "",
        "CI_PROJECT_TOPICS": "",
        "CI_PROJECT_PATH": project.path,
        "CI_PROJECT_PATH_SLUG": slug(project.path),
        "CI_PROJECT_NAMESPACE": namespace,
        "CI_PROJECT_NAMESPACE_SLUG": slug(namespace),
        "CI_PROJECT_NAMESPACE_ID": "1",
        "CI_PROJECT_ROOT_NAMESPACE": root,
        "CI_PROJECT_URL": _project_url(project),
        "CI_PROJECT_VISIBILITY": "private",
        "CI_PROJECT_REPOSITORY_LANGUAGES": "",
        "CI_PROJECT_CLASSIFICATION_LABEL": "",
        "CI_DEFAULT_BRANCH": trigger.default_branch,
        "CI_DEFAULT_BRANCH_SLUG": slug(trigger.default_branch),
        "CI_CONFIG_PATH": trigger.config_path,
        "CI_PAGES_DOMAIN": _pages_domain(project),
    }


def _registry_variables(project: Project) -> dict[str, str]:
    name, port = _host_and_port(project)
    namespace, _, _ = project.path.rpartition("/")
    root = project.path.split("/", 1)[0]
    proxy = f"{name}:{port}"
    return {
        "CI_REGISTRY": f"registry.{name}",
        "CI_REGISTRY_IMAGE": f"registry.{name}/{project.path.lower()}",
        "CI_DEPENDENCY_PROXY_SERVER": proxy,
        "CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX": (
            f"{proxy}/{root.lower()}/dependency_proxy/containers"
        ),
        "CI_DEPENDENCY_PROXY_DIRECT_GROUP_IMAGE_PREFIX": (
            f"{proxy}/{namespace.lower()}/dependency_proxy/containers"
        ),
    }


def _pipeline_variables(
    trigger: Trigger, project: Project, pipeline_name: str | None
) -> dict[str, str]:
    found = {
        "CI_PIPELINE_IID": str(trigger.pipeline_id),
        "CI_PIPELINE_SOURCE": trigger.source.value,
        "CI_PIPELINE_CREATED_AT": trigger.created_at,
    }
    if pipeline_name is not None:
        found["CI_PIPELINE_NAME"] = pipeline_name
    if trigger.source is Source.SCHEDULE:
        found["CI_PIPELINE_SCHEDULE_DESCRIPTION"] = trigger.schedule_description
    if trigger.source in (Source.PIPELINE, Source.PARENT_PIPELINE):
        upstream = trigger.upstream or Upstream()
        found["CI_UPSTREAM_PIPELINE_ID"] = str(upstream.pipeline_id)
        found["CI_UPSTREAM_PROJECT_ID"] = "1"
        found["CI_UPSTREAM_JOB_ID"] = str(upstream.job_id)
    ref = _full_ref(trigger)
    if ref is not None:
        found["CI_CONFIG_REF_URI"] = f"{project.host}/{project.path}//{trigger.config_path}@{ref}"
    return found


def _full_ref(trigger: Trigger) -> str | None:
    if trigger.tag is not None:
        return f"refs/tags/{trigger.tag}"
    return None if trigger.branch is None else f"refs/heads/{trigger.branch}"


def _commit_variables(trigger: Trigger) -> dict[str, str]:
    commit = trigger.commit
    if commit is None:
        return {}
    ref = trigger.ref or ""
    protected = (
        trigger.merge_request is None
        and trigger.branch is not None
        and trigger.branch == trigger.default_branch
    )
    found = {
        "CI_COMMIT_SHA": commit.sha,
        "CI_COMMIT_SHORT_SHA": commit.sha[:8],
        "CI_COMMIT_BEFORE_SHA": trigger.before_sha or _NULL_SHA,
        "CI_COMMIT_REF_NAME": ref,
        "CI_COMMIT_REF_SLUG": slug(ref),
        **_message_variables(commit),
        # Without settings of a server only the default branch is protected.
        "CI_COMMIT_REF_PROTECTED": "true" if protected else "false",
        "CI_COMMIT_TIMESTAMP": commit.timestamp,
        "CI_COMMIT_AUTHOR": commit.author,
        "CI_COMMIT_USER_LOGIN": "",
    }
    if trigger.tag is not None:
        found["CI_COMMIT_TAG"] = trigger.tag
        found["CI_COMMIT_TAG_MESSAGE"] = trigger.tag_message or ""
    elif trigger.branch is not None and trigger.merge_request is None:
        found["CI_COMMIT_BRANCH"] = trigger.branch
    return found


def _merge_request_variables(trigger: Trigger, project: Project) -> dict[str, str]:
    request, url = trigger.merge_request, _project_url(project)
    if request is not None:
        from homeport.pipeline.variables.merge_request import merge_request_variables

        found = merge_request_variables(request, trigger, path=project.path, url=url)
    else:
        found = {}
    iid = trigger.open_merge_request if request is None else request.iid
    if iid is not None:
        found["CI_OPEN_MERGE_REQUESTS"] = f"{project.path}!{iid}"
    return found


def _message_variables(commit: Commit) -> dict[str, str]:
    raw = commit.message.encode("utf-8", "surrogateescape")
    truncated = len(raw) > _MAX_MESSAGE
    texts = {
        "CI_COMMIT_MESSAGE": commit.message,
        "CI_COMMIT_TITLE": commit.title,
        "CI_COMMIT_DESCRIPTION": commit.description,
    }
    if truncated:
        texts = {key: _cut(text) for key, text in texts.items()}
    return {**texts, "CI_COMMIT_MESSAGE_IS_TRUNCATED": "true" if truncated else "false"}


def _cut(text: str) -> str:
    return text.encode("utf-8", "surrogateescape")[:_MAX_MESSAGE].decode("utf-8", "ignore")


def _pages_domain(project: Project) -> str:
    host = _host_and_port(project)[0]
    return "gitlab.io" if host == "gitlab.com" else f"pages.{host}"


def _project_url(project: Project) -> str:
    return f"{project.protocol}://{project.host}/{project.path}"


def _host_and_port(project: Project) -> tuple[str, str]:
    """The host without its port, and the port, which is the protocol's own where none is given."""
    name, colon, port = project.host.rpartition(":")
    if colon and port.isdigit():
        return name, port
    return project.host, "80" if project.protocol == "http" else "443"
