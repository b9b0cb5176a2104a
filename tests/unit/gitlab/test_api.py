"""The calls of GitLab's API: what is asked, and what becomes of the answers."""

from collections.abc import Mapping
from typing import Any

import pytest

from homeport.errors import MissingError
from homeport.gitlab.api import (
    GitLab,
    Lint,
    ServerJob,
    ServerVariable,
    Tag,
    api_address,
)
from homeport.gitlab.fetch import Fetcher
from homeport.gitlab.host import Host
from testbed.gitlab import FakeGitLab, fake_gitlab
from testbed.web import Answer, as_json

ALONE = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": "/nowhere"}


def client(fake: FakeGitLab, env: Mapping[str, str] | None = None) -> GitLab:
    fetcher = Fetcher(hosts={}, ca=None, env={**ALONE, **(env or {})}, named=[fake.host])
    return GitLab(f"{fake.url}/api/v4", fetcher, timeout=5)


def test_where_the_api_is() -> None:
    hosts = {"gitlab.corp": Host(api_url="https://x.corp/gitlab/api/v4"), "b": Host()}
    assert api_address("GitLab.corp", hosts) == "https://x.corp/gitlab/api/v4"
    assert api_address("b", hosts) == "https://b/api/v4"
    assert api_address("c:81", hosts, scheme="http") == "http://c:81/api/v4"


def test_a_file_of_a_repository() -> None:
    path = "/projects/group/sub/app/repository/files/ci/a b.yml/raw"
    with fake_gitlab({path: b"\xffraw"}, token="t") as fake:  # noqa: S106 - a test's
        api = client(fake, {"GITLAB_TOKEN": "t"})
        assert api.raw_file("group/sub/app", "ci/a b.yml", "v1/x", limit=10) == b"\xffraw"
    [asked] = fake.server.asked
    assert asked.path == ("/api/v4/projects/group%2Fsub%2Fapp/repository/files/ci%2Fa%20b.yml/raw")
    assert asked.query == {"ref": "v1/x"}


def test_lists_are_read_page_by_page() -> None:
    blobs = [{"path": f"f{n}", "type": "blob"} for n in range(3)]
    answers: dict[str, Any] = {
        "/projects/g/a/repository/tree": [*blobs, {"path": "d", "type": "tree"}],
        "/projects/g/a/repository/tags": [{"name": "v1", "commit": {"id": "a" * 40}}] * 3,
        "/projects/g/a/releases": [{"tag_name": "v2"}, {"tag_name": "v1"}],
        "/projects/g/a/repository/commits/main": {"id": "b" * 40},
        "/templates/gitlab_ci_ymls/Jobs/Build": {"name": "Build", "content": "build: {}"},
    }
    with fake_gitlab(answers) as fake:
        api = client(fake)
        assert api.tree("g/a", "main") == ("f0", "f1", "f2")
        assert api.tags("g/a") == (Tag(name="v1", sha="a" * 40),) * 3
        assert api.releases("g/a") == ("v2", "v1")
        assert api.commit("g/a", "main") == "b" * 40
        assert api.template("Jobs/Build") == "build: {}"


def test_lint_of_a_content() -> None:
    answer = {
        "valid": True,
        "errors": [],
        "warnings": ["careful"],
        "merged_yaml": "---\na: 1\n",
        "jobs": [
            {
                "name": "a",
                "stage": "test",
                "when": "manual",
                "allow_failure": True,
                "needs": [{"name": "b", "artifacts": True}],
            },
            {"name": "b", "stage": "build", "when": "on_success", "allow_failure": False},
        ],
    }
    with fake_gitlab({"/projects/g/a/ci/lint": answer}) as fake:
        found = client(fake).lint("g/a", "a: 1", dry_run=True, ref="main")
        client(fake).lint_stored("g/a", ref="main")
    assert found == Lint(
        valid=True,
        errors=(),
        warnings=("careful",),
        merged_yaml="---\na: 1\n",
        jobs=(
            ServerJob(name="a", stage="test", when="manual", allow_failure=True, needs=("b",)),
            ServerJob(name="b", stage="build", when="on_success", allow_failure=False),
        ),
    )
    assert fake.questions() == [
        {"content": "a: 1", "dry_run": True, "include_jobs": True, "ref": "main"}
    ]
    assert fake.asked() == ["POST /api/v4/projects/g/a/ci/lint", "GET /api/v4/projects/g/a/ci/lint"]


def test_variables() -> None:
    entries = [
        {"key": "A", "value": "1", "variable_type": "env_var"},
        {"key": "F", "value": "x", "variable_type": "file", "environment_scope": "prod/*"},
        {"key": "M", "value": "y", "masked": True, "protected": True, "raw": True},
        {"key": "H", "value": None, "hidden": True},
    ]
    plain = ServerVariable(
        key="A", value="1", raw=False, masked=False, protected=False, file=False, scope="*"
    )
    answers = {"/projects/g/a/variables": entries, "/groups/g/variables": entries[:1]}
    with fake_gitlab(answers) as fake:
        found = client(fake).project_variables("g/a")
        assert client(fake).group_variables("g") == (plain,)
    assert found[0] == plain
    assert (found[1].file, found[1].scope) == (True, "prod/*")
    assert (found[2].masked, found[2].protected, found[2].raw) == (True, True, True)
    assert (found[3].value, found[3].masked) == (None, True)


STRANGE: dict[str, Any] = {
    "no JSON": b"<html>",
    "broken UTF-8": b'"\xff"',
    "deep": b"[" * 100_000,
    "a list of words": ["x"],
    "no list": {"a": 1},
    "no names": [{"x": 1}],
    "a page that is none": as_json([], X_Next_Page="https://evil.test/"),
}


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE)
def test_what_is_no_gitlab_is_told(answer: Any) -> None:
    with (
        fake_gitlab({"/projects/g/a/repository/tags": answer}) as fake,
        pytest.raises(MissingError, match="this is not how GitLab answers"),
    ):
        client(fake).tags("g/a")


def test_a_list_without_an_end_is_left() -> None:
    with (
        fake_gitlab({"/projects/g/a/repository/tags": as_json([], X_Next_Page="2")}) as fake,
        pytest.raises(MissingError, match="the tags of g/a: there are more than 20000"),
    ):
        client(fake).tags("g/a")


def test_a_refusal_names_what_was_asked_for() -> None:
    with fake_gitlab({}, token="t") as fake:  # noqa: S106 - a test's
        with pytest.raises(MissingError) as unknown:
            client(fake).project_variables("g/a")
        with pytest.raises(MissingError) as wrong:
            client(fake, {"GITLAB_TOKEN": "old"}).project_variables("g/a")
    what = f"the variables of g/a on {fake.host}"
    assert str(unknown.value) == f"{what}: not found (status 404): 404 Not Found"
    assert f"GITLAB_HOST={fake.host}" in (unknown.value.problems[0].hint or "")
    assert str(wrong.value) == (
        f"{what}: the credential is not accepted (status 401): 401 Unauthorized"
    )


def test_a_redirect_of_the_api_is_not_an_answer() -> None:
    with (
        fake_gitlab({"/projects/g/a/repository/tags": Answer(304)}) as fake,
        pytest.raises(MissingError, match="the request is refused"),
    ):
        client(fake).tags("g/a")
