"""Docker-in-Docker with TLS between job and service, for real: an engine in a service of a job."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.dind import provide_dind
from testbed.engines import inside
from testbed.hub import free_port, wait_for
from testbed.runs import Repository

pytestmark = pytest.mark.engine
JOBS = """\
.dind:
  image: {name: "docker:dind", entrypoint: [""]}
  services: ["docker:dind"]
  variables:
    DOCKER_HOST: tcp://docker:2376
    DOCKER_TLS_CERTDIR: /certs
    DOCKER_TLS_VERIFY: "1"
    DOCKER_CERT_PATH: $DOCKER_TLS_CERTDIR/client
"""
TWO = (
    JOBS
    + """\
  script:
    - openssl x509 -noout -subject -in /certs/client/ca.pem
    - docker info --format 'server {{.Name}}'
    - mkdir root && cp /bin/busybox root/
    - tar -C root -c . | docker import -c 'CMD ["/busybox","echo","from inside"]' - inner
    - docker run --rm --network none inner

first:
  extends: .dind

second:
  extends: .dind
"""
)


def test_two_jobs_at_once_have_an_engine_each(tmp_path: Path, networked_address: str) -> None:
    provide_dind(networked_address)
    repository = Repository(tmp_path / "p", TWO, tmp_path / "home").on(networked_address)
    done = repository.run("--privileged", "--volume=/certs/client", "-j2")
    assert done.status == 0, done.stdout
    logs = [done.log(job).splitlines() for job in ("first", "second")]
    for log in logs:
        assert "from inside" in log
        (server,) = (line.removeprefix("server ") for line in log if line.startswith("server "))
        assert f"subject=CN = ca of {server}" in log
    assert logs[0] != logs[1]


def test_without_the_volume_the_job_has_no_certificates(
    tmp_path: Path, networked_address: str
) -> None:
    provide_dind(networked_address)
    repository = Repository(tmp_path / "p", TWO, tmp_path / "home").on(networked_address)
    done = repository.run("--privileged", "first")
    assert done.status == 1, done
    assert "from inside" not in done.stdout


MIRRORED = (
    JOBS
    + """\
job:
  extends: .dind
  script:
    - docker pull -q alpine:3.20
    - docker run --rm --network none alpine:3.20 echo pulled and run
"""
)
ADDRESS = "10.254.0.1"
"""In the network namespace of the engine, so that containers reach it by their gateway."""
MIRROR = """\
[mirror]
listen = "{address}:{port}"
data = "{data}"
[mirror.upstreams."docker.io"]
urls = ["http://127.0.0.1:{upstream}"]
"""


@contextmanager
def mirror_of(folder: Path, engine: str) -> Iterator[str]:
    """A mirror where containers of the engine reach it, of a registry with its alpine:3.20; the
    folder of the mirror's log."""
    here = inside(engine)
    upstream, port = free_port(), free_port()
    subprocess.run([*here, "ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo"], check=False)
    (folder / "registry.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder / 'hub'}}}}}\n"
        f"http: {{addr: 127.0.0.1:{upstream}}}\n"
    )
    (folder / "homeport.toml").write_text(
        MIRROR.format(address=ADDRESS, port=port, data=folder / "data", upstream=upstream)
    )
    serve = [sys.executable, "-m", "homeport", "mirror", "serve", "--config"]
    with (folder / "log").open("wb") as log:
        processes = [
            subprocess.Popen([*here, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            for command in (
                ["docker-registry", "serve", str(folder / "registry.yml")],
                [*serve, str(folder / "homeport.toml")],
            )
        ]
    try:
        copy = ["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false"]
        command = [
            *(*here, *copy, "--src-daemon-host", engine, "docker-daemon:alpine:3.20"),
            f"docker://127.0.0.1:{upstream}/library/alpine:3.20",
        ]
        wait_for(lambda: subprocess.run(command, check=False).returncode == 0, 20, "no registry")
        yield f"http://{ADDRESS}:{port}"
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


@pytest.mark.skipif(os.geteuid() != 0, reason="a mirror in the engine's network needs root")
def test_an_engine_in_a_job_pulls_through_a_mirror(tmp_path: Path, networked_address: str) -> None:
    provide_dind(networked_address)
    (tmp_path / "m").mkdir()
    repository = Repository(tmp_path / "p", MIRRORED, tmp_path / "home").on(networked_address)
    with mirror_of(tmp_path / "m", networked_address) as url:
        done = repository.run("--privileged", "--volume=/certs/client", "--mirror", url)
    assert done.status == 0, done.stdout
    assert "pulled and run" in done.log("job").splitlines()
