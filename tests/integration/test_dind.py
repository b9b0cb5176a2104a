"""Docker-in-Docker with TLS between job and service, for real: an engine in a service of a job."""

from pathlib import Path

import pytest

from testbed.dind import provide_dind
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
