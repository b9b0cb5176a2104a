"""What the adapter makes of an engine's answers, broken ones among them."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from homeport.engine.address import parse_address
from homeport.engine.api import ContainerSpec, EngineError
from homeport.engine.docker import DockerEngine, connect, split_reference
from homeport.engine.http import Client
from homeport.engine.options import ContainerOptions

Answers = Callable[..., DockerEngine]


class Peer:
    """Answers one request a connection with the given bytes; keeps what was asked."""

    def __init__(self, path: Path, answers: tuple[bytes, ...]) -> None:
        self.requests: list[bytes] = []
        self._answers = answers
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for answer in self._answers:
            peer, _ = self.socket.accept()
            with peer:
                self.requests.append(_request(peer))
                peer.sendall(answer)

    def body(self) -> Any:
        return json.loads(self.requests[-1].partition(b"\r\n\r\n")[2])


def _request(peer: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += peer.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), 0
    )
    while len(body) < length:
        body += peer.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Callable[..., tuple[DockerEngine, Peer]]]:
    made: list[Peer] = []

    def make(*answers: bytes) -> tuple[DockerEngine, Peer]:
        ping = reply(b"", extra=b"Api-Version: 1.41\r\n")
        made.append(Peer(tmp_path / "socket", (ping, *answers)))
        return connect(f"unix://{tmp_path}/socket"), made[0]

    yield make
    for one in made:
        one.socket.close()


def reply(body: bytes, status: bytes = b"200 OK", extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, extra, len(body), body)


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + end


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("alpine", ("alpine", "latest")),
        ("alpine:3.20", ("alpine", "3.20")),
        ("host:5000/a/b", ("host:5000/a/b", "latest")),
        ("host:5000/a/b:1", ("host:5000/a/b", "1")),
        ("alpine@sha256:ab", ("alpine", "sha256:ab")),
        ("host:5000/a:1@sha256:ab", ("host:5000/a:1", "sha256:ab")),
    ],
)
def test_references(reference: str, expected: tuple[str, str]) -> None:
    assert split_reference(reference) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {"AttachStdin": False, "OpenStdin": False, "Env": [], "Labels": {}}),
        ({"entrypoint": ()}, {"Entrypoint": [""]}),
        ({"entrypoint": ("a", "b")}, {"Entrypoint": ["a", "b"]}),
        ({"command": ()}, {"Cmd": []}),
        ({"env": {"A": "b=c\nd"}}, {"Env": ["A=b=c\nd"]}),
        ({"stdin": True}, {"OpenStdin": True, "StdinOnce": True, "AttachStdin": True}),
        ({"user": "1:2", "working_dir": "/w"}, {"User": "1:2", "WorkingDir": "/w"}),
        (
            {
                "options": ContainerOptions(
                    privileged=True, volumes=("/a:/b:ro",), devices=("/dev/x", "/dev/y:/z:r")
                )
            },
            {
                "HostConfig": {
                    "Privileged": True,
                    "Binds": ["/a:/b:ro"],
                    "Devices": [
                        {
                            "PathOnHost": "/dev/x",
                            "PathInContainer": "/dev/x",
                            "CgroupPermissions": "rwm",
                        },
                        {
                            "PathOnHost": "/dev/y",
                            "PathInContainer": "/z",
                            "CgroupPermissions": "r",
                        },
                    ],
                }
            },
        ),
        (
            {
                "options": ContainerOptions(
                    memory=64 * 1024 * 1024,
                    cpus=1.5,
                    shm_size=1024,
                    ulimits=("nofile=5:10", "core=-1"),
                    extra_hosts=("db:10.0.0.1",),
                    userns="host",
                    gpus="all",
                    mac_address="02:42:ac:11:00:02",
                ),
                "hosts": {"a": "10.0.0.2"},
            },
            {
                "MacAddress": "02:42:ac:11:00:02",
                "HostConfig": {
                    "Memory": 67108864,
                    "NanoCpus": 1500000000,
                    "ShmSize": 1024,
                    "Ulimits": [
                        {"Name": "nofile", "Soft": 5, "Hard": 10},
                        {"Name": "core", "Soft": -1, "Hard": -1},
                    ],
                    "ExtraHosts": ["a:10.0.0.2", "db:10.0.0.1"],
                    "UsernsMode": "host",
                    "DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}],
                },
            },
        ),
        (
            {"options": ContainerOptions(gpus="device=0,GPU-1")},
            {
                "HostConfig": {
                    "DeviceRequests": [
                        {"Driver": "", "DeviceIDs": ["0", "GPU-1"], "Capabilities": [["gpu"]]}
                    ]
                }
            },
        ),
        (
            {"options": ContainerOptions(gpus="2"), "network": "host"},
            {
                "HostConfig": {
                    "NetworkMode": "host",
                    "DeviceRequests": [{"Driver": "", "Count": 2, "Capabilities": [["gpu"]]}],
                }
            },
        ),
    ],
)
def test_a_container_is_asked_for(
    peer: Callable[..., tuple[DockerEngine, Peer]],
    spec: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    engine, server = peer(reply(b'{"Id": "abc"}', b"201 Created"))
    assert engine.create(ContainerSpec(image="i", name="n", **spec)) == "abc"
    assert server.requests[-1].startswith(b"POST /v1.41/containers/create?name=n HTTP/1.1\r\n")
    body = server.body()
    assert {key: body.get(key) for key in expected} == expected
    optional = {"Entrypoint", "Cmd", "User", "WorkingDir", "HostConfig", "MacAddress"}
    assert optional & set(body) == optional & set(expected)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(b'{"message": "no such image\\n"}', b"404 Not Found"), "no such image"),
        (reply(b'{"cause": "x", "message": "podman says"}', b"500 Oh"), "podman says"),
        (reply(b"plain words\n", b"500 Oh"), "plain words"),
        (reply(b"", b"502 Bad Gateway"), "status 502"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", "ended an answer in the middle"),
        (reply(b"[]"), "no id"),
        (b"no http at all\r\n\r\n", "does not speak HTTP"),
        (b"", "hung up in the middle"),
    ],
)
def test_refusals_in_the_engines_own_words(
    peer: Callable[..., tuple[DockerEngine, Peer]], answer: bytes, words: str
) -> None:
    engine, _ = peer(answer)
    with pytest.raises(EngineError, match=words):
        engine.create(ContainerSpec(image="i", name="n", env={"SECRET": "hidden"}))


def test_a_pull_tells_what_it_got(peer: Callable[..., tuple[DockerEngine, Peer]]) -> None:
    lines = [
        {"status": "Pulling from x", "id": "1"},
        {"status": "Downloading", "id": "aa", "progressDetail": {"current": 1}},
        {"status": "Downloading", "id": "aa", "progressDetail": {"current": 2}},
        {"status": "Done", "id": "aa"},
        {"status": "Digest: sha256:1"},
    ]
    text = b"\r\n".join(json.dumps(line).encode() for line in lines)
    engine, server = peer(chunked(text[:30], text[30:31], text[31:]))
    told: list[str] = []
    engine.pull("host:5000/a/b:1", "linux/arm64", told.append)
    assert told == ["1: Pulling from x", "Digest: sha256:1"]
    assert b"fromImage=host%3A5000%2Fa%2Fb&tag=1&platform=linux%2Farm64 " in server.requests[-1]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            chunked(b'{"status":"x"}\n', b'{"errorDetail":{"message":"denied"},"error":"e"}\n'),
            "denied",
        ),
        (chunked(b'{"error": "only this"}'), "only this"),
        (chunked(b'{"status":"x"}\n', end=b""), "hung up in the middle"),
        (chunked(b'{"status":"x"}\n', end=b"40\r\n{"), "hung up in the middle"),
        (chunked(b"x" * (1024 * 1024 + 1)), "line without an end"),
    ],
)
def test_a_pull_that_fails(
    peer: Callable[..., tuple[DockerEngine, Peer]], answer: bytes, words: str
) -> None:
    engine, _ = peer(answer)
    with pytest.raises(EngineError, match=words):
        engine.pull("x", None, lambda _: None)


UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def test_output_comes_out_of_its_frames(
    peer: Callable[..., tuple[DockerEngine, Peer]],
) -> None:
    data = frame(1, b"out\n") + frame(2, b"err\n") + frame(1, b"") + frame(1, b"\x00\xff" * 300_000)
    engine, _ = peer(UPGRADED + data)
    stream = engine.attach("abc")
    got: list[bytes] = []
    stream.read(got.append)
    stream.close()
    assert b"".join(got) == b"out\nerr\n" + b"\x00\xff" * 300_000


@pytest.mark.parametrize("data", [frame(1, b"whole")[:5], frame(1, b"whole")[:-1]])
def test_output_that_is_cut(peer: Callable[..., tuple[DockerEngine, Peer]], data: bytes) -> None:
    engine, _ = peer(UPGRADED + data)
    stream = engine.attach("abc")
    with pytest.raises(EngineError, match="in the middle of the job's output"):
        stream.read(lambda _: None)
    stream.close()


def test_an_archive_that_is_cut(peer: Callable[..., tuple[DockerEngine, Peer]]) -> None:
    engine, _ = peer(chunked(b"data", end=b""))
    chunks = engine.get_archive("abc", "/x")
    assert chunks is not None
    with pytest.raises(EngineError, match="hung up in the middle"):
        list(chunks)


def test_an_engine_that_refuses_an_archive_halfway_says_why(
    peer: Callable[..., tuple[DockerEngine, Peer]],
) -> None:
    engine, _ = peer(reply(b'{"message": "no space left on device"}', b"500 Oh"))
    with pytest.raises(EngineError, match="no space left"):
        engine.put_archive("abc", "/", (bytes(1024 * 1024) for _ in range(50)))


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"StatusCode": 7}', 7),
        (b'{"StatusCode": 0, "Error": null}', 0),
        (b'{"StatusCode": 0, "Error": {"Message": "lost it"}}', "lost it"),
        (b"{}", "exit code is not known"),
        (b"", "exit code is not known"),
    ],
)
def test_exit_codes(
    peer: Callable[..., tuple[DockerEngine, Peer]], body: bytes, outcome: int | str
) -> None:
    engine, _ = peer(reply(body))
    if isinstance(outcome, int):
        assert engine.wait("abc") == outcome
        return
    with pytest.raises(EngineError, match=outcome):
        engine.wait("abc")


def test_podman_has_no_status_for_a_container_that_has_ended(
    peer: Callable[..., tuple[DockerEngine, Peer]],
) -> None:
    ended = reply(b'{"message": "c is in state exited: container state improper"}', b"500 Oh")
    broken = reply(b'{"message": "no runtime"}', b"500 Oh")
    engine, _ = peer(ended, broken)
    engine.kill("abc", "SIGTERM")
    with pytest.raises(EngineError, match="no runtime"):
        engine.kill("abc", "SIGTERM")


def test_an_engine_that_was_silent_is_not_waited_for_as_long_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeport.engine.http.TIMEOUT", 0.5)
    monkeypatch.setattr("homeport.engine.http._SILENT_TIMEOUT", 0.01)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "socket"))
        silent.listen()
        client = Client(parse_address(f"unix://{tmp_path}/socket"))
        took = []
        for _ in range(3):
            begin = time.monotonic()
            with pytest.raises(EngineError, match="no answer in time"):
                client.call("GET", "/x", timeout=0.5)
            took.append(time.monotonic() - begin)
        assert took[0] >= 0.5 > max(took[1:])
        held = [silent.accept()[0] for _ in range(3)]

        def answer() -> None:
            held.append(silent.accept()[0])
            held[-1].sendall(reply(b"{}"))
            held.append(silent.accept()[0])
            time.sleep(0.1)
            held[-1].sendall(reply(b"{}"))

        threading.Thread(target=answer, daemon=True).start()
        monkeypatch.setattr("homeport.engine.http._SILENT_TIMEOUT", 5.0)
        client.call("GET", "/x", timeout=0.5).close()
        monkeypatch.setattr("homeport.engine.http._SILENT_TIMEOUT", 0.01)
        client.call("GET", "/x", timeout=0.5).close()
        for peer in held:
            peer.close()
