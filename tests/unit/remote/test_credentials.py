"""Logins from files, the environment and helper programs."""

import asyncio
import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from homeport.remote.credentials import (
    Credentials,
    CredentialsError,
    DockerConfig,
    Helper,
    Source,
    Static,
)
from homeport.remote.helper import HelperError, ask_helper
from homeport.remote.login import Kind, Login


def find(source: Source) -> Login | None:
    return asyncio.run(source.find())  # type: ignore[arg-type]


def test_password_of_a_file_and_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("päss word\n")
    expected = Login(username="user", secret="päss word")  # noqa: S106
    assert find(Static("user", file=str(tmp_path / "password"), env={})) == expected
    assert find(Static("user", variable="P", env={"P": "päss word"})) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no password in"),
        (b"\n", "no password in"),
        (b"hidden\xff", "is not text"),
        (b"hidden\nX-Evil: 1", "control characters"),
        (b"hidden" * 200_000, "too large"),
        (None, "cannot be read: No such file"),
    ],
)
def test_password_file_that_cannot_be_used(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CredentialsError, match=words) as caught:
        find(Static("user", file=str(path), env={}))
    assert str(path) in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_variable_that_is_not_set() -> None:
    with pytest.raises(CredentialsError, match="no password in P"):
        find(Static("user", variable="P", env={}))


def config(tmp_path: Path, value: Any) -> str:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(value))
    return str(path)


def auth(text: str) -> dict[str, str]:
    return {"auth": b64encode(text.encode()).decode()}


@pytest.mark.parametrize("authority", ["docker.io", "index.docker.io", "registry-1.docker.io"])
@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"]
)
def test_docker_hub_has_many_names(tmp_path: Path, authority: str, key: str) -> None:
    path = config(tmp_path, {"auths": {key: auth("u:p:q")}})
    assert find(DockerConfig(path, authority, env={})) == Login(username="u", secret="p:q")  # noqa: S106


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (auth("u:p"), Login(username="u", secret="p")),  # noqa: S106
        ({"username": "u", "password": "p"}, Login(username="u", secret="p")),  # noqa: S106
        (auth("<token>:t"), Login(kind=Kind.IDENTITY, secret="t")),  # noqa: S106
        ({**auth("u:p"), "identitytoken": "t"}, Login(kind=Kind.IDENTITY, secret="t")),  # noqa: S106
        ({"registrytoken": "t"}, Login(kind=Kind.BEARER, secret="t")),  # noqa: S106
        ({}, None),
    ],
)
def test_entries(tmp_path: Path, entry: dict[str, str], expected: Login | None) -> None:
    path = config(tmp_path, {"auths": {"https://h:5000/v2/": entry}})
    assert find(DockerConfig(path, "h:5000", env={})) == expected
    assert find(DockerConfig(path, "h", env={})) is None
    assert find(DockerConfig(path, "h:5001", env={})) is None


