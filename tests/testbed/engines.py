"""Start private engines, share them between test processes, stop them after the last one.

A process that uses an engine holds a shared lock on its folder. Who finds nothing listening starts
the engine; who lets go last stops it. So workers of one session, and two sessions at once, share
one. Data (the images) stay in the cache folder between sessions.
"""

import fcntl
import hashlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from homeport.engine.api import EngineError
from homeport.engine.docker import DockerEngine, connect
from homeport.engine.http import Client
from testbed import lesser_runtime
from testbed.images import provide

_START = 90.0
Command = Callable[[Path, Path], list[str]]
_APART = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""In front of a command: a network namespace of its own."""


def cache_folder() -> Path:
    """`HOMEPORT_TEST_CACHE`, or a folder of ours in the user's cache."""
    named = os.environ.get("HOMEPORT_TEST_CACHE")
    if named:
        return Path(named).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "homeport-tests")


@contextmanager
def private_docker() -> Iterator[str]:
    """The address of a Docker engine of the tests' own; without any network."""
    with _shared("docker", _dockerd) as address:
        yield address


@contextmanager
def networked_docker() -> Iterator[str]:
    """The address of a Docker engine of the tests' own that can make networks: in a network
    namespace of its own, so that no bridge and no rule is the machine's. It cannot pull."""
    with _shared("networked", _networked_dockerd) as address:
        yield address


@contextmanager
def private_podman() -> Iterator[str]:
    """The address of a Podman service of the tests' own; its network reaches nothing."""
    with _shared("podman", _podman) as address:
        yield address


def _dockerd(data: Path, run: Path) -> list[str]:
    # No bridge and no rules: two engines that share those break each other.
    return [
        *_as_root(),
        "dockerd",
        f"--data-root={data}",
        f"--exec-root={run / 'exec'}",
        f"--pidfile={run / 'engine.pid'}",
        f"--host=unix://{run / 'socket'}",
        f"--group={os.getgid()}",
        "--bridge=none",
        "--iptables=false",
        "--ip-forward=false",
        "--ip-masq=false",
    ]


def _networked_dockerd(data: Path, run: Path) -> list[str]:
    pool = "--default-address-pool=base=10.213.0.0/16,size=26"
    command = [*_as_root(), *_APART, *_dockerd(data, run)[len(_as_root()) :], pool]
    return [*command, *lesser_runtime.flags(run)]


def _podman(data: Path, run: Path) -> list[str]:
    config = run / "containers.conf"
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    _, processes = resource.getrlimit(resource.RLIMIT_NPROC)
    highest = int(Path("/proc/sys/kernel/pid_max").read_text())
    processes = highest if processes == resource.RLIM_INFINITY else min(processes, highest)
    # Podman's own default limits are above what a machine may allow.
    config.write_text(
        f"""[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
    )
    return [
        *_as_root(),
        # Its compatible API gives containers a bridge whatever the configuration says; in a network
        # namespace of its own neither that nor its rules are the machine's.
        *_APART,
        "env",
        f"CONTAINERS_CONF={config}",
        "podman",
        f"--root={data}",
        f"--runroot={run / 'run'}",
        f"--tmpdir={run / 'tmp'}",
        "system",
        "service",
        "--time=0",
        f"unix://{run / 'socket'}",
    ]


def inside(address: str) -> list[str]:
    """What stands before a command that is to run in an engine's network namespace."""
    run = Path(address.removeprefix("unix://")).parent
    pid = (run / "started.pid").read_text()
    return [*_as_root(), "nsenter", f"--net=/proc/{pid}/ns/net"]


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


@contextmanager
def _shared(name: str, command: Command) -> Iterator[str]:
    data = cache_folder() / name
    # A socket's path must be short, so it cannot lie in the cache folder.
    key = hashlib.sha256(os.fsencode(data)).hexdigest()[:8]
    run = Path(f"/tmp/homeport-test-{os.getuid()}-{key}")
    data.mkdir(parents=True, exist_ok=True)
    run.mkdir(mode=0o700, exist_ok=True)
    address = f"unix://{run / 'socket'}"
    with (run / "users").open("w") as users:
        try:
            with _alone(run):
                fcntl.flock(users, fcntl.LOCK_SH)
                if not _answers(address):
                    _start(command(data, run), run, address)
                    _empty(address)
                _provide(address)
            yield address
        finally:
            with _alone(run):
                _stop_after_the_last(run, users.fileno())


@contextmanager
def _alone(run: Path) -> Iterator[None]:
    with (run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(command: list[str], run: Path, address: str) -> None:
    for stale in ("socket", "engine.pid", "docker.pid"):
        (run / stale).unlink(missing_ok=True)
    with (run / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    (run / "started.pid").write_text(str(process.pid))
    limit = time.monotonic() + _START
    while not _answers(address):
        if os.geteuid() != 0 and (run / "socket").exists():
            # Podman gives its socket to root alone; the folder around it is ours alone.
            subprocess.run(["sudo", "-n", "chmod", "666", str(run / "socket")], check=False)
        ended = process.poll()
        if ended is not None or time.monotonic() > limit:
            log_end = (run / "log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command)} does not serve ({ended}):\n{log_end}")
        time.sleep(0.05)
    # The engine outlives this process if others use it, and is none of its children's business.
    process.returncode = 0


def _stop_after_the_last(run: Path, users: int) -> None:
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    pid = int((run / "started.pid").read_text())
    if str(run) not in _command_line(pid):
        return
    _signal(pid, signal.SIGTERM)
    limit = time.monotonic() + 30
    while _command_line(pid) and time.monotonic() < limit:
        time.sleep(0.02)


def _command_line(pid: int) -> str:
    """Empty for a process that is gone, or is a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _signal(pid: int, number: int) -> None:
    if os.geteuid() == 0:
        os.kill(pid, number)
    else:
        subprocess.run(["sudo", "-n", "kill", f"-{number}", str(pid)], check=True)


def _answers(address: str) -> bool:
    engine = connect(address)
    try:
        engine.ping(2.0)
    except EngineError:
        return False
    return True


def _empty(address: str) -> None:
    """Remove the containers that an earlier session left: nobody else uses the engine yet."""
    engine = connect(address)
    for container in engine.containers({}):
        engine.remove(container)
    for network in engine.networks({}):
        if network.startswith(("homeport-", "contract-")):
            engine.remove_network(network)
    engine.close()


def _provide(address: str) -> None:
    engine: DockerEngine = connect(address)
    client = Client(engine._client.address)
    client.prefix = "/v1.41"
    provide(engine, client)
    engine.close()
    client.close()
