"""Which credential a server gets, and which servers get none."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from homeport.errors import MissingError
from homeport.gitlab.address import parse_url
from homeport.gitlab.credentials import Credentials
from homeport.gitlab.fetch import Fetcher
from homeport.gitlab.host import Host
from testbed.web import Answer, Asked, serving

CORP = {
    "gitlab.corp": Host(token_env="CORP", api_url="https://api.corp/api/v4"),  # noqa: S106 - a name
    "listed.corp": Host(),
    "plain.corp": Host(token_env="CORP", api_url="http://plain.corp/api/v4"),  # noqa: S106 - a name
}
TOKENS = {"CORP": "c-token", "GITLAB_TOKEN": "g-token"}
JOB = {"CI_JOB_TOKEN": "j-token", "CI_SERVER_URL": "https://ci.corp:8443"}

CASES: dict[str, tuple[str, Mapping[str, str], Mapping[str, str]]] = {
    "the settings name the variable": (
        "https://gitlab.corp/x",
        TOKENS,
        {"PRIVATE-TOKEN": "c-token"},
    ),
    "the API's own host gets the token, too": (
        "https://api.corp/api/v4/x",
        TOKENS,
        {"PRIVATE-TOKEN": "c-token"},
    ),
    "another port is another server": ("https://gitlab.corp:8443/x", TOKENS, {}),
    "the usual port is the same server": (
        "https://GitLab.corp:443/x",
        TOKENS,
        {"PRIVATE-TOKEN": "c-token"},
    ),
    "a name that only ends alike is another server": ("https://evil-gitlab.corp/", TOKENS, {}),
    "nor a longer one": ("https://gitlab.corp.evil.org/", TOKENS, {}),
    "nor a user that looks like a host": (
        "https://gitlab.corp@evil.org/",
        TOKENS,
        {"Authorization": "Basic Z2l0bGFiLmNvcnA6"},
    ),
    "nothing by http": ("http://gitlab.corp/x", TOKENS, {}),
    "http where the user says so": (
        "http://plain.corp/x",
        TOKENS,
        {"PRIVATE-TOKEN": "c-token"},
    ),
    "GITLAB_TOKEN for gitlab.com": (
        "https://gitlab.com/x",
        TOKENS,
        {"PRIVATE-TOKEN": "g-token"},
    ),
    "GITLAB_TOKEN for GITLAB_HOST": (
        "https://own.corp/x",
        {**TOKENS, "GITLAB_HOST": "own.corp"},
        {"PRIVATE-TOKEN": "g-token"},
    ),
    "GITLAB_HOST may be a URL": (
        "https://own.corp:8443/x",
        {**TOKENS, "GITLAB_HOST": "https://own.corp:8443/"},
        {"PRIVATE-TOKEN": "g-token"},
    ),
    "and then not for gitlab.com": (
        "https://gitlab.com/x",
        {**TOKENS, "GITLAB_HOST": "own.corp"},
        {},
    ),
    "GITLAB_TOKEN for a host that is listed": (
        "https://listed.corp/x",
        TOKENS,
        {"PRIVATE-TOKEN": "g-token"},
    ),
    "GITLAB_TOKEN for a host of the command line": (
        "https://named.corp/x",
        TOKENS,
        {"PRIVATE-TOKEN": "g-token"},
    ),
    "GITLAB_TOKEN not for whom a repository names": ("https://other.corp/x", TOKENS, {}),
    "a job's token for its own server": ("https://ci.corp:8443/x", JOB, {"JOB-TOKEN": "j-token"}),
    "and for no other": ("https://ci.corp/x", JOB, {}),
    "the URL's own password": (
        "https://jane:p%40ss@gitlab.corp/x",
        TOKENS,
        {"Authorization": "Basic amFuZTpwQHNz"},
    ),
    "not by http either": ("http://jane:p@ss@x.corp/", {}, {}),
}


@pytest.mark.parametrize(("url", "env", "expected"), CASES.values(), ids=CASES)
def test_headers(url: str, env: Mapping[str, str], expected: Mapping[str, str]) -> None:
    assert Credentials(CORP, env, named=["named.corp"]).headers(parse_url(url)) == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "https://x.corp/a",
            "set GITLAB_TOKEN and GITLAB_HOST=x.corp, or token_env under [hosts",
        ),
        ("http://x.corp/a", "none is sent by http; use https"),
    ],
)
def test_advice(url: str, words: str) -> None:
    assert Credentials({}, {}).advice(parse_url(url)).startswith(words)


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_token_that_the_settings_name_must_be_there(value: str | None) -> None:
    env = {} if value is None else {"CORP": value}
    with pytest.raises(MissingError, match="CORP is not set"):
        Credentials(CORP, env).headers(parse_url("https://gitlab.corp/"))


@pytest.mark.parametrize("value", ["two words", "two\r\nX-Injected: 1", "p\u00e4ss"])
def test_what_is_no_token_is_not_sent_and_not_shown(value: str) -> None:
    with pytest.raises(MissingError, match="CORP does not hold a token") as caught:
        Credentials(CORP, {"CORP": value}).headers(parse_url("https://gitlab.corp/"))
    assert value not in str(caught.value.problems)


def netrc(folder: Path, text: str) -> Mapping[str, str]:
    path = folder / ".netrc"
    path.write_text(text)
    path.chmod(0o600)
    return {"HOME": str(folder)}


def test_the_netrc_file_gives_a_password_for_its_own_machines_alone(tmp_path: Path) -> None:
    env = netrc(tmp_path, "machine a.corp login jane password p@ss\ndefault login d password d\n")
    basic = {"Authorization": "Basic amFuZTpwQHNz"}
    assert Credentials({}, env).headers(parse_url("https://a.corp:8443/")) == basic
    assert Credentials({}, env).headers(parse_url("https://b.corp/")) == {}
    named = {"NETRC": str(tmp_path / ".netrc"), "HOME": "/nowhere"}
    assert Credentials({}, named).headers(parse_url("https://a.corp/")) == basic
    assert Credentials({}, {"HOME": "/nowhere"}).headers(parse_url("https://a.corp/")) == {}


def test_a_broken_netrc_file_is_told_without_its_content(tmp_path: Path) -> None:
    env = netrc(tmp_path, "machine a.corp\n  hunter2 jane\n")
    with pytest.raises(MissingError, match=r"\.netrc cannot be used: line 2 is mal") as caught:
        Credentials({}, env).headers(parse_url("https://a.corp/"))
    assert "hunter2" not in str(caught.value.problems)


def helper(folder: Path) -> Mapping[str, str]:
    """A user whose git asks a helper; each question is written to `asked`."""
    script = folder / "helper"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = get ] || exit 0\ncat >> {folder}/asked\n'
        "echo username=jane\necho password=from-helper\n"
    )
    script.chmod(0o755)
    config = folder / "gitconfig"
    config.write_text(f"[credential]\n\thelper = {script}\n")
    return {"HOME": str(folder), "GIT_CONFIG_GLOBAL": str(config), "GIT_CONFIG_SYSTEM": "/dev/null"}


def private(asked: Asked) -> Answer:
    return Answer(body=b"in") if "authorization" in asked.headers else Answer(401)


def test_git_helpers_are_asked_once_and_only_after_the_server_asks(tmp_path: Path) -> None:
    env = helper(tmp_path)
    with serving(lambda _: Answer(body=b"public")) as public:
        assert Fetcher(hosts={}, ca=None, env=env).read(public.url(), limit=10) == b"public"
    assert not (tmp_path / "asked").exists()
    with serving(private) as server:
        client = Fetcher(hosts={}, ca=None, env=env)
        assert [client.read(server.url(), limit=10) for _ in range(2)] == [b"in", b"in"]
    assert server.asked[-1].headers["authorization"] == "Basic amFuZTpmcm9tLWhlbHBlcg=="
    assert (tmp_path / "asked").read_text().count(f"host=127.0.0.1:{server.port}") == 1


def test_the_api_gets_what_a_helper_knows_as_a_token(tmp_path: Path) -> None:
    with serving(private) as server:
        client = Fetcher(hosts={}, ca=None, env=helper(tmp_path))
        assert client.get(server.url(), limit=10, api=True).authenticated
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer from-helper"]


def test_a_helper_that_only_the_repository_names_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path)
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    (repository / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (repository / ".git" / "config").write_text(f"[credential]\n\thelper = {tmp_path}/helper\n")
    monkeypatch.chdir(repository)
    env = {"HOME": "/nowhere", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    with serving(private) as server:
        response = Fetcher(hosts={}, ca=None, env=env).get(server.url(), limit=10)
    assert response.status == 401
    assert not (tmp_path / "asked").exists()
