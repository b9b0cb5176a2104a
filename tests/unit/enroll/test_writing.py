"""Files are exchanged whole, with mode and owner, through links and over mount points."""

import errno
import os
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from homeport.enroll.errors import EnrollError
from homeport.enroll.model import FileState
from homeport.enroll.writing import make_folders, remove_file, remove_folder, write_file
from testbed.machine import Machine

ROOT = os.geteuid() == 0
FILE = "/etc/x/daemon.json"


def state(content: str, mode: int = 0o640, uid: int | None = None) -> FileState:
    return FileState(
        content=content,
        mode=mode,
        uid=os.geteuid() if uid is None else uid,
        gid=os.getegid() if uid is None else uid,
    )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_new_file_gets_its_mode_and_bytes_whatever_the_umask(machine: Machine) -> None:
    make_folders(machine.host, FILE)
    old = os.umask(0o077)
    try:
        write_file(machine.host, FILE, state("a\udcff\r\n", 0o664))
    finally:
        os.umask(old)
    assert machine.at(FILE).read_bytes() == b"a\xff\r\n"
    assert machine.at(FILE).stat().st_mode & 0o7777 == 0o664
    assert [entry.name for entry in machine.at("/etc/x").iterdir()] == ["daemon.json"]


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
def test_the_owner_is_kept(machine: Machine) -> None:
    machine.write(FILE, "old")
    write_file(machine.host, FILE, state("new", 0o600, uid=1234))
    found = machine.at(FILE).stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (1234, 1234, 0o600)


def test_a_link_stays_and_its_target_is_written(machine: Machine) -> None:
    target = machine.write("/srv/real.json", "old")
    machine.at("/etc/x").mkdir(parents=True)
    machine.at(FILE).symlink_to("../../srv/real.json")
    write_file(machine.host, FILE, state("new"))
    assert machine.at(FILE).is_symlink()
    assert target.read_text() == "new"
    assert not [p for p in machine.root.rglob("*") if "homeport-new" in p.name]


@pytest.fixture
def mounted(machine: Machine) -> Iterator[Path]:
    place = machine.write(FILE, "old, and longer")
    source = machine.write("/source", "old, and longer")
    if subprocess.run(
        ["mount", "--bind", source, place], check=False, capture_output=True
    ).returncode:
        pytest.skip("only root mounts")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_mounted_file_is_written_in_place(machine: Machine, mounted: Path) -> None:
    number = mounted.stat().st_ino
    write_file(machine.host, FILE, state("new"))
    assert machine.text(FILE) == machine.text("/source") == "new"
    assert mounted.stat().st_ino == number
    assert mounted.stat().st_mode & 0o7777 == 0o640
    write_file(machine.host, FILE, state("longer than both of them were"))
    assert machine.text("/source") == "longer than both of them were"


def test_a_full_disk_leaves_the_file_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write(FILE, "old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnrollError, match="No space left") as caught:
        write_file(machine.host, FILE, state("new"))
    assert "make room" in caught.value.hint
    assert machine.text(FILE) == "old"
    assert [entry.name for entry in machine.at("/etc/x").iterdir()] == ["daemon.json"]


def test_what_a_killed_run_left_is_no_hindrance(machine: Machine) -> None:
    machine.write("/etc/x/.daemon.json.homeport-new", "half")
    write_file(machine.host, FILE, state("new"))
    assert [entry.name for entry in machine.at("/etc/x").iterdir()] == ["daemon.json"]


def test_folders_are_named_when_made_and_removed_when_empty(machine: Machine) -> None:
    machine.at("/etc").mkdir()
    assert make_folders(machine.host, FILE) == ("/etc/x",)
    assert make_folders(machine.host, "/etc/a/b/c") == ("/etc/a", "/etc/a/b")
    machine.write(FILE, "")
    remove_folder(machine.host, "/etc/x")
    assert machine.at(FILE).exists()
    remove_file(machine.host, FILE)
    remove_file(machine.host, FILE)
    remove_folder(machine.host, "/etc/x")
    remove_folder(machine.host, "/etc/x")
    assert not machine.at("/etc/x").exists()


# For user 1234 to read, beside the owner, the group and others (acl(5), version 2).
ACL = struct.pack(
    "<I" + "HHI" * 5,
    *(2, 1, 6, 2**32 - 1, 2, 4, 1234, 4, 0, 2**32 - 1, 0x10, 4, 2**32 - 1, 0x20, 0, 2**32 - 1),
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("security.selinux", b"system_u:object_r:container_config_t:s0\0"),
        ("system.posix_acl_access", ACL),
        ("user.note", b"mine"),
    ],
)
def test_label_access_list_and_attributes_are_kept(
    machine: Machine, name: str, value: bytes
) -> None:
    place = machine.write(FILE, "old")
    try:
        os.setxattr(place, name, value)
    except OSError:
        pytest.skip(f"this file system has no {name}")
    found = machine.host.state(FILE)
    assert found is not None
    write_file(machine.host, FILE, replace(found, content="new"))
    assert os.getxattr(place, name) == value
    assert place.read_text() == "new"
    assert machine.host.state(FILE) == replace(found, content="new")


@pytest.mark.skipif(not ROOT, reason="only root makes folders for others")
def test_folders_are_open_whatever_the_umask_and_belong_to_whose_home_it_is(
    machine: Machine,
) -> None:
    home = machine.at("/home/ann")
    home.mkdir(parents=True)
    os.chown(home, 1234, 1235)
    old = os.umask(0o077)
    try:
        make_folders(machine.host, "/home/ann/.config/containers/x.conf")
    finally:
        os.umask(old)
    for place in (home / ".config", home / ".config" / "containers"):
        found = place.stat()
        assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o755, 1234, 1235)


def test_a_link_that_led_nowhere_does_so_again(machine: Machine) -> None:
    machine.at("/etc/x").mkdir(parents=True)
    machine.at("/srv").mkdir()
    machine.at(FILE).symlink_to("../../srv/real.json")
    write_file(machine.host, FILE, state("new"))
    assert machine.text("/srv/real.json") == "new"
    remove_file(machine.host, FILE)
    assert machine.at(FILE).is_symlink()
    assert not machine.at("/srv/real.json").exists()
