"""`homeport gitlab-ci-local` with jobs in containers, on both engines."""

from pathlib import Path

import pytest

from testbed.runs import Repository, containers

pytestmark = pytest.mark.engine
TEXT = """\
inside:
  script: ['cat /given/file', 'echo made > made']
  artifacts: {paths: [made]}
named:
  image: busybox
  needs: [inside]
  script: [cat made]
"""


@pytest.fixture(params=["docker", "podman"])
def address(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_address"))


def test_options_reach_the_containers(tmp_path: Path, address: str) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "file").write_text("from outside\n")
    repository = Repository(tmp_path / "p", TEXT, tmp_path / "home").on(address)
    arguments = ("--no-shell-executor-no-image", "--default-image", "debian:bookworm")
    done = repository.start("gitlab-ci-local", *arguments, "--volume", f"{given}:/given:ro").end()
    assert done.status == 0, done
    assert "inside starting debian:bookworm (test)\n" in done.stdout
    assert "inside > from outside\n" in done.stdout
    assert "named  starting busybox (test)\n" in done.stdout
    assert "named  > made\n" in done.stdout
    assert " PASS  named" in done.stdout
    assert (repository.root / "made").read_text() == "made\n"
    assert containers(address, repository.home) == []
