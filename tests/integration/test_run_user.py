"""Homeport as a user who is not root: nothing of root's is left in their home or tree."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.runs import Repository

pytestmark = pytest.mark.engine
NAME = "homeport-tester"
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]
TEXT = """\
job:
  script:
    - id -u; touch made; mkdir -p sub; echo x > sub/file; chmod -R 500 sub
  artifacts: {paths: [made, sub]}
next: {stage: deploy, script: ['cat sub/file; ls']}
boxed:
  stage: deploy
  image: IMAGE
  script: ['cat sub/file; echo more > new; id -u']
  artifacts: {paths: [new]}
"""


@pytest.fixture(scope="module")
def user() -> Iterator[pwd.struct_passwd]:
    """A user of this machine, made for the test if there is none."""
    subprocess.run([*AS_ROOT, "useradd", "-M", "-s", "/bin/sh", NAME], check=False)
    yield pwd.getpwnam(NAME)
    subprocess.run([*AS_ROOT, "userdel", NAME], check=True, capture_output=True)


@pytest.mark.parametrize("image", ["alpine:3.20", "nonroot"])
def test_nothing_of_roots_is_left(user: pwd.struct_passwd, docker_address: str, image: str) -> None:
    base = Path(f"/tmp/homeport-user-{os.getpid()}-{image.partition(':')[0]}")
    text = TEXT.replace("IMAGE", image)
    repository = Repository(base / "group/project", text, base / "home").on(docker_address)
    repository.env["USER"] = NAME
    socket = Path(docker_address.removeprefix("unix://"))
    # The socket's folder is its owner's alone; a member of the docker group may use the socket.
    opened = [str(path) for path in (socket, socket.parent)]
    subprocess.run([*AS_ROOT, "chmod", "o+rwx", *opened], check=True)
    try:
        subprocess.run([*AS_ROOT, "chown", "-R", f"{user.pw_uid}:{user.pw_gid}", base], check=True)
        as_user = [
            *AS_ROOT, "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
            "--clear-groups",
            # To read, not to write: the environment with homeport may lie in root's home.
            "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
        ]  # fmt: skip
        done = repository.run(command=as_user)
        assert done.status == 0, done
        assert f"{user.pw_uid}\n" in done.log("job")
        assert done.log("boxed").splitlines()[-1] == ("0" if image != "nonroot" else "1000")
        foreign = [str(p) for p in base.rglob("*") if p.lstat().st_uid != user.pw_uid]
        assert foreign == []
        assert repository.leftovers() == []
    finally:
        subprocess.run([*AS_ROOT, "chmod", "o-rwx", *opened], check=True)
        subprocess.run([*AS_ROOT, "rm", "-rf", base], check=True)
