"""Whatever stands in the place of a file is looked at in bounded time, and never raises an
OSError."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from homeport.enroll.errors import EnrollError
from homeport.enroll.host import MAX_BYTES
from testbed.machine import Machine

FILE = "/etc/x/daemon.json"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "root")
    made.at("/etc/x").mkdir(parents=True)
    return made


def listen(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        folder = os.open(place.parent, os.O_RDONLY)
        made.bind(f"/proc/self/fd/{folder}/{place.name}")
        os.close(folder)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "is no regular file"),
        (lambda place: place.symlink_to("/dev/zero"), "is no regular file"),
        (lambda place: place.symlink_to("/dev/tty"), "."),
        (listen, "is no regular file"),
        (Path.mkdir, "is a folder"),
        (lambda place: place.symlink_to(place.name), "cannot read"),
        (lambda place: place.write_bytes(b" " * (MAX_BYTES + 1)), "is larger than"),
    ],
    ids=["fifo", "device", "terminal", "socket", "folder", "loop", "huge"],
)
def test_what_is_no_file_is_said_to_be(
    machine: Machine, make: Callable[[Path], object], said: str
) -> None:
    make(machine.at(FILE))
    with pytest.raises(EnrollError, match=said) as caught:
        machine.host.state(FILE)
    assert FILE in caught.value.message


def test_a_pipe_with_a_writer_that_says_nothing_is_not_waited_for(machine: Machine) -> None:
    os.mkfifo(machine.at(FILE))
    end = os.open(machine.at(FILE), os.O_RDWR)
    try:
        with pytest.raises(EnrollError, match="is no regular file"):
            machine.host.state(FILE)
    finally:
        os.close(end)


CLOSED = """
import os, sys
from pathlib import Path
from testbed.machine import Machine
from homeport.enroll.errors import EnrollError
root = Path(sys.argv[1])
os.setgroups([]); os.setgid(1234); os.setuid(1234)
host = Machine(root).host
assert host.list("/closed/x") == ()
assert not host.exists("/closed/x/daemon.json")
assert not host.is_dir("/closed/x")
assert not host.may_write("/closed/x/daemon.json")
assert host.may_write("/home/ann/.config/containers/registries.conf.d/x.conf")
assert host.may_write("/home/ann/there.conf")
assert not host.may_write("/home/ann.conf")
assert not host.may_write("/home/ann/link.conf")
assert host.real("/closed/x/daemon.json") == "/closed/x/daemon.json"
try:
    host.state("/closed/x/daemon.json")
except EnrollError as error:
    assert "Permission denied" in error.message
else:
    raise SystemExit("read it")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_what_another_user_sees_and_may_write() -> None:
    with tempfile.TemporaryDirectory(prefix="homeport-test-") as folder:
        Path(folder).chmod(0o755)
        machine = Machine(Path(folder, "root"))
        machine.write("/closed/x/daemon.json", "{}")
        machine.at("/closed").chmod(0o700)
        machine.write("/home/ann/there.conf", "")
        machine.at("/home/ann/link.conf").symlink_to("../not-hers.conf")
        os.chown(machine.at("/home/ann"), 1234, 1234)
        done = subprocess.run(
            [sys.executable, "-c", CLOSED, str(machine.root)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert done.returncode == 0, done.stderr
