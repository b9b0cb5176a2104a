"""Known failures, provoked on real engines with a real mirror: doctor finds each, and only it."""

import datetime
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from homeport.cli import doctor as command
from homeport.cli.main import main
from homeport.enroll.direct import apply_directly
from homeport.enroll.doctor.checks import examine
from homeport.enroll.doctor.model import Report
from homeport.enroll.engines.containers import KINDS as CONTAINERS
from homeport.enroll.model import Mirror, MirrorKind, Request
from homeport.mirror.http import ca
from testbed.bound import Bound, Doors, bound, containerd, doors
from testbed.dockerds import CONFIG, Dockerd, docker_machine
from testbed.hub import Hub, free_port, hub
from testbed.mirror import mirror, upstream
from testbed.web import Answer, Asked, serving

NOW = datetime.datetime.now(datetime.UTC)
TLS = """
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
PIPELINE = """\
variables:
  TAG: "1"
build:
  image: team/app:$TAG
  services:
    - name: team/none:1
    - docker:dind
  script: [make]
scan:
  image:
    name: quay.io/team/scanner:2
  script: [scan]
unknown:
  image: $CI_WHATEVER/x
  script: [x]
"""


@pytest.fixture(scope="module")
def docker_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub(tmp_path_factory.mktemp("hub")) as made:
        for name in (
            "team/app:1",
            "team/scanner:2",
            "library/alpine:latest",
            "library/docker:dind",
        ):
            made.push(name)
        yield made


@pytest.fixture(scope="module")
def world(docker_hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """A mirror that is all right."""
    upstreams = dict.fromkeys(("docker.io", "quay.io"), docker_hub.address)
    with doors(tmp_path_factory.mktemp("world"), upstreams) as made:
        yield made


@pytest.fixture
def docker() -> Iterator[Dockerd]:
    """A daemon that has not been started yet."""
    with docker_machine() as machine:
        made = Dockerd(machine, "docker")
        try:
            yield made
        finally:
            made.stop()


def wrong(report: Report) -> list[tuple[str, str]]:
    """Code and place of all that is wrong."""
    return [(one.finding.code, one.finding.place) for one in report.diagnoses if one.wrong]


def words(report: Report) -> str:
    return "\n".join(one.finding.message for one in report.diagnoses if one.wrong)


def own(daemon: Dockerd, request: Request | None = None) -> Report:
    """What is found of Docker alone."""
    return examine(daemon.machine.host, request, engines=("docker",))


def configure(daemon: Dockerd, **keys: Any) -> None:
    named = {name.replace("_", "-"): value for name, value in keys.items()}
    daemon.machine.write(CONFIG, json.dumps(named))


def reload(daemon: Dockerd) -> None:
    before = daemon.log.count("Reloaded configuration")
    os.kill(daemon.engine().facts["pid"], signal.SIGHUP)
    end = time.monotonic() + 2.0
    while daemon.log.count("Reloaded configuration") == before and time.monotonic() < end:
        time.sleep(0.02)


def test_a_file_with_which_the_daemon_does_not_start(docker: Dockerd) -> None:
    docker.machine.write(CONFIG, '{\n  "registry-mirrors": "https://m"\n}\n')
    docker.start(serves=False)
    assert docker.process is not None
    assert docker.process.wait(30) != 0  # as doctor says
    report = own(docker)
    assert wrong(report) == [("broken-file", f"{CONFIG}:2:23")]
    assert "the daemon does not start" in words(report)


def test_a_daemon_that_runs_on_what_it_would_not_start_with(docker: Dockerd) -> None:
    docker.start()
    docker.machine.write(CONFIG, '{"debug": true,}')
    report = own(docker)
    assert wrong(report) == [("broken-file", f"{CONFIG}:1:16")]
    assert "will not start again" in words(report)


def test_a_flag_that_is_a_key_as_well(docker: Dockerd) -> None:
    docker.flags = ("--debug",)
    docker.start()
    configure(docker, debug=True)
    assert wrong(own(docker)) == [("flag-conflict", f"{CONFIG}:1:2")]


def test_the_rollback_that_does_not_roll_back(docker: Dockerd, world: Doors) -> None:
    configure(docker, registry_mirrors=[world.hub_url])
    docker.start()
    assert wrong(own(docker)) == []
    configure(docker)
    reload(docker)
    assert docker.mirrors() == [f"{world.hub_url}/"]  # still in force
    report = own(docker)
    assert wrong(report) == [("not-taken-up", CONFIG)]
    configure(docker, registry_mirrors=[])
    reload(docker)
    assert wrong(own(docker)) == []


def test_a_mirror_that_is_gone_is_gone_without_a_word(docker: Dockerd) -> None:
    configure(docker, registry_mirrors=[f"http://127.0.0.1:{free_port()}"])
    docker.start()
    report = own(docker)
    assert wrong(report) == [("out-of-reach", CONFIG)]
    assert "refuses connections; Docker goes on to Docker Hub without a word" in words(report)


def test_x509_that_stands_in_the_log_alone(docker: Dockerd, tmp_path: Path) -> None:
    address, port = own_address(), free_port()
    pair = ca.init(tmp_path / "ca", name="test", now=NOW)
    server = ca.Pair(tmp_path / "server.pem", tmp_path / "server.key")
    ca.issue(tmp_path / "ca", server, hosts=[address], now=NOW)
    text = TLS.format(host=address, port=port, certificate=server.certificate, key=server.key)
    url = f"https://{address}:{port}"
    configure(docker, registry_mirrors=[url])
    docker.start()
    with mirror(tmp_path / "mirror", text):
        report = own(docker)
        assert wrong(report) == [("not-trusted", CONFIG)]
        assert f"below /etc/docker/certs.d/{address}:{port}" in report.diagnoses[0].finding.hint
        named = Request(Mirror(url, url, MirrorKind.HOMEPORT))
        assert ("mirror-tls", "") in wrong(own(docker, named))
        authority = pair.certificate.read_text()
        docker.machine.write(f"/etc/docker/certs.d/{address}:{port}/ca.crt", authority)
        assert wrong(own(docker)) == []


def own_address() -> str:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has loopback alone")
        return str(probe.getsockname()[0])


def test_the_login_at_docker_hub_goes_to_the_mirror(docker: Dockerd) -> None:
    seen: list[Mapping[str, str]] = []

    def ask(asked: Asked) -> Answer:
        seen.append(asked.headers)
        return Answer(401, b"", {"WWW-Authenticate": 'Basic realm="m"'})

    auth = {"https://index.docker.io/v1/": {"auth": "dXNlcjpzZWNyZXQ="}}
    docker.machine.write("/root/.docker/config.json", json.dumps({"auths": auth}))
    home = docker.folder / "home"
    (home / ".docker").mkdir(parents=True, exist_ok=True)
    (home / ".docker/config.json").write_text(json.dumps({"auths": auth}))
    with serving(ask) as server:
        configure(docker, registry_mirrors=[server.url()])
        docker.start()
        docker.client.run("pull", "alpine")
        assert any("basic" in headers.get("authorization", "").lower() for headers in seen)
        report = own(docker)
    assert wrong(report) == [("asks-for-login", CONFIG)]
    assert "Docker sends it the login at Docker Hub" in words(report)


def test_a_proxy_that_captures_the_mirror(docker: Dockerd) -> None:
    docker.env = {"HTTP_PROXY": "http://127.0.0.1:9"}
    configure(docker, registry_mirrors=["http://mirror.invalid:5000"])
    docker.start()
    codes = [code for code, _ in wrong(own(docker))]
    assert codes == ["out-of-reach", "proxy"]
    assert "mirror.invalid" in own(docker).diagnoses[1].finding.hint


class Said(NamedTuple):
    status: int
    out: Any
    err: str


@pytest.fixture
def doctor(
    docker: Dockerd, monkeypatch: pytest.MonkeyPatch, capsysbinary: Any, tmp_path: Path
) -> Any:
    """The command, on the test's machine and in a repository with a pipeline."""
    monkeypatch.setattr(command, "this_host", lambda: docker.machine.host)
    monkeypatch.setenv("HOME", str(tmp_path))
    project = tmp_path / "project"
    subprocess.run(["git", "init", "-q", project], check=True)
    (project / ".gitlab-ci.yml").write_text(PIPELINE)

    def run(*arguments: str) -> Said:
        capsysbinary.readouterr()
        status = main(["doctor", "-C", str(project), *arguments])
        out, err = capsysbinary.readouterr()
        return Said(
            status, json.loads(out) if "--json" in arguments else out.decode(), err.decode()
        )

    return run


