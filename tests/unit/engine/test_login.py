"""Where the login of a pull comes from, and which one wins."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from homeport.engine.api import Login
from homeport.engine.login import find_login, split_registry


def auth(user: str) -> dict[str, str]:
    return {"auth": b64encode(f"{user}:pw".encode()).decode()}


def config(**auths: Any) -> str:
    return json.dumps({"auths": auths})


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("alpine", ("docker.io", "alpine")),
        ("group/name:1", ("docker.io", "group/name")),
        ("index.docker.io/a/b", ("docker.io", "a/b")),
        ("localhost/a:1", ("localhost", "a")),
        ("Host.example:5000/a/b:1@sha256:00", ("host.example:5000", "a/b")),
    ],
)
def test_split_registry(reference: str, expected: tuple[str, str]) -> None:
    assert split_registry(reference) == expected


def user_of(reference: str, auths: dict[str, Any]) -> str | None:
    found = find_login(
        reference, {"DOCKER_AUTH_CONFIG": json.dumps({"auths": auths})}, {}, pytest.fail
    )
    return None if found is None else found.username


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("r.example/a/b/c", "deep"),
        ("r.example/a/x", "group"),
        ("r.example/ab/x", "host"),
        ("r.example.org/a/b", None),
        ("alpine", "hub"),
        ("r.example:5000/a/b", "port"),
    ],
)
def test_the_key_that_names_most_wins(reference: str, expected: str | None) -> None:
    auths = {
        "https://r.example/v2/": auth("host"),
        "r.example/a": auth("group"),
        "r.example/a/b": auth("deep"),
        "https://index.docker.io/v1/": auth("hub"),
        "r.example:5000": auth("port"),
    }
    assert user_of(reference, auths) == expected


def test_places_in_the_runners_order(tmp_path: Path) -> None:
    folder = tmp_path / ".docker"
    folder.mkdir()
    (folder / "config.json").write_text(config(r=auth("unused"), **{"r.x": auth("file")}))
    job = {
        "DOCKER_AUTH_CONFIG": config(**{"r.x": auth("job")}),
        "CI_REGISTRY": "r.x",
        "CI_REGISTRY_USER": "ci",
        "CI_REGISTRY_PASSWORD": "pw",
    }
    env = {"DOCKER_AUTH_CONFIG": config(**{"r.x": auth("env")}), "HOME": str(tmp_path)}
    found = []
    while (login := find_login("r.x/a", job, env, pytest.fail)) is not None:
        found.append(login.username)
        if login.username == "job":
            del job["DOCKER_AUTH_CONFIG"]
        elif login.username == "env":
            del env["DOCKER_AUTH_CONFIG"]
        elif login.username == "file":
            del env["HOME"]
        else:
            job.clear()
    assert found == ["job", "env", "file", "ci"]


def test_an_identity_token() -> None:
    auths = {"r.x": {"identitytoken": "token"}}
    found = find_login("r.x/a", {"DOCKER_AUTH_CONFIG": json.dumps({"auths": auths})}, {}, print)
    assert found is not None
    assert (found.server, found.username, found.identity_token) == ("r.x", "", "token")


@pytest.mark.parametrize(
    "content",
    [
        '{"auths": {"r.x": {"auth": "s3cret-not-base64!"}}}',
        '{"auths": s3cret',
        '{"credsStore": "../s3cret"}',
        '{"credsStore": "absent-helper"}',
        "[" * 100_000,
    ],
)
def test_what_cannot_be_used_is_told_without_its_content(content: str, tmp_path: Path) -> None:
    told: list[str] = []
    job = {"DOCKER_AUTH_CONFIG": content}
    assert find_login("r.x/a", job, {"PATH": str(tmp_path)}, told.append) is None
    assert len(told) == 1
    assert "s3cret" not in told[0]


@pytest.mark.parametrize("content", ["[]", "null", '{"auths": []}', '{"auths": {"r.x": 5}}', "5"])
def test_odd_files_hold_no_login(content: str) -> None:
    assert find_login("r.x/a", {"DOCKER_AUTH_CONFIG": content}, {}, pytest.fail) is None


def test_a_login_does_not_show_its_secret() -> None:
    word = "hush"
    assert word not in repr(Login(server="r", password=word, identity_token=word))
