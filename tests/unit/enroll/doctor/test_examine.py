"""Each failure on a machine of the tests' own; each is found, with its place, and no other."""

import json
from pathlib import Path

import pytest

from homeport.enroll.doctor.checks import CHECKS, examine
from homeport.enroll.doctor.model import Report
from homeport.enroll.model import Mirror, MirrorKind, Request
from testbed.fake_docker import fake_docker
from testbed.machine import Machine
from testbed.scenes import scene
from testbed.web import Answer, Answering, Asked, make_authority, serving

DAEMON = "/etc/docker/daemon.json"


def wrong(report: Report) -> list[tuple[str, str]]:
    """Code and place of all that is wrong."""
    return [(one.finding.code, one.finding.place) for one in report.diagnoses if one.wrong]


def request_for(url: str) -> Request:
    return Request(Mirror(url, url, MirrorKind.HOMEPORT))


def healthy(_: Asked) -> Answer:
    return Answer(200, b"{}")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, uid=0)


def test_a_machine_without_anything(machine: Machine) -> None:
    report = examine(machine.host)
    assert (report.looked, report.wrong, report.diagnoses) == (False, False, ())


def test_a_daemon_whose_file_keeps_it_down(machine: Machine) -> None:
    machine.write(DAEMON, '{\n  "registry-mirrors": ["https://m",],\n}\n')
    (found,) = [one for one in examine(machine.host).diagnoses if one.wrong]
    assert found.finding.code == "broken-file"
    assert found.finding.place == f"{DAEMON}:2:36"
    assert "the daemon does not start" in found.finding.message
    assert "mend it" in found.finding.hint


def test_a_daemon_that_runs_and_will_not_start_again(machine: Machine) -> None:
    machine.write(DAEMON, '{\n  "Registry-mirrors": []\n}\n')
    with fake_docker(machine) as docker:
        docker.be_process()
        report = examine(machine.host, engines=("docker",))
    assert wrong(report) == [("broken-file", f"{DAEMON}:2:3")]
    assert "will not start again" in report.diagnoses[0].finding.message


def test_a_key_that_is_a_flag_as_well(machine: Machine) -> None:
    machine.write(DAEMON, '{"debug": true}')
    with fake_docker(machine) as docker:
        docker.be_process("--debug")
        report = examine(machine.host, engines=("docker",))
    assert wrong(report) == [("flag-conflict", f"{DAEMON}:1:2")]


def test_a_key_that_was_taken_out_is_still_in_force(machine: Machine) -> None:
    machine.write(DAEMON, "{}")
    with serving(healthy) as mirror, fake_docker(machine) as docker:
        docker.be_process()
        docker.mirrors = [f"{mirror.url()}/"]
        report = examine(machine.host, engines=("docker",))
    assert wrong(report) == [("not-taken-up", DAEMON)]
    assert '"registry-mirrors": []' in report.diagnoses[0].finding.hint


def with_mirror(machine: Machine, url: str, **more: object) -> Report:
    machine.write(DAEMON, json.dumps({"registry-mirrors": [url]}))
    with fake_docker(machine) as docker:
        docker.be_process()
        docker.mirrors = [f"{url}/"]
        docker.info.update(more)
        return examine(machine.host, engines=("docker",))


def test_a_mirror_that_answers_is_all_right(machine: Machine) -> None:
    with serving(healthy) as mirror:
        assert wrong(with_mirror(machine, mirror.url())) == []


@pytest.mark.parametrize(
    ("answering", "code"),
    [
        (lambda _: Answer(200, b"<html>", {"Content-Type": "text/html"}), "not-a-mirror"),
        (lambda _: Answer(404), "not-a-mirror"),
    ],
)
def test_what_is_no_mirror(machine: Machine, answering: Answering, code: str) -> None:
    with serving(answering) as mirror:
        assert wrong(with_mirror(machine, mirror.url())) == [(code, DAEMON)]


def test_a_silent_fallback(machine: Machine) -> None:
    with serving(healthy) as gone:
        url = gone.url()
    report = with_mirror(machine, url)
    assert wrong(report) == [("out-of-reach", DAEMON)]
    assert "without a word" in report.diagnoses[0].finding.message


