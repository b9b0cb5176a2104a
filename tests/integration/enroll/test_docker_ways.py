"""Between a real daemon and its mirror: TLS with a CA of the mirror's own, and a proxy."""

import datetime
import http.server
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from homeport.enroll.direct import apply_directly, undo_directly
from homeport.enroll.engines.docker import Docker
from homeport.enroll.model import Effect, Mirror, Request
from homeport.mirror.http import ca
from testbed.dockerds import CONFIG, Dockerd, docker_machine, running
from testbed.hub import free_port
from testbed.mirror import Mirror as Served
from testbed.mirror import mirror

DOCKER = Docker()
NOW = datetime.datetime.now(datetime.UTC)
TWO_DOORS = """
[mirror]
data = "{{data}}"
[[mirror.listeners]]
name = "plain"
address = "{{address}}"
role = "both"
[[mirror.listeners]]
name = "tls"
address = "{host}:{port}"
role = "docker-mirror"
tls = {{ certificate = "{certificate}", key = "{key}" }}
"""


@pytest.fixture
def docker() -> Iterator[Dockerd]:
    with docker_machine() as machine:
        made = Dockerd(machine, "docker")
        with running(made):
            yield made


def canary(daemon: Dockerd, served: Served) -> "tuple[bool, str]":
    """Whether the daemon gets what only the mirror has, and what was said."""
    nonce = secrets.token_hex(8)
    name = f"docker.io/homeport-verify/{nonce}"
    found = DOCKER.pull(daemon.machine.host, daemon.engine(), name)
    assert found.ok is (b"docker/" in served.get(f"/_homeport/canary/{nonce}").body)
    return found.ok, found.said


def test_a_ca_of_the_mirrors_own(docker: Dockerd, tmp_path: Path) -> None:
    # On loopback, dockerd trusts any certificate (InsecureRegistryCIDRs).
    address, port = own_address(), free_port()
    pair = ca.init(tmp_path / "ca", name="test", now=NOW)
    server = ca.Pair(tmp_path / "server.pem", tmp_path / "server.key")
    ca.issue(tmp_path / "ca", server, hosts=[address], now=NOW)
    text = TWO_DOORS.format(host=address, port=port, certificate=server.certificate, key=server.key)
    url, host = f"https://{address}:{port}", docker.machine.host
    with mirror(tmp_path / "mirror", text) as served:
        without = DOCKER.plan(host, docker.engine(), Request(Mirror(url, url)))
        assert apply_directly(host, DOCKER, without) == ()
        ok, said = canary(docker, served)
        assert not ok
        # dockerd tells of Docker Hub alone; x509 is in its log.
        assert f"The mirror {url} says: its certificate is not trusted here" in said
        assert "x509" in docker.log

        wanted = Request(Mirror(url, url, ca=pair.certificate.read_text()))
        plan = DOCKER.plan(host, docker.engine(), wanted)
        (change,) = plan.changes
        assert change.path == f"/etc/docker/certs.d/{address}:{port}/homeport-ca.crt"
        assert plan.effect is Effect.NOTHING
        log = docker.log.count("Reloaded")
        assert apply_directly(host, DOCKER, plan) == ()
        assert docker.log.count("Reloaded") == log
        assert canary(docker, served) == (True, "")
        assert DOCKER.plan(host, docker.engine(), wanted).changes == ()

        undo_directly(host, DOCKER, plan)
        assert not canary(docker, served)[0]
        undo_directly(host, DOCKER, without)
        assert (host.state(CONFIG), docker.mirrors()) == (None, [])


def own_address() -> str:
    """An address of this machine that is not loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has loopback alone")
        return str(probe.getsockname()[0])


@contextmanager
def proxy() -> "Iterator[tuple[str, list[str]]]":
    """A proxy that answers 502 and remembers what it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(502)

        do_HEAD = do_CONNECT = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            del args

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_proxy_of_the_daemon_captures_an_http_mirror(tmp_path: Path) -> None:
    address, port = own_address(), free_port()
    text = f'[mirror]\ndata = "{{data}}"\nlisten = "0.0.0.0:{port}"\n'
    url = f"http://{address}:{port}"
    served = Served(tmp_path / "mirror", text, port=port)
    with docker_machine() as machine, proxy() as (way, asked):
        served.start()
        try:
            env = {"HTTP_PROXY": way.replace("//", "//user:secret@")}
            caught = Dockerd(machine, "docker", env=env)
            with running(caught):
                plan = DOCKER.plan(machine.host, caught.engine(), Request(Mirror(url, url)))
                (found,) = plan.findings
                assert found.code == "docker-proxy-captures"
                assert address in found.hint
                assert "secret" not in repr(plan)
                # A restart would be needed, and was not allowed: nobody restarts anything.
                assert (plan.effect, plan.stops) == (Effect.RELOAD, ())
                number = caught.process.pid if caught.process else 0
                assert apply_directly(machine.host, DOCKER, plan) == ()
                ok, said = canary(caught, served)
                assert not ok
                assert "but the daemon asks its proxy" in said
                assert any(url in path for path in asked)
                assert caught.process is not None
                assert caught.process.pid == number
                assert caught.process.poll() is None
            asked.clear()
            free = Dockerd(machine, "docker", env={**env, "NO_PROXY": address})
            with running(free):
                plan = DOCKER.plan(machine.host, free.engine(), Request(Mirror(url, url)))
                assert (plan.findings, plan.changes) == ((), ())
                assert canary(free, served)[0]
                assert not [path for path in asked if url in path]
        finally:
            served.stop()
