"""Docker's daemons are found, and what each of them really reads."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from homeport.enroll.apply import REFUSED, apply
from homeport.enroll.engines.docker import Docker
from homeport.enroll.model import Engine, EnrollPlan, Mirror, Request
from testbed.fake_docker import fake_docker
from testbed.machine import Machine

DOCKER = Docker()
REQUEST = Request(Mirror("http://m:5000", "http://m:5000"))
UNIT = "/lib/systemd/system/docker.service"


def found(machine: Machine) -> dict[str, Engine]:
    return {engine.id: engine for engine in DOCKER.detect(machine.host)}


def only(machine: Machine) -> Engine:
    (engine,) = DOCKER.detect(machine.host)
    return engine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, env={"XDG_RUNTIME_DIR": "/run/user/1000"}, uid=1000)


def context(machine: Machine, name: str, address: str) -> None:
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = {"Name": name, "Endpoints": {"docker": {"Host": address}}}
    machine.write(f"/root/.docker/contexts/meta/{key}/meta.json", json.dumps(meta))


def test_a_machine_without_docker(machine: Machine) -> None:
    assert found(machine) == {}


def test_the_systems_daemon(machine: Machine) -> None:
    machine.at("/etc/docker").mkdir(parents=True)
    with fake_docker(machine) as daemon:
        daemon.info = {
            "LiveRestoreEnabled": True,
            "HttpProxy": "http://u:p@proxy:3128",
            "NoProxy": "corp",
            "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
        }
        daemon.mirrors = ["http://m/"]
        daemon.be_process("-H", "fd://", "--data-root=/srv", "-D", "--live-restore")
        engine = only(machine)
    assert (engine.version, engine.config) == ("28.2.2", "/etc/docker/daemon.json")
    assert engine.running
    assert engine.writable
    assert engine.facts["flags"] == ["data-root", "debug", "hosts", "live-restore"]
    assert engine.facts["store"] == "containerd"
    assert engine.facts["mirrors"] == ["http://m/"]
    assert engine.facts["live_restore"] is True
    assert engine.facts["manager"] == "systemd"
    assert engine.facts["proxies"] == {"http_proxy": "http://…@proxy:3128", "no_proxy": "corp"}
    assert engine.facts["certs"] == "/etc/docker/certs.d"
    json.dumps(dict(engine.facts))


def test_a_linked_file_is_told_by_its_real_path(machine: Machine) -> None:
    machine.write("/srv/real.json", "{}")
    machine.at("/etc/docker").mkdir(parents=True)
    machine.at("/etc/docker/daemon.json").symlink_to("../../srv/real.json")
    with fake_docker(machine) as daemon:
        daemon.be_process()
        assert only(machine).config == "/srv/real.json"


def test_another_file_by_a_flag(machine: Machine) -> None:
    with fake_docker(machine) as daemon:
        daemon.be_process("--config-file", "/srv/a/../d.json")
        assert only(machine).config == "/srv/d.json"


def test_a_rootless_daemon(machine: Machine) -> None:
    with fake_docker(machine, "/run/user/1000/docker.sock") as daemon:
        daemon.info = {"SecurityOptions": ["name=seccomp", "name=rootless"]}
        env = {"HOME": "/home/ann", "XDG_CONFIG_HOME": "/home/ann/conf"}
        daemon.be_process(env=env, manager="user.slice/user@1000.service/app.slice/docker.service")
        engine = only(machine)
    assert engine.config == "/home/ann/conf/docker/daemon.json"
    assert engine.facts["certs"] == "/home/ann/conf/docker/certs.d"
    assert engine.facts["manager"] == "systemd-user"


def test_root_finds_the_rootless_daemons_of_others(tmp_path: Path) -> None:
    machine = Machine(tmp_path, uid=0)
    machine.write("/etc/passwd", "root:x:0:0::/root:\nann:x:1001:1001::/srv/ann:/bin/sh\n")
    with fake_docker(machine, "/run/user/1001/docker.sock") as daemon:
        daemon.info = {"SecurityOptions": ["name=rootless"]}
        assert only(machine).config == "/srv/ann/.config/docker/daemon.json"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_does_not_go_where_a_users_daemon_says_it_reads(tmp_path: Path) -> None:
    """Whoever has a socket below /run/user can say anything of it."""
    machine = Machine(tmp_path, uid=0)
    machine.write("/etc/passwd", "root:x:0:0::/root:\nann:x:1001:1001::/srv/ann:/bin/sh\n")
    machine.write("/root/.config/docker/daemon.json", "{}")
    machine.at("/srv/ann").mkdir(parents=True)
    os.chown(machine.at("/srv/ann"), 1001, 1001)
    with fake_docker(machine, "/run/user/1001/docker.sock") as daemon:
        daemon.info = {"SecurityOptions": ["name=rootless"]}
        assert only(machine).writable
        daemon.be_process(env={"XDG_CONFIG_HOME": "/root/.config"})
        engine = only(machine)
        assert not engine.writable
        (finding,) = [one for one in engine.findings if one.code == "docker-not-his"]
        assert "/root/.config/docker/daemon.json, which is not his" in finding.message
        plan = DOCKER.plan(machine.host, engine, REQUEST)
        (result,) = apply(machine.host, EnrollPlan(REQUEST, (plan,)))
    assert result.state == REFUSED
    assert "docker-not-his" in [one.code for one in result.findings]
    assert machine.text("/root/.config/docker/daemon.json") == "{}"


def test_contexts_and_the_environment(machine: Machine) -> None:
    context(machine, "far", "ssh://ann@build.corp")
    context(machine, "mine", "unix:///root/.colima/default/docker.sock")
    machine.write("/root/.docker/config.json", '{"currentContext": "far"}')
    machine.host.env["DOCKER_HOST"] = "tcp://u:p@10.0.0.1:2376"
    engines = found(machine)
    assert set(engines) == {
        "docker:tcp://…@10.0.0.1:2376",
        "docker:ssh://ann@build.corp",
        "docker:unix:///root/.colima/default/docker.sock",
    }
    assert not any(engine.writable for engine in engines.values())
    far = engines["docker:ssh://ann@build.corp"]
    assert far.findings[0].code == "docker-remote"
    assert "in use" in far.findings[0].message
    mine = engines["docker:unix:///root/.colima/default/docker.sock"]
    assert mine.facts["wrapper"] == "colima"
    assert mine.config is None


def test_a_broken_or_forged_context_is_passed_over(machine: Machine) -> None:
    machine.write("/root/.docker/contexts/meta/abc/meta.json", "{")
    meta = '{"Name": "x", "Endpoints": {"docker": {"Host": "unix:///x"}}}'
    machine.write("/root/.docker/contexts/meta/def/meta.json", meta)
    machine.write("/root/.docker/config.json", "[")
    assert found(machine) == {}


def test_desktop_has_its_file_in_the_home(machine: Machine) -> None:
    machine.write("/root/.docker/daemon.json", "{}")
    with fake_docker(machine, "/root/.docker/desktop/docker.sock"):
        engine = only(machine)
    assert engine.config == "/root/.docker/daemon.json"
    assert engine.facts["wrapper"] == "desktop"
    assert engine.writable


def test_podman_behind_dockers_socket_is_none_of_dockers(machine: Machine) -> None:
    with fake_docker(machine) as daemon:
        daemon.version["Components"] = [{"Name": "Podman Engine"}]
        assert found(machine) == {}


def test_one_daemon_on_two_sockets_is_one(machine: Machine) -> None:
    machine.host.env["DOCKER_HOST"] = "unix:///run/other.sock"
    with fake_docker(machine) as daemon, fake_docker(machine, "/run/other.sock"):
        daemon.be_process("-H", "unix:///run/docker.sock", "-H", "unix:///run/other.sock")
        assert only(machine).id == "docker:unix:///run/other.sock"


def test_a_daemon_that_does_not_run(machine: Machine) -> None:
    machine.write(
        UNIT,
        "[Service]\n# ExecStart=/bin/no\nEnvironmentFile=-/etc/default/docker\n"
        "ExecStart=/usr/bin/dockerd -H fd:// \\\n   $DOCKER_OPTS\n",
    )
    machine.write("/etc/default/docker", 'DOCKER_OPTS="--mtu 1400 --registry-mirror=http://m"\n')
    machine.write(
        "/etc/systemd/system/docker.service.d/proxy.conf",
        '[Service]\nEnvironment="HTTP_PROXY=http://u:p@proxy" "NO_PROXY=corp"\n',
    )
    engine = only(machine)
    assert not engine.running
    assert engine.config == "/etc/docker/daemon.json"
    assert engine.facts["flags"] == ["hosts", "mtu", "registry-mirrors"]
    assert engine.facts["flag_mirrors"] == ["http://m"]
    assert engine.facts["proxies"] == {"http_proxy": "http://…@proxy", "no_proxy": "corp"}
    assert "/etc/default/docker" in engine.facts["service_files"]
    assert engine.findings[0].code == "docker-silent"


def test_a_drop_in_that_starts_it_otherwise(machine: Machine) -> None:
    machine.write(UNIT, "[Service]\nExecStart=/usr/bin/dockerd -H fd:// --mtu=1400\n")
    machine.write(
        "/etc/systemd/system/docker.service.d/a.conf",
        "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --config-file=/srv/d.json\n",
    )
    engine = only(machine)
    assert engine.config == "/srv/d.json"
    assert engine.facts["flags"] == ["config-file"]


def test_a_daemon_in_a_container_reads_other_files(machine: Machine) -> None:
    """Its root is another one: what lies at the same path here is not its."""
    import os

    machine.write("/etc/docker/daemon.json", "{}")
    machine.write("/container/etc/docker/daemon.json", "{}")
    with fake_docker(machine) as daemon:
        daemon.be_process()
        machine.at(f"/proc/{os.getpid()}/root").symlink_to(machine.at("/container"))
        engine = only(machine)
    assert not engine.writable
    assert "docker-elsewhere" in [finding.code for finding in engine.findings]


def test_a_socket_that_is_dead(machine: Machine) -> None:
    machine.write("/run/docker.sock", "")
    engine = only(machine)
    assert not engine.running
    assert engine.findings[0].code == "docker-silent"


def test_a_socket_that_is_not_for_this_user(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    machine.write("/run/docker.sock", "")
    monkeypatch.setattr(machine.host, "connect", refuse)
    (finding,) = only(machine).findings
    assert "this user may not ask the daemon" in finding.message
    assert "sudo" in finding.hint
    assert "systemctl" not in finding.hint
