"""Root does not go where a user's link would lead it, also not between two of its steps."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from homeport.enroll import places, writing
from homeport.enroll.errors import EnrollError
from homeport.enroll.model import FileState
from homeport.enroll.writing import make_folders, remove_file, remove_folder, write_file
from testbed.machine import Machine

ANN = 1234
FILE = "/home/ann/.config/docker/daemon.json"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root must not be led astray")


def state(content: str = "new") -> FileState:
    return FileState(content, 0o644, ANN, ANN)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "root", uid=0)
    made.at(FILE).parent.mkdir(parents=True)
    for place in (made.at("/home/ann"), *made.at("/home/ann").rglob("*")):
        os.chown(place, ANN, ANN)
    made.write("/etc/secret", "root's")
    return made


def link(place: Path, target: str, owner: int = ANN) -> None:
    place.symlink_to(target)
    os.lchown(place, owner, owner)


@pytest.mark.parametrize("target", ["../../../../etc/secret", "../../../../etc/not-there"])
def test_a_users_link_to_what_is_roots_is_not_followed(machine: Machine, target: str) -> None:
    link(machine.at(FILE), target)
    before = machine.files()
    for act in (
        lambda: machine.host.state(FILE),
        lambda: write_file(machine.host, FILE, state()),
        lambda: remove_file(machine.host, FILE),
    ):
        with pytest.raises(EnrollError, match="root does not follow it") as caught:
            act()
        assert FILE in caught.value.message
        assert "as that user" in caught.value.hint
    assert machine.host.real(FILE) == FILE
    assert machine.files() == before


def test_a_linked_folder_is_none_to_work_in(machine: Machine) -> None:
    machine.at(FILE).parent.rmdir()
    link(machine.at(FILE).parent, "../../../etc")
    before = machine.files()
    for act in (
        lambda: write_file(machine.host, FILE, state()),
        lambda: make_folders(machine.host, "/home/ann/.config/docker/certs.d/m/ca.crt"),
        lambda: remove_folder(machine.host, "/home/ann/.config/docker/x"),
    ):
        with pytest.raises(EnrollError, match="root does not follow it"):
            act()
    assert machine.files() == before


def test_links_of_root_and_to_what_is_his_own_are_followed(machine: Machine) -> None:
    dotfiles = machine.write("/home/ann/dotfiles/daemon.json", "old")
    os.chown(dotfiles, ANN, ANN)
    link(machine.at(FILE), "../../dotfiles/daemon.json")
    write_file(machine.host, FILE, state())
    assert dotfiles.read_text() == "new"
    link(machine.at("/etc/link"), "secret", owner=0)
    write_file(machine.host, "/etc/link", state("roots"))
    assert machine.text("/etc/secret") == "roots"


def test_a_chain_of_links_is_as_weak_as_the_users(machine: Machine) -> None:
    link(machine.at("/etc/second"), "secret", owner=0)
    link(machine.at(FILE), "../../../../etc/second")
    with pytest.raises(EnrollError, match="root does not follow it"):
        write_file(machine.host, FILE, state())
    assert machine.text("/etc/secret") == "root's"


@pytest.mark.parametrize(
    "act",
    [
        lambda host: write_file(host, FILE, state()),
        lambda host: remove_file(host, FILE),
        lambda host: make_folders(host, "/home/ann/.config/docker/certs.d/ca.crt"),
        lambda host: remove_folder(host, "/home/ann/.config/docker/empty"),
    ],
    ids=["write", "remove", "make", "rmdir"],
)
def test_a_link_that_comes_between_is_not_followed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, act: Callable[[object], object]
) -> None:
    """Looked at, and then exchanged: what was a folder is a link to root's."""
    for name in ("daemon.json", "empty/x", "docker/x"):
        machine.write(f"/etc/{name}", "root's")
    machine.at("/etc/empty/x").unlink()
    machine.at("/home/ann/.config/docker/empty").mkdir()
    machine.write(FILE, "ann's")
    before = {path: found for path, found in machine.files().items() if path.startswith("/etc")}
    real = places.follow

    def exchanged(place: Path, named: str = "") -> Path:
        found = real(place, named)
        folder = machine.at("/home/ann/.config/docker")
        if not folder.is_symlink():
            folder.rename(machine.at("/home/ann/.config/away"))
            link(folder, "../../../etc")
        return found

    monkeypatch.setattr(writing, "follow", exchanged)
    with pytest.raises(EnrollError):
        act(machine.host)
    after = {path: found for path, found in machine.files().items() if path.startswith("/etc")}
    assert after == before


def test_a_folder_that_becomes_a_link_is_not_given_away(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made, and exchanged before its owner is set: root's folder stays root's."""
    machine.at("/etc/roots").mkdir(mode=0o700)
    made = os.mkdir

    def exchanged(name: str, mode: int, *, dir_fd: int) -> None:
        made(name, mode, dir_fd=dir_fd)
        os.rmdir(name, dir_fd=dir_fd)
        os.symlink(machine.at("/etc/roots"), name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", exchanged)
    with pytest.raises(EnrollError):
        make_folders(machine.host, "/home/ann/.config/docker/certs.d/ca.crt")
    found = machine.at("/etc/roots").stat()
    assert (found.st_uid, found.st_mode & 0o777) == (0, 0o700)


def test_a_loop_of_links_ends(machine: Machine) -> None:
    link(machine.at(FILE), "daemon.json")
    with pytest.raises(EnrollError):
        machine.host.state(FILE)
