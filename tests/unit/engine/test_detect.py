import json
import socket
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from homeport.engine.detect import Unavailable, candidates, detect
from homeport.errors import ExitCode


def found(env: dict[str, str], address: str | None = None) -> list[tuple[str, str]]:
    return [(found.source, found.address) for found in candidates(env, address)]


DEFAULTS = [
    ("Docker", "unix:///var/run/docker.sock"),
    ("rootless Docker", "unix:///r/docker.sock"),
    ("rootless Podman", "unix:///r/podman/podman.sock"),
    ("Podman", "unix:///run/podman/podman.sock"),
]


def test_the_usual_sockets_in_order() -> None:
    assert found({"XDG_RUNTIME_DIR": "/r"}) == DEFAULTS


@pytest.mark.parametrize(
    ("env", "address", "expected"),
    [
        ({"DOCKER_HOST": "tcp://a"}, None, ("DOCKER_HOST", "tcp://a")),
        ({"CONTAINER_HOST": "unix:///b"}, None, ("CONTAINER_HOST", "unix:///b")),
        (
            {"DOCKER_HOST": "tcp://a", "CONTAINER_HOST": "unix:///b"},
            None,
            ("DOCKER_HOST", "tcp://a"),
        ),
        ({"DOCKER_HOST": "tcp://a"}, "unix:///mine", ("settings", "unix:///mine")),
    ],
)
def test_a_decision_leaves_no_other_place(
    env: dict[str, str], address: str | None, expected: tuple[str, str]
) -> None:
    assert found({"XDG_RUNTIME_DIR": "/r", **env}, address) == [expected]


def test_certificates_of_the_environment() -> None:
    env = {"DOCKER_HOST": "tcp://a", "DOCKER_TLS_VERIFY": "1", "HOME": "/h"}
    assert candidates(env)[0].certificates == "/h/.docker"
    assert candidates({**env, "DOCKER_CERT_PATH": "/c"})[0].certificates == "/c"
    assert candidates({"DOCKER_HOST": "tcp://a", "HOME": "/h"})[0].certificates is None


@pytest.fixture
def docker_config(tmp_path: Path) -> Path:
    folder = tmp_path / ".docker"
    key = sha256(b"remote").hexdigest()
    (folder / "contexts/meta" / key).mkdir(parents=True)
    (folder / "contexts/tls" / key / "docker").mkdir(parents=True)
    meta = {"Name": "remote", "Endpoints": {"docker": {"Host": "tcp://remote:1"}}}
    (folder / "contexts/meta" / key / "meta.json").write_text(json.dumps(meta))
    (folder / "config.json").write_text('{"currentContext": "remote"}')
    return folder


def test_the_docker_context_comes_first(docker_config: Path) -> None:
    env = {"HOME": str(docker_config.parent), "XDG_RUNTIME_DIR": "/r"}
    first, *rest = candidates(env)
    assert (first.source, first.address) == ("docker context remote", "tcp://remote:1")
    assert first.certificates == str(
        docker_config / "contexts/tls" / sha256(b"remote").hexdigest() / "docker"
    )
    assert [(place.source, place.address) for place in rest] == DEFAULTS
    assert found({**env, "DOCKER_CONTEXT": "default"}) == DEFAULTS
    assert found({**env, "DOCKER_CONTEXT": "unknown"}) == DEFAULTS


@pytest.mark.parametrize("text", ["", "{", "[]", '{"currentContext": 7}', '{"currentContext": ""}'])
def test_a_broken_docker_configuration_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert found({"DOCKER_CONFIG": str(tmp_path), "XDG_RUNTIME_DIR": "/r"}) == DEFAULTS


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    server.listen()
    yield server
    server.close()


def reason(env: dict[str, str]) -> str:
    result = detect(env)
    assert isinstance(result, Unavailable)
    error = result.error()
    assert error.exit_code is ExitCode.ENVIRONMENT
    return str(error)


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/none"
    told = reason({"DOCKER_HOST": address})
    assert f"{address} (DOCKER_HOST)" in told
    assert "there is no such socket" in told


def test_a_socket_that_nobody_serves(tmp_path: Path, listening: socket.socket) -> None:
    listening.close()
    assert "nothing listens there" in reason({"DOCKER_HOST": f"unix://{tmp_path}/socket"})


@pytest.mark.usefixtures("listening")
def test_a_socket_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeport.engine.detect._PATIENCE", 0.2)
    assert "no answer in time" in reason({"DOCKER_HOST": f"unix://{tmp_path}/socket"})


def answer_once(server: socket.socket, answer: bytes) -> None:
    def serve() -> None:
        peer, _ = server.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nApi-Version: 1.24\r\nContent-Length: 2\r\n\r\nOK", "1.24, too old"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", "version unknown, too old"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\ngo off", "go off"),
        (b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP"),
        (b"", "hung up"),
    ],
)
def test_what_answers_is_no_engine(
    tmp_path: Path, listening: socket.socket, answer: bytes, words: str
) -> None:
    answer_once(listening, answer)
    assert words in reason({"DOCKER_HOST": f"unix://{tmp_path}/socket"})


@pytest.mark.parametrize(
    ("offered", "prefix"), [("1.41", "/v1.41"), ("1.44", "/v1.44"), ("1.99", "/v1.47")]
)
def test_the_version_is_the_lower_of_both(
    tmp_path: Path, listening: socket.socket, offered: str, prefix: str
) -> None:
    answer = f"HTTP/1.1 200 OK\r\nApi-Version: {offered}\r\nContent-Length: 0\r\n\r\n"
    answer_once(listening, answer.encode())
    engine = detect({"DOCKER_HOST": f"unix://{tmp_path}/socket"})
    assert not isinstance(engine, Unavailable)
    assert engine._client.prefix == prefix  # type: ignore[attr-defined]