def test_longest_path_wins(tmp_path: Path) -> None:
    entries = {"h": auth("host:1"), "h/a": auth("a:1"), "h/a/b": auth("b:1"), "h/ab": auth("x:1")}
    path = config(tmp_path, {"auths": entries})
    for prefix, user in (("", "host"), ("a/", "a"), ("a/b/c/", "b"), ("abc/", "host")):
        login = find(DockerConfig(path, "h", prefix=prefix, env={}))
        assert login is not None
        assert login.username == user


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"auths": []}', '{"auths": {"h": {"auth": "%%hidden"}}}', '{"auths":' * 20_000],
)
def test_broken_config(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(CredentialsError, match=r"config\.json") as caught:
        find(DockerConfig(str(path), "h", env={}))
    assert "hidden" not in str(caught.value)


def helper(tmp_path: Path, script: str, name: str = "docker-credential-test") -> dict[str, str]:
    path = tmp_path / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


ANSWER = """read server; test "$1" = get || exit 3; test $# = 1 || exit 4
echo "{\\"ServerURL\\":\\"$server\\",\\"Username\\":\\"u@$server\\",\\"Secret\\":\\"s\\"}" """


@pytest.mark.parametrize(
    ("settings", "authority", "username"),
    [
        ({"credHelpers": {"h:5000": "test"}}, "h:5000", "u@h:5000"),
        ({"credsStore": "test", "auths": {"h": {}}}, "h", "u@h"),
        ({"credsStore": "test"}, "h", "u@h"),
        ({"credsStore": "none", "credHelpers": {"h": "test"}}, "h", "u@h"),
        ({"credsStore": "test"}, "registry-1.docker.io", "u@https://index.docker.io/v1/"),
    ],
)
def test_helpers_of_the_config(
    tmp_path: Path, settings: dict[str, Any], authority: str, username: str
) -> None:
    env = helper(
        tmp_path,
        ANSWER.replace("u@$server", "$server").replace(
            '\\"$server\\",\\"Secret', '\\"u@$server\\",\\"Secret'
        ),
    )
    path = config(tmp_path, settings)
    if ":" in username:
        with pytest.raises(CredentialsError, match="did not answer with a login"):
            find(DockerConfig(path, authority, env=env))  # a user cannot hold a colon
        return
    assert find(DockerConfig(path, authority, env=env)) == Login(username=username, secret="s")  # noqa: S106


def test_helper_by_its_path(tmp_path: Path) -> None:
    env = helper(tmp_path, 'echo \'{"Username":"<token>","Secret":"t"}\'', "anything")
    expected = Login(kind=Kind.IDENTITY, secret="t")  # noqa: S106
    assert find(Helper(str(tmp_path / "anything"), "h", env=env)) == expected


def test_helper_that_knows_nothing(tmp_path: Path) -> None:
    env = helper(tmp_path, "echo credentials not found in native keychain; exit 1")
    assert find(Helper("test", "h", env=env)) is None


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo hidden; exit 1", "failed with status 1"),
        ("echo hidden", "did not answer with a login"),
        ("cat /dev/zero", "answered too much"),
    ],
)
def test_helper_that_fails(tmp_path: Path, script: str, words: str) -> None:
    env = helper(tmp_path, script)
    with pytest.raises(CredentialsError, match=words) as caught:
        find(Helper("test", "h", env=env))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent", "../test", "a b", "", "-x", "/nonexistent/x"])
def test_helper_that_is_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(CredentialsError):
        find(Helper(name, "h", env={"PATH": str(tmp_path)}))


def test_helper_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    env = helper(tmp_path, f"sleep 300 & echo $! > {tmp_path}/child; wait")

    async def scenario() -> None:
        with pytest.raises(HelperError, match=r"did not answer in 0\.5 seconds"):
            await ask_helper("test", "h", env=env, seconds=0.5)
        child = int((tmp_path / "child").read_text())
        for _ in range(100):
            state = Path(f"/proc/{child}/stat")
            if not state.exists() or state.read_text().split()[2] in "ZX":
                return
            await asyncio.sleep(0.01)
        pytest.fail("the child lives")

    asyncio.run(scenario())


def test_login_is_kept_for_a_while_and_read_once() -> None:
    class Counting:
        def __init__(self) -> None:
            self.count = 0

        async def find(self) -> Login | None:
            self.count += 1
            await asyncio.sleep(0)
            return Login(username="u", secret=str(self.count))

    async def scenario() -> None:
        now = [0.0]
        source = Counting()
        credentials = Credentials(source, clock=lambda: now[0])
        found = await asyncio.gather(*(credentials.find() for _ in range(5)))
        assert source.count == 1
        assert len(set(found)) == 1
        now[0] = 301.0
        assert await credentials.find() == Login(username="u", secret="2")  # noqa: S106
        credentials.forget()
        assert await credentials.find() == Login(username="u", secret="3")  # noqa: S106

    asyncio.run(scenario())
