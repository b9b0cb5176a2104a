"""`homeport run --mirror` on real engines: what a job's container holds, and what is said."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.engine.api import ContainerSpec
from homeport.engine.docker import connect
from homeport.pipeline.execute.placed_files import place
from testbed.runs import Repository

pytestmark = pytest.mark.engine
PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
URL = "https://m.corp:5443"
TEXT = """\
job:
  image: busybox
  script:
    - cat /etc/containers/registries.conf.d/99-homeport.conf
    - cat /etc/containers/certs.d/m.corp:5443/ca.crt
    - stat -c 'mode %a' /etc
    - podman pull alpine || echo no podman here
"""


@pytest.fixture(params=["docker", "podman"])
def address(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_address"))


def test_a_job_reads_what_was_placed(tmp_path: Path, address: str) -> None:
    (tmp_path / "ca.pem").write_text(PEM)
    repository = Repository(tmp_path / "p", TEXT, tmp_path / "home").on(address)
    options = ("--mirror", URL, "--mirror-ca", str(tmp_path / "ca.pem"))
    done = repository.run(*options, "--mirror-registry", "ghcr.io")
    assert done.status == 0, done
    log = done.log("job")
    assert 'location = "m.corp:5443"\n' in log
    assert 'location = "m.corp:5443/ghcr.io"\n' in log
    assert PEM in log
    assert "mode 755\n" in log
    assert f"podman pulls docker.io, ghcr.io through {URL} (--mirror)" in done.stdout


def test_without_it_nothing_is_placed(tmp_path: Path, address: str) -> None:
    repository = Repository(tmp_path / "p", TEXT, tmp_path / "home").on(address)
    done = repository.run()
    assert done.status == 1
    assert "m.corp" not in done.stdout.replace("m.corp:5443/ca.crt", "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--mirror", "m.corp:5000"), "mirror_url"),
        (("--mirror", f"{URL}/path"), "mirror_url"),
        (("--mirror-registry", "ghcr.io"), "no mirror_url"),
        (("--mirror", URL, "--mirror-registry", "ghcr.io/x"), "mirror_registries"),
        (("--mirror", URL, "--mirror-ca", "none.pem"), "none.pem: No such file"),
        (("--mirror", URL, "--mirror-ca", ".gitlab-ci.yml"), "no certificate in PEM"),
    ],
)
def test_bad_options_are_refused_before_anything_is_made(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    repository = Repository(tmp_path / "p", TEXT, tmp_path / "home")
    done = repository.run(*options)
    assert done.status == 2, done
    assert said in done.stderr
    assert not repository.state.exists()


def test_folders_of_an_image_keep_their_mode(address: str) -> None:
    engine = connect(address)
    container = engine.create(
        ContainerSpec(image="busybox", name=f"homeport-placed-{id(address)}", command=("true",))
    )
    try:
        place(engine, container, {"/tmp/a/b/c": "text", "/etc/d": "more"})
        engine.start(container)
        assert engine.wait(container) == 0
        found = engine.path_info(container, "/tmp/a/b/c")
        assert found is not None
        assert not found.directory
    finally:
        engine.remove(container)
        engine.close()


ENTRY = ["sh", "-c", 'echo "with $0 $*"; cat /etc/docker/certs.d/*/ca.crt; sleep 30']
DIND = """\
job:
  image: busybox
  services: [{name: 'NAME', alias: docker, command: [--debug]}]
  variables: {CI_DEBUG_SERVICES: 'true', WAIT_FOR_SERVICES_TIMEOUT: '0'}
  script: [sleep 2]
"""


@pytest.fixture
def dind(networked_address: str) -> Iterator[str]:
    """An image that takes options as Docker's own does, and tells what it got."""
    engine = connect(networked_address)
    name, tag = "homeport-tests", f"dind-{os.getpid()}"
    container = engine.create(ContainerSpec(image="busybox", name=f"homeport-make-{os.getpid()}"))
    changes = f"ENTRYPOINT {json.dumps(ENTRY)}"
    query = {"container": container, "repo": name, "tag": tag, "changes": changes}
    engine._call("POST", "/commit", query).close()
    engine.remove(container)
    yield f"{name}:{tag}"
    engine._call("DELETE", f"/images/{name}:{tag}", allowed=(404, 409)).close()
    engine.close()


def test_a_dind_service_receives_the_option_and_the_authority(
    tmp_path: Path, networked_address: str, dind: str
) -> None:
    (tmp_path / "ca.pem").write_text(PEM)
    repository = Repository(tmp_path / "p", DIND.replace("NAME", dind), tmp_path / "home")
    options = ("--mirror", URL, "--mirror-ca", str(tmp_path / "ca.pem"))
    done = repository.on(networked_address).run(*options)
    assert done.status == 0, done
    assert f"with --debug --registry-mirror={URL}" in done.stdout
    assert "-----BEGIN CERTIFICATE-----" in done.stdout
    assert f"service {dind} pulls through {URL} (--mirror)" in done.stdout