def test_the_pipelines_images_by_the_command(docker: Dockerd, world: Doors, doctor: Any) -> None:
    configure(docker, registry_mirrors=[world.hub_url])
    docker.start()
    said = doctor(
        "--mirror", world.url, "--docker-mirror", world.hub_url, "--engine", "docker", "--json"
    )
    found = {(one["code"], one["place"]) for one in said.out["findings"]}
    file = ".gitlab-ci.yml"
    assert said.status == 1
    assert found == {
        ("image-not-at-mirror", f"{file}:6:7"),
        ("image-dind", f"{file}:7:7"),
        ("image-not-of-hub", f"{file}:11:5"),
        ("image-unknown", f"{file}:14:10"),
    }
    by_code = {one["code"]: one for one in said.out["findings"]}
    netloc = world.url.partition("://")[2]
    assert f"{netloc}/quay.io/team/scanner:2" in by_code["image-not-of-hub"]["hint"]
    assert "404" in by_code["image-not-at-mirror"]["message"]

    told = doctor("--mirror", world.url, "--docker-mirror", world.hub_url, "--engine", "docker")
    assert told.status == 1
    assert told.out.endswith("5 images of the pipeline: 3 wrong\n")
    assert f"{file}:7:7: warning: job build, service docker:dind: " in told.err


