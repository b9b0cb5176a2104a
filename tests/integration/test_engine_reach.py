"""Engines of other machines: by the user's ssh client, and by TLS with certificates of both."""

import getpass
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from homeport.engine.api import EngineError
from homeport.engine.docker import connect
from homeport.lib.unix_socket import MAX_PATH
from testbed.dockerds import Dockerd, docker_machine, running
from testbed.hub import free_port
from testbed.runs import Repository, containers, processes_with, wait_until

SLOW = "slow:\n  image: alpine\n  script: [echo ready, sleep 60]\n"
PIPELINE = "job:\n  image: alpine\n  script: [echo hello from $CI_JOB_NAME]\n"
SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
"""
SSH = """\
#!/bin/sh
exec /usr/bin/ssh -F none -i {folder}/user -o UserKnownHostsFile={folder}/known_hosts "$@"
"""


@contextmanager
def ssh_server(folder: Path) -> Iterator[int]:
    """An sshd for this user alone, whom the `ssh` in `folder/bin` knows; its port."""
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
        )
    port = free_port()
    key = (folder / "host.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {key}")
    (folder / "sshd.conf").write_text(SSHD.format(port=port, folder=folder))
    (folder / "bin").mkdir()
    (folder / "bin/ssh").write_text(SSH.format(folder=folder))
    (folder / "bin/ssh").chmod(0o755)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with (folder / "sshd.log").open("wb") as log:
        server = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd.conf")], stderr=log
        )
    try:
        limit = time.monotonic() + 20
        while "Server listening" not in (folder / "sshd.log").read_text():
            assert server.poll() is None, (folder / "sshd.log").read_text()
            assert time.monotonic() < limit
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def test_a_job_runs_on_an_engine_behind_ssh(tmp_path: Path, docker_address: str) -> None:
    with ssh_server(tmp_path) as port:
        repository = Repository(tmp_path / "work", PIPELINE, tmp_path / "home")
        repository.env["PATH"] = f"{tmp_path / 'bin'}:{repository.env['PATH']}"
        socket = docker_address.removeprefix("unix://")
        login = f"{getpass.getuser()}@127.0.0.1:{port}"
        repository.env["DOCKER_HOST"] = f"ssh://{login}{socket}"
        done = repository.run()
        assert done.status == 0, done
        assert "hello from job" in done.log("job")
        assert processes_with(os.fsencode(repository.home)) == []

        repository.env["DOCKER_HOST"] = f"ssh://{login}/nowhere.sock"
        done = repository.run()
        assert done.status == 3, done
        assert f"ssh://127.0.0.1:{port}/nowhere.sock" in done.stderr

        # Killed, it takes its connection with it.
        repository.env["DOCKER_HOST"] = f"ssh://{login}{socket}"
        (repository.root / ".gitlab-ci.yml").write_text(SLOW)
        started = repository.start("run")
        repository.wait_for("ready")
        assert processes_with(os.fsencode(repository.home)) != []
        started.process.kill()
        started.end()
        wait_until(
            lambda: processes_with(os.fsencode(repository.home)) == [], "an ssh is left behind"
        )
        engine = connect(docker_address)
        for name in containers(docker_address, repository.home):
            engine.remove(name.lstrip("/"))
        engine.close()

    done = repository.run()
    assert done.status == 3, done
    assert "Connection refused" in done.stderr
    assert "needed by: slow" in done.stderr
    assert len(str(tmp_path)) < MAX_PATH


def certificates(folder: Path) -> None:
    """An authority of its own, and what it says of a server at 127.0.0.1 and of a client."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-keyout=ca.key", "-out=ca.pem", "-subj", "/CN=ca")
    for name, use in (("server", "serverAuth"), ("client", "clientAuth")):
        (folder / "extensions").write_text(f"subjectAltName=IP:127.0.0.1\nextendedKeyUsage={use}\n")
        openssl("req", *curve, f"-keyout={name}.key", f"-out={name}.csr", "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", f"-in={name}.csr", f"-out={name}.pem"),
            *("-CA=ca.pem", "-CAkey=ca.key", "-CAcreateserial", "-extfile=extensions"),
        )


@pytest.mark.skipif(os.geteuid() != 0, reason="a Docker daemon of its own needs root")
def test_an_engine_that_wants_a_certificate_of_its_client(tmp_path: Path) -> None:
    certificates(tmp_path)
    port = free_port()
    flags = (
        f"--host=tcp://127.0.0.1:{port}",
        "--tlsverify",
        f"--tlscacert={tmp_path / 'ca.pem'}",
        f"--tlscert={tmp_path / 'server.pem'}",
        f"--tlskey={tmp_path / 'server.key'}",
    )
    own, stranger = tmp_path / "own", tmp_path / "stranger"
    for folder, name in ((own, "client"), (stranger, "none")):
        folder.mkdir()
        (folder / "ca.pem").write_bytes((tmp_path / "ca.pem").read_bytes())
        if name == "client":
            (folder / "cert.pem").write_bytes((tmp_path / "client.pem").read_bytes())
            (folder / "key.pem").write_bytes((tmp_path / "client.key").read_bytes())
    with docker_machine() as machine, running(Dockerd(machine, "tls", flags=flags)):
        engine = connect(f"tcp://127.0.0.1:{port}", str(own))
        assert engine.info().name == "Docker"
        engine.close()
        with pytest.raises(EngineError, match="does not answer"):
            connect(f"tcp://127.0.0.1:{port}", str(stranger)).ping(5.0)
        with pytest.raises(EngineError, match="HTTP request to an HTTPS server"):
            connect(f"tcp://127.0.0.1:{port}").ping(5.0)

        repository = Repository(tmp_path / "work", PIPELINE, tmp_path / "home")
        repository.env |= {
            "DOCKER_HOST": f"tcp://127.0.0.1:{port}",
            "DOCKER_CERT_PATH": str(own),
            "DOCKER_TLS_VERIFY": "1",
        }
        done = repository.run("--pull-policy=never")
        # It has no image: but it was asked.
        assert "No such image: alpine" in done.stdout, done
