"""What mirrors say of an image, within a bounded time; on loopback."""

import socket
import time

from homeport.engine.mirror_answer import ask_mirrors
from testbed.web import Answer, Asked, as_json, serving

DENIED = {
    "errors": [
        {
            "code": "DENIED",
            "message": "the upstream refuses",
            "detail": {"upstream": "registry-1.docker.io", "remedy": "log the mirror in", "x": 1},
        }
    ]
}


def deny(asked: Asked) -> Answer:
    if asked.path == "/v2/library/alpine/manifests/3.20":
        return as_json(DENIED, 403)
    if asked.path == "/v2/team/app/manifests/sha256:ab":
        return Answer(200, b"{}")
    return Answer(404, b"<html>\x1b[31mno</html>")


def test_the_errors_of_a_mirror() -> None:
    with serving(deny) as server:
        (said,) = ask_mirrors([f"{server.url()}/"], "docker.io/alpine:3.20")
    assert said == (
        f"the mirror {server.url()} says: 403 DENIED: the upstream refuses: registry-1.docker.io: "
        "log the mirror in"
    )
    (asked,) = server.asked
    assert "authorization" not in asked.headers


def test_each_mirror_is_asked_for_the_image_by_its_digest() -> None:
    with serving(deny) as one, serving(deny) as other:
        said = ask_mirrors([one.url(), other.url()], "team/app@sha256:ab")
    assert [line.partition(" says: ")[2][:21] for line in said] == ["200, it has the image"] * 2


def test_what_is_no_registrys_answer_is_its_status_alone() -> None:
    with serving(deny) as server:
        (said,) = ask_mirrors([server.url()], "alpine")
    assert said.endswith("says: 404 Not Found")


def test_other_registries_are_not_asked_for_at_a_mirror_of_docker_hub() -> None:
    with serving(deny) as server:
        assert ask_mirrors([server.url()], "quay.io/a/b") == ()
        assert ask_mirrors([server.url()], "scratch") == ()
        host = server.url().partition("://")[2]
        assert len(ask_mirrors([server.url()], f"{host}/quay.io/a/b:1")) == 1
    assert [asked.path for asked in server.asked] == ["/v2/quay.io/a/b/manifests/1"]


def test_mirrors_that_do_not_answer_cost_the_limit_once() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        socket.create_server(("127.0.0.1", 0)) as e,
    ):
        urls = [f"http://127.0.0.1:{each.getsockname()[1]}" for each in (silent, e)]
        began = time.monotonic()
        said = ask_mirrors(urls, "alpine", limit=0.3)
        assert time.monotonic() - began < 1.0
    assert [line.partition(" says: ")[2] for line in said] == ["nothing within 0.3 s"] * 2


def test_a_mirror_that_is_not_there_or_is_no_url() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    said = ask_mirrors([f"http://127.0.0.1:{port}", "http://[", "https://h:x"], "alpine")
    assert "Connection refused" in said[0]
    assert len(said) == 3