def test_all_is_well(docker: Dockerd, world: Doors, doctor: Any) -> None:
    configure(docker, registry_mirrors=[world.hub_url])
    docker.start()
    options = ("--mirror", world.url, "--docker-mirror", world.hub_url, "--engine", "docker")
    said = doctor(*options, "--no-pipeline")
    assert (said.status, said.err) == (0, "")
    assert said.out.endswith("nothing is wrong\n")


def test_a_daemon_that_is_not_enrolled(docker: Dockerd, world: Doors, doctor: Any) -> None:
    docker.start()
    said = doctor("--mirror", world.url, "--engine", "docker", "--json")
    codes = {one["code"] for one in said.out["findings"]}
    assert {"not-enrolled", "image-engine-not-enrolled"} <= codes


def test_the_mirrors_own_failures(tmp_path: Path) -> None:
    """Its upstream is gone; it is gone itself; something else is there."""
    text = '[mirror]\ndata = "{data}"\nlisten = "{address}"\n' + upstream(
        "docker.io", "127.0.0.1:9", more='connect_timeout = "1s"'
    )
    with docker_machine() as machine:
        with mirror(tmp_path / "mirror", text) as made:
            url = f"http://{made.address}"
            request = Request(Mirror(url, url, MirrorKind.HOMEPORT))
            found = wrong(examine(machine.host, request, engines=("podman",)))
            codes = {code for code, _ in found}
            assert codes == {"upstream-unreachable"}
        assert wrong(examine(machine.host, request, engines=("podman",))) == [
            ("mirror-unreachable", "")
        ]
        with serving(lambda _: Answer(200, b"<html>", {"Content-Type": "text/html"})) as server:
            other = Request(Mirror(server.url(), server.url()))
            found = wrong(examine(machine.host, other, engines=("podman",)))
            assert [code for code, _ in found] == ["not-a-mirror"]


def test_a_mirror_that_is_not_homeports(docker_hub: Hub) -> None:
    """Debian's docker-registry, which has what is asked for."""
    url = f"http://{docker_hub.direct}"
    with docker_machine() as machine:
        report = examine(machine.host, Request(Mirror(url, url)), engines=("podman",))
    assert wrong(report) == []
    assert [one.finding.code for one in report.diagnoses] == ["not-proven"]