def test_a_login_at_docker_hub_that_the_mirror_gets(machine: Machine) -> None:
    def ask(_: Asked) -> Answer:
        return Answer(401, b"", {"WWW-Authenticate": 'Basic realm="m"'})

    machine.write("/root/.docker/config.json", '{"auths": {"https://index.docker.io/v1/": {}}}')
    with serving(ask) as mirror:
        report = with_mirror(machine, mirror.url())
    assert wrong(report) == [("asks-for-login", DAEMON)]
    assert "sends it the login at Docker Hub" in report.diagnoses[0].finding.message


def test_a_proxy_that_captures_the_mirror(machine: Machine) -> None:
    report = with_mirror(machine, "http://mirror.invalid", HttpProxy="http://proxy:3128")
    assert ("proxy", DAEMON) in wrong(report)


def test_rootless_docker_has_a_loopback_of_its_own(machine: Machine) -> None:
    path = "/root/.config/docker/daemon.json"
    with serving(healthy) as mirror:
        machine.write(path, json.dumps({"registry-mirrors": [mirror.url()]}))
        with fake_docker(machine, config=path) as docker:
            docker.be_process()
            docker.version["Version"] = "24.0.9"
            docker.mirrors = [f"{mirror.url()}/"]
            docker.info["SecurityOptions"] = ["name=rootless"]
            report = examine(machine.host, engines=("docker",))
    assert ("loopback", path) in wrong(report)


CONFIG_PATH = """version = 2
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]
  endpoint = ["https://m"]
"""


def test_containerd_with_both_ways(tmp_path: Path) -> None:
    machine = scene("containerd", tmp_path)
    machine.write("/etc/containerd/config.toml", CONFIG_PATH)
    report = examine(machine.host, engines=("containerd",))
    assert wrong(report) == [("broken-file", "/etc/containerd/config.toml:4:1")]


def test_hosts_files_that_cri_does_not_read(tmp_path: Path) -> None:
    machine = scene("containerd", tmp_path)
    with serving(healthy) as mirror:
        hosts = f'server = "https://registry-1.docker.io"\n[host."{mirror.url()}"]\n'
        machine.write("/etc/containerd/certs.d/docker.io/hosts.toml", hosts)
        report = examine(machine.host, engines=("containerd",))
    assert wrong(report) == [("config-path", "/etc/containerd/config.toml")]


def test_a_broken_drop_in_breaks_every_pull(tmp_path: Path) -> None:
    machine = scene("podman", tmp_path)
    path = "/etc/containers/registries.conf.d/10-x.conf"
    machine.write(path, '[[registry]]\nprefix = "docker.io\n')
    report = examine(machine.host, engines=("podman",))
    assert [code for code, _ in wrong(report)] == ["broken-file"]
    assert wrong(report)[0][1].startswith(f"{path}:2:")


def test_a_builder_that_reads_no_daemon_json(tmp_path: Path) -> None:
    machine = scene("buildkit", tmp_path)
    builder = {"Driver": "docker-container", "Nodes": [{"Files": {}}]}
    machine.write("/root/.docker/buildx/instances/one", json.dumps(builder))
    with serving(healthy) as mirror:
        report = examine(machine.host, request_for(mirror.url()), engines=("buildkit",))
    codes = [one for one in wrong(report) if one[0] == "buildx"]
    assert codes == [("buildx", "/root/.docker/buildx/instances/one")]


def test_the_runners_helper_image_and_its_dind(tmp_path: Path) -> None:
    machine = scene("gitlab-runner", tmp_path)
    with serving(healthy) as mirror:
        report = examine(machine.host, request_for(mirror.url()), engines=("gitlab-runner",))
    path = "/etc/gitlab-runner/config.toml"
    assert ("helper-image", f"{path}:4:1") in wrong(report)
    assert ("dind", f"{path}:4:1") in wrong(report)


def test_codes_are_said_once() -> None:
    for check in CHECKS:
        assert len(set(check.codes)) == len(check.codes)


@pytest.mark.parametrize("insecure", ["true", "false"])
def test_podman_does_not_look_at_the_certificate_of_an_insecure_mirror(
    tmp_path: Path, insecure: str
) -> None:
    machine = scene("podman", tmp_path / "machine")
    path = "/etc/containers/registries.conf.d/10-x.conf"
    with serving(healthy, certificate=make_authority(tmp_path).certificate) as mirror:
        location = mirror.url().partition("://")[2]
        machine.write(
            path,
            '[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\n'
            f'location = "{location}"\ninsecure = {insecure}\n',
        )
        found = wrong(examine(machine.host, engines=("podman",)))
    assert found == ([] if insecure == "true" else [("not-trusted", f"{path}:1:1")])
