from typing import Any

import pytest
from msgspec import structs

from homeport.pipeline.model.trigger import Commit, Project, Source, Trigger
from homeport.pipeline.variables.predefined import (
    environment_slug,
    group_name,
    guess_tier,
    job_variables,
    pipeline_variables,
    seed_variables,
    slug,
)

COMMIT = Commit(
    sha="343d0e27e88cb8df472b27316d7845b009c40410",
    title="Add a thing",
    message="Add a thing\n\nBecause.\n",
    description="\nBecause.",
    timestamp="2026-07-31T19:38:51+02:00",
    author="Ann Example <ann@example.com>",
)
TRIGGER = Trigger(
    root="/home/ann/thing",
    branch="Feature/Big_Thing",
    commit=COMMIT,
    before_sha="d8fac9624ef874027f941ea6bb21185671846ba0",
    default_branch="main",
    project=Project(host="gitlab.com", path="Group/sub/thing"),
    user_name="Ann Example",
    user_email="ann@example.com",
    created_at="2026-07-31T17:38:52Z",
    pipeline_id=7,
)

PIPELINE = {
    "CI": "true",
    "GITLAB_CI": "true",
    "GITLAB_FEATURES": "",
    "CI_API_GRAPHQL_URL": "https://gitlab.com/api/graphql",
    "CI_API_V4_URL": "https://gitlab.com/api/v4",
    "CI_COMMIT_AUTHOR": "Ann Example <ann@example.com>",
    "CI_COMMIT_BEFORE_SHA": "d8fac9624ef874027f941ea6bb21185671846ba0",
    "CI_COMMIT_BRANCH": "Feature/Big_Thing",
    "CI_COMMIT_DESCRIPTION": "\nBecause.",
    "CI_COMMIT_MESSAGE": "Add a thing\n\nBecause.\n",
    "CI_COMMIT_MESSAGE_IS_TRUNCATED": "false",
    "CI_COMMIT_REF_NAME": "Feature/Big_Thing",
    "CI_COMMIT_REF_PROTECTED": "false",
    "CI_COMMIT_REF_SLUG": "feature-big-thing",
    "CI_COMMIT_SHA": "343d0e27e88cb8df472b27316d7845b009c40410",
    "CI_COMMIT_SHORT_SHA": "343d0e27",
    "CI_COMMIT_TIMESTAMP": "2026-07-31T19:38:51+02:00",
    "CI_COMMIT_TITLE": "Add a thing",
    "CI_COMMIT_USER_LOGIN": "",
    "CI_CONFIG_PATH": ".gitlab-ci.yml",
    "CI_CONFIG_REF_URI": "gitlab.com/Group/sub/thing//.gitlab-ci.yml@refs/heads/Feature/Big_Thing",
    "CI_DEFAULT_BRANCH": "main",
    "CI_DEFAULT_BRANCH_SLUG": "main",
    "CI_DEPENDENCY_PROXY_DIRECT_GROUP_IMAGE_PREFIX": (
        "gitlab.com:443/group/sub/dependency_proxy/containers"
    ),
    "CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX": "gitlab.com:443/group/dependency_proxy/containers",
    "CI_DEPENDENCY_PROXY_SERVER": "gitlab.com:443",
    "CI_PAGES_DOMAIN": "gitlab.io",
    "CI_PIPELINE_CREATED_AT": "2026-07-31T17:38:52Z",
    "CI_PIPELINE_IID": "7",
    "CI_PIPELINE_SOURCE": "push",
    "CI_PROJECT_CLASSIFICATION_LABEL": "",
    "CI_PROJECT_DESCRIPTION": "",
    "CI_PROJECT_ID": "1",
    "CI_PROJECT_NAME": "thing",
    "CI_PROJECT_NAMESPACE": "Group/sub",
    "CI_PROJECT_NAMESPACE_ID": "1",
    "CI_PROJECT_NAMESPACE_SLUG": "group-sub",
    "CI_PROJECT_PATH": "Group/sub/thing",
    "CI_PROJECT_PATH_SLUG": "group-sub-thing",
    "CI_PROJECT_REPOSITORY_LANGUAGES": "",
    "CI_PROJECT_ROOT_NAMESPACE": "Group",
    "CI_PROJECT_TITLE": "thing",
    "CI_PROJECT_TOPICS": "",
    "CI_PROJECT_URL": "https://gitlab.com/Group/sub/thing",
    "CI_PROJECT_VISIBILITY": "private",
    "CI_REGISTRY": "registry.gitlab.com",
    "CI_REGISTRY_IMAGE": "registry.gitlab.com/group/sub/thing",
    "CI_SERVER_FQDN": "gitlab.com",
    "CI_SERVER_HOST": "gitlab.com",
    "CI_SERVER_NAME": "GitLab",
    "CI_SERVER_PORT": "443",
    "CI_SERVER_PROTOCOL": "https",
    "CI_SERVER_REVISION": "homeport",
    "CI_SERVER_SHELL_SSH_HOST": "gitlab.com",
    "CI_SERVER_SHELL_SSH_PORT": "22",
    "CI_SERVER_URL": "https://gitlab.com",
    "CI_SERVER_VERSION": "19.0.0",
    "CI_SERVER_VERSION_MAJOR": "19",
    "CI_SERVER_VERSION_MINOR": "0",
    "CI_SERVER_VERSION_PATCH": "0",
    "CI_TEMPLATE_REGISTRY_HOST": "registry.gitlab.com",
}