def test_tags_that_can_no_longer_be_confirmed(tmp_path: Path) -> None:
    text = '[mirror]\ndata = "{data}"\nlisten = "{address}"\n'
    with ExitStack() as stack:
        machine = stack.enter_context(docker_machine())
        upstreams = stack.enter_context(ExitStack())
        docker_hub = upstreams.enter_context(hub(tmp_path / "hub"))
        docker_hub.push("library/alpine:latest")
        text += upstream("docker.io", docker_hub.address, more='tag_ttl = "0s"')
        made = stack.enter_context(mirror(tmp_path / "mirror", text))
        url = f"http://{made.address}"
        request = Request(Mirror(url, url, MirrorKind.HOMEPORT))
        assert wrong(examine(machine.host, request, engines=("podman",))) == []
        upstreams.close()
        examine(machine.host, request, engines=("podman",))  # the mirror notices
        codes = {code for code, _ in wrong(examine(machine.host, request, engines=("podman",)))}
        assert codes == {"stale", "upstream-unreachable"}


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bound]:
    with bound(tmp_path_factory.mktemp("m") / "m") as made:  # short, as it is in a socket's path
        yield made


def containers_request(world: Doors, *, tls: bool = False) -> Request:
    url, hub_url = (world.tls_url, world.tls_url) if tls else (world.url, world.hub_url)
    mirror = Mirror(url, hub_url, MirrorKind.HOMEPORT, ca=world.ca if tls else None)
    return Request(mirror, engines=("podman",))


def test_podman_without_the_mirrors_ca(machine: Bound, world: Doors) -> None:
    (podman,) = [kind for kind in CONTAINERS if kind.name == "podman"]
    (engine,) = podman.detect(machine.host)
    request = containers_request(world, tls=True)
    plan = podman.plan(machine.host, engine, request)
    assert apply_directly(machine.host, podman, plan) == ()
    assert wrong(examine(machine.host, request, engines=("podman",))) == []
    netloc = world.tls_url.partition("://")[2]
    machine.at(f"/etc/containers/certs.d/{netloc}/homeport-ca.crt").unlink()
    status, said = machine.host.run("podman", "pull", "-q", "docker.io/team/app:1")[0::2]
    assert (status != 0, "x509" in said) == (True, True)
    report = examine(machine.host, engines=("podman",))
    place = "/etc/containers/registries.conf.d/99-homeport.conf:3:1"
    assert wrong(report) == [("not-trusted", place)]


def test_a_drop_in_that_breaks_every_pull(machine: Bound) -> None:
    path = "/etc/containers/registries.conf.d/50-own.conf"
    machine.write(path, '[[registry]]\nlocation = "https://docker.io"\n')
    assert machine.host.run("podman", "pull", "-q", "docker.io/team/app:1").status != 0
    (found,) = wrong(examine(machine.host, engines=("podman",)))
    assert (found[0], found[1].startswith(f"{path}:2:")) == ("broken-file", True)


def test_what_containerd_ignores_without_a_word(machine: Bound, world: Doors) -> None:
    no_cri = 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
    machine.write("/etc/containerd/config.toml", no_cri)
    path = "/etc/containerd/certs.d/docker.io/hosts.toml"
    with containerd(machine):
        machine.write(path, f'[host."{world.hub_url}"]\n  capabilities = ["pull"]\n')
        found = wrong(examine(machine.host, engines=("containerd",)))
        assert [code for code, _ in found] == ["no-resolve"]
        assert found[0][1].startswith(f"{path}:1:")
        machine.write(path, f'[host."{world.hub_url}"\n')
        assert [code for code, _ in wrong(examine(machine.host, engines=("containerd",)))] == [
            "broken-hosts-file"
        ]
        machine.write(path, f'[host."{world.tls_url}"]\n')
        found = wrong(examine(machine.host, engines=("containerd",)))
        assert [code for code, _ in found] == ["not-trusted"]
        machine.write(path, f'[host."{world.tls_url}"]\n  skip_verify = true\n')
        assert wrong(examine(machine.host, engines=("containerd",))) == []
