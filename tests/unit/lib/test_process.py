import threading
import time
from pathlib import Path

import pytest

from homeport.lib.process import ProcessTree

PATH = "/usr/local/bin:/usr/bin:/bin"
MARK = "HOMEPORT_TEST_MARK=process"


def start(script: str, tmp_path: Path, *, grace: float = 2.0) -> ProcessTree:
    file = tmp_path / "script"
    file.write_text(script)
    name, _, value = MARK.partition("=")
    with file.open("rb") as stdin:
        return ProcessTree(
            ["sh"],
            cwd=str(tmp_path),
            env={"PATH": PATH, name: value},
            stdin=stdin.fileno(),
            mark=MARK,
            grace=grace,
        )


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path} did not appear")


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        ("echo a; echo b >&2", 0, b"a\nb\n"),
        ("exit 7", 7, b""),
        ("kill -9 $$", 137, b""),
        ("kill -TERM $$", 143, b""),
        ("exec >/dev/null 2>&1; sleep 0.2; exit 4", 4, b""),
        ("head -c 3000000 /dev/zero | tr '\\0' x", 0, b"x" * 3_000_000),
        ("(sleep 0.1; echo late) &", 0, b"late\n"),
    ],
)
def test_output_and_status(script: str, code: int, output: bytes, tmp_path: Path) -> None:
    out: list[bytes] = []
    assert start(script, tmp_path).read(out.append) == code
    assert b"".join(out) == output


def test_a_quiet_background_process_is_ended(tmp_path: Path) -> None:
    begun = time.monotonic()
    start("sleep 60 & echo $! > pid", tmp_path).read(lambda _: None)
    assert time.monotonic() - begun < 5
    assert not is_running(int(wait_for(tmp_path / "pid")))


def test_a_talking_background_process_is_ended(tmp_path: Path) -> None:
    begun = time.monotonic()
    start("(while :; do echo x; sleep 0.05; done) &", tmp_path).read(lambda _: None)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("command", ["sleep 60", "setsid sleep 60", "setsid nohup sleep 60"])
def test_an_end_reaches_all_descendants(command: str, tmp_path: Path) -> None:
    tree = start(f"{command} & echo $! > pid; echo ready > ready; wait", tmp_path)
    reader = threading.Thread(target=tree.read, args=(lambda _: None,))
    reader.start()
    wait_for(tmp_path / "ready")
    pid = int(wait_for(tmp_path / "pid"))
    tree.end()
    reader.join(10)
    assert not reader.is_alive()
    assert not is_running(pid)


def test_a_process_may_clean_up_when_asked_to_end(tmp_path: Path) -> None:
    tree = start("trap 'echo bye; exit 5' TERM; echo > ready; sleep 60 & wait", tmp_path)
    out: list[bytes] = []
    reader = threading.Thread(target=tree.read, args=(out.append,))
    reader.start()
    wait_for(tmp_path / "ready")
    tree.end()
    reader.join(10)
    assert b"".join(out) == b"bye\n"


def test_a_process_that_ignores_the_request_is_ended(tmp_path: Path) -> None:
    tree = start("trap '' TERM; echo > ready; while :; do sleep 1; done", tmp_path, grace=0.2)
    reader = threading.Thread(target=tree.read, args=(lambda _: None,))
    reader.start()
    wait_for(tmp_path / "ready")
    tree.end()
    tree.end()
    reader.join(5)
    assert not reader.is_alive()


def test_an_end_after_the_end_is_fine(tmp_path: Path) -> None:
    tree = start("exit 0", tmp_path)
    assert tree.read(lambda _: None) == 0
    tree.end()


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    before = open_files()
    with pytest.raises(FileNotFoundError):
        ProcessTree(["/nowhere/sh"], cwd=str(tmp_path), env={}, stdin=0)
    assert open_files() == before


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = open_files()
    for _ in range(3):
        start("echo a", tmp_path).read(lambda _: None)
    assert open_files() == before