def test_a_push_of_a_branch() -> None:
    assert pipeline_variables(TRIGGER) == PIPELINE


@pytest.mark.parametrize(
    ("change", "differences"),
    [
        (
            {"branch": None, "tag": "v1.0", "tag_message": "One"},
            {
                "CI_COMMIT_BRANCH": None,
                "CI_COMMIT_TAG": "v1.0",
                "CI_COMMIT_TAG_MESSAGE": "One",
                "CI_COMMIT_REF_NAME": "v1.0",
                "CI_COMMIT_REF_SLUG": "v1-0",
                "CI_CONFIG_REF_URI": "gitlab.com/Group/sub/thing//.gitlab-ci.yml@refs/tags/v1.0",
            },
        ),
        (
            {"branch": None},
            {
                "CI_COMMIT_BRANCH": None,
                "CI_COMMIT_REF_NAME": "343d0e27",
                "CI_COMMIT_REF_SLUG": "343d0e27",
                "CI_CONFIG_REF_URI": None,
            },
        ),
        (
            {"branch": "main"},
            {
                "CI_COMMIT_BRANCH": "main",
                "CI_COMMIT_REF_NAME": "main",
                "CI_COMMIT_REF_SLUG": "main",
                "CI_COMMIT_REF_PROTECTED": "true",
                "CI_CONFIG_REF_URI": "gitlab.com/Group/sub/thing//.gitlab-ci.yml@refs/heads/main",
            },
        ),
        (
            {"commit": None},
            {name: None for name in PIPELINE if name.startswith("CI_COMMIT_")},
        ),
        (
            {"source": Source.TRIGGER},
            {"CI_PIPELINE_SOURCE": "trigger"},
        ),
        (
            {"open_merge_request": 5},
            {"CI_OPEN_MERGE_REQUESTS": "Group/sub/thing!5"},
        ),
        (
            {"source": Source.SCHEDULE, "schedule_description": "nightly"},
            {"CI_PIPELINE_SOURCE": "schedule", "CI_PIPELINE_SCHEDULE_DESCRIPTION": "nightly"},
        ),
        (
            {"project": Project(host="git.corp:8443", path="a/b", ssh_port=2222)},
            {
                "CI_API_GRAPHQL_URL": "https://git.corp:8443/api/graphql",
                "CI_API_V4_URL": "https://git.corp:8443/api/v4",
                "CI_CONFIG_REF_URI": (
                    "git.corp:8443/a/b//.gitlab-ci.yml@refs/heads/Feature/Big_Thing"
                ),
                "CI_DEPENDENCY_PROXY_DIRECT_GROUP_IMAGE_PREFIX": (
                    "git.corp:8443/a/dependency_proxy/containers"
                ),
                "CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX": (
                    "git.corp:8443/a/dependency_proxy/containers"
                ),
                "CI_DEPENDENCY_PROXY_SERVER": "git.corp:8443",
                "CI_PAGES_DOMAIN": "pages.git.corp",
                "CI_PROJECT_NAME": "b",
                "CI_PROJECT_NAMESPACE": "a",
                "CI_PROJECT_NAMESPACE_SLUG": "a",
                "CI_PROJECT_PATH": "a/b",
                "CI_PROJECT_PATH_SLUG": "a-b",
                "CI_PROJECT_ROOT_NAMESPACE": "a",
                "CI_PROJECT_TITLE": "b",
                "CI_PROJECT_URL": "https://git.corp:8443/a/b",
                "CI_REGISTRY": "registry.git.corp",
                "CI_REGISTRY_IMAGE": "registry.git.corp/a/b",
                "CI_SERVER_FQDN": "git.corp:8443",
                "CI_SERVER_HOST": "git.corp",
                "CI_SERVER_PORT": "8443",
                "CI_SERVER_SHELL_SSH_HOST": "git.corp",
                "CI_SERVER_SHELL_SSH_PORT": "2222",
                "CI_SERVER_URL": "https://git.corp:8443",
            },
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_other_triggers_change(
    change: dict[str, Any], differences: dict[str, str | None]
) -> None:
    wanted = {k: v for k, v in (PIPELINE | differences).items() if v is not None}
    assert pipeline_variables(structs.replace(TRIGGER, **change)) == wanted


@pytest.mark.parametrize(
    ("change", "users"),
    [
        (
            {},
            {
                "GITLAB_USER_ID": "1",
                "GITLAB_USER_EMAIL": "ann@example.com",
                "GITLAB_USER_LOGIN": "ann",
                "GITLAB_USER_NAME": "Ann Example",
            },
        ),
        ({"user_name": "", "user_email": ""}, {}),
    ],
)
def test_who_started_it(change: dict[str, Any], users: dict[str, str]) -> None:
    assert seed_variables(structs.replace(TRIGGER, **change)) == users


def test_the_pipeline_s_name_is_there_once_it_is_known() -> None:
    assert pipeline_variables(TRIGGER, pipeline_name="N")["CI_PIPELINE_NAME"] == "N"


def test_a_huge_message_is_cut_as_gitlab_cuts_it() -> None:
    commit = structs.replace(COMMIT, message="T\n" + "é" * 60_000)
    found = pipeline_variables(structs.replace(TRIGGER, commit=commit))
    assert len(found["CI_COMMIT_MESSAGE"].encode()) == 100_000
    assert found["CI_COMMIT_MESSAGE_IS_TRUNCATED"] == "true"
    assert found["CI_COMMIT_TITLE"] == "Add a thing"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Feature/Big_Thing", "feature-big-thing"),
        ("--a--b--", "a--b"),
        ("a" * 62 + "/b", "a" * 62),
        ("ÄÖ x", "x"),
        ("1.2.3", "1-2-3"),
        ("", ""),
        ("test: [a, b]", "test---a--b"),
    ],
)
def test_slug(text: str, wanted: str) -> None:
    assert slug(text) == wanted


JOB = {
    "CI_SERVER": "yes",
    "CI_PIPELINE_ID": "7",
    "CI_PIPELINE_URL": "https://gitlab.com/Group/sub/thing/-/pipelines/7",
    "CI_REPOSITORY_URL": "https://gitlab.com/Group/sub/thing.git",
    "CI_PAGES_HOSTNAME": "group.gitlab.io",
    "CI_PAGES_URL": "https://group.gitlab.io/sub/thing",
    "CI_JOB_ID": "3",
    "CI_JOB_URL": "https://gitlab.com/Group/sub/thing/-/jobs/3",
    "CI_JOB_NAME": "rspec 1/2",
    "CI_JOB_NAME_SLUG": "rspec-1-2",
    "CI_JOB_GROUP_NAME": "rspec",
    "CI_JOB_STAGE": "test",
    "CI_NODE_TOTAL": "1",
    "CI_CONCURRENT_ID": "0",
    "CI_CONCURRENT_PROJECT_ID": "0",
    "CI_RUNNER_ID": "1",
    "CI_RUNNER_DESCRIPTION": "homeport",
    "CI_RUNNER_TAGS": "[]",
    "CI_RUNNER_REVISION": "homeport",
    "CI_SHARED_ENVIRONMENT": "true",
}


@pytest.mark.parametrize(
    ("given", "differences"),
    [
        ({}, {}),
        ({"manual": True}, {"CI_JOB_MANUAL": "true"}),
        ({"node_index": 1, "node_total": 2}, {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "2"}),
        ({"timeout": 3600}, {"CI_JOB_TIMEOUT": "3600"}),
        (
            {"image": "alpine"},
            {
                "CI_JOB_IMAGE": "alpine",
                "CI_DISPOSABLE_ENVIRONMENT": "true",
                "CI_SHARED_ENVIRONMENT": None,
            },
        ),
        (
            {"started_at": "2026-07-31T17:39:09Z", "architecture": "linux/amd64"},
            {
                "CI_JOB_STARTED_AT": "2026-07-31T17:39:09Z",
                "CI_JOB_STARTED_AT_SLUG": "2026-07-31t17-39-09z",
                "CI_RUNNER_EXECUTABLE_ARCH": "linux/amd64",
            },
        ),
        (
            {"project_dir": "/b/g/t", "builds_dir": "/b"},
            {"CI_PROJECT_DIR": "/b/g/t", "CI_BUILDS_DIR": "/b"},
        ),
        (
            {"environment_name": "production"},
            {
                "CI_ENVIRONMENT_ID": "1",
                "CI_ENVIRONMENT_NAME": "production",
                "CI_ENVIRONMENT_SLUG": "production",
                "CI_ENVIRONMENT_ACTION": "start",
                "CI_ENVIRONMENT_TIER": "production",
            },
        ),
        (
            {
                "environment_name": "qa",
                "environment_url": "https://qa.example",
                "environment_action": "stop",
                "environment_tier": "other",
            },
            {
                "CI_ENVIRONMENT_ID": "1",
                "CI_ENVIRONMENT_NAME": "qa",
                "CI_ENVIRONMENT_SLUG": "qa",
                "CI_ENVIRONMENT_ACTION": "stop",
                "CI_ENVIRONMENT_TIER": "other",
                "CI_ENVIRONMENT_URL": "https://qa.example",
            },
        ),
    ],
)
def test_job_variables(given: dict[str, Any], differences: dict[str, str | None]) -> None:
    found = job_variables(TRIGGER, name="rspec 1/2", stage="test", job_id=3, **given)
    assert found.pop("CI_RUNNER_VERSION")
    assert found == {k: v for k, v in (JOB | differences).items() if v is not None}


def test_no_credential_is_made_up() -> None:
    names = {
        *pipeline_variables(TRIGGER),
        *job_variables(TRIGGER, name="a", stage="b", job_id=1, image="c", environment_name="d"),
    }
    assert not [name for name in names if any(w in name for w in ("TOKEN", "PASSWORD", "_USER="))]
    assert not names & {"CI_REGISTRY_USER", "CI_DEPLOY_USER", "CI_DEPENDENCY_PROXY_USER"}


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("rspec 1/5", "rspec"),
        ("rspec: [a, b]", "rspec"),
        ("rspec:test: [ruby, ubuntu]", "rspec:test"),
        ("build 1 2", "build"),
        ("build:1:3", "build"),
        ("plain", "plain"),
        ("v1/2", "v1/2"),
    ],
)
def test_group_name(name: str, group: str) -> None:
    assert group_name(name) == group


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("production", "production"),
        ("foo-", "foo"),
        ("staging-12345678-", "staging-12345678"),
        ("staging-1234567890123456", "staging-1234567890123456"),
        ("staging-12345678901234567", "staging-123456789-s729ne"),
        ("review/1-foo", "review-1-foo-"),
        ("1-foo", "env-1-foo-"),
        ("PRODUCTION", "production-"),
        ("foo**bar", "foo-bar-"),
    ],
)
def test_environment_slug(name: str, wanted: str) -> None:
    found = environment_slug(name)
    if wanted.endswith("-"):
        assert found.startswith(wanted)
        assert len(found) == len(wanted) + 6
    else:
        assert found == wanted


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        ("review/x", "development"),
        ("qa", "testing"),
        ("stage", "staging"),
        ("Live", "production"),
        ("prd", "production"),
        ("blue", "other"),
    ],
)
def test_tier(name: str, tier: str) -> None:
    assert guess_tier(name) == tier
