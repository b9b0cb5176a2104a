"""Whether a service is ready: by its image's HEALTHCHECK, else by a TCP port that answers.

The HEALTHCHECK is run by us, more often than its own interval (30 s unless written) would have it.
A port is tried from this machine where the container's network is this machine's, else from a
short-lived container of the job's own image, which needs a shell and one of bash, nc, python3 or
perl in it.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from homeport.engine.api import ContainerState, Engine, EngineError

CHECKED_PORTS = 20
PORT_VARIABLE = "HEALTHCHECK_TCP_PORT"
_PAUSE = 0.1
_LONGEST_PAUSE = 1.0
_NO_TOOL = 7
_EARLY_END = 1.0
"""Seconds in which a service that nobody can ask may still end by itself."""
_PROBE = """\
if command -v bash >/dev/null 2>&1; then t() { bash -c "exec 3<>/dev/tcp/$1/$2"; }
elif command -v nc >/dev/null 2>&1; then t() { nc -w 1 "$1" "$2" </dev/null; }
elif command -v python3 >/dev/null 2>&1; then t() {
python3 -c 'import socket,sys;socket.create_connection(sys.argv[1:],1)' "$1" "$2"; }
elif command -v perl >/dev/null 2>&1; then t() {
perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new("$ARGV[0]:$ARGV[1]")' "$1" "$2"; }
else exit 7; fi
a=$1; shift
while :; do for p; do t "$a" "$p" >/dev/null 2>&1 && exit 0; done; sleep 1; done
"""


def probe_command(address: str, ports: Sequence[int]) -> tuple[str, ...]:
    """A program that ends with 0 once one port answers, and with 7 if it cannot ask."""
    return ("sh", "-c", _PROBE, "probe", address, *(str(port) for port in ports))


class Asked(Struct, frozen=True, kw_only=True):
    """A service that was started. In its environment `env` HEALTHCHECK_TCP_PORT names the one port
    to try."""

    container: str
    ports: tuple[int, ...] = ()
    env: Mapping[str, str] = {}

    @property
    def tried_ports(self) -> tuple[int, ...]:
        named = self.env.get(PORT_VARIABLE, "")
        if named.isdecimal() and 0 < int(named) < 65536:
            return (int(named),)
        return self.ports[:CHECKED_PORTS]


Probe = Callable[[str, Sequence[int], Callable[[], bool]], int | None]
"""Tries ports of an address from inside: an exit code, or None if asked to give up."""


def wait_until_ready(
    engine: Engine, asked: Asked, probe: Probe, *, limit: float, stopped: threading.Event
) -> str | None:
    """None once the service is ready, else what is wrong, after at most `limit` seconds.

    Returns soon when `stopped` is set. Raises `EngineError` only when the engine is gone.
    """
    end = time.monotonic() + limit
    while True:
        state = engine.state(asked.container)
        if not state.running:
            return f"it ended with exit code {state.exit_code}"
        if state.health or not asked.tried_ports or state.address or stopped.is_set():
            break
        if time.monotonic() > end:
            return "it got no address"
        stopped.wait(_PAUSE)
    if state.health:
        return _by_health(engine, asked, state.health, end=end, stopped=stopped)
    if not asked.tried_ports:
        stopped.wait(min(_EARLY_END, limit))
        return _ended(engine, asked) or "its image exposes no port that could be tried"
    if _is_here(state):
        return _by_tcp(engine, asked, state.address, end, stopped)
    return _from_inside(engine, asked, state.address, probe, end=end, stopped=stopped)


def _by_health(
    engine: Engine,
    asked: Asked,
    health: Sequence[str],
    *,
    end: float,
    stopped: threading.Event,
) -> str | None:
    last, pause = "its HEALTHCHECK did not answer", _PAUSE
    while (left := end - time.monotonic()) > 0 and not stopped.is_set():
        try:
            code = engine.check(asked.container, health, left)
        except EngineError:
            pass  # it took too long, or the container ended: which, is asked next
        else:
            if code == 0:
                return None
            last = f"its HEALTHCHECK ends with exit code {code}"
        ended = _ended(engine, asked)
        if ended is not None:
            return ended
        stopped.wait(min(pause, max(0.0, end - time.monotonic())))
        pause = min(pause * 2, _LONGEST_PAUSE)
    return last


def _by_tcp(
    engine: Engine, asked: Asked, address: str, end: float, stopped: threading.Event
) -> str | None:
    pause = _PAUSE
    while (left := end - time.monotonic()) > 0 and not stopped.is_set():
        for port in asked.tried_ports:
            try:
                socket.create_connection((address, port), timeout=min(1.0, left)).close()
            except OSError:
                continue
            return None
        ended = _ended(engine, asked)
        if ended is not None:
            return ended
        stopped.wait(min(pause, max(0.0, end - time.monotonic())))
        pause = min(pause * 2, _LONGEST_PAUSE)
    return _silent(asked)


def _from_inside(
    engine: Engine,
    asked: Asked,
    address: str,
    probe: Probe,
    *,
    end: float,
    stopped: threading.Event,
) -> str | None:
    told: list[str] = []

    def give_up() -> bool:
        if stopped.is_set() or time.monotonic() > end:
            return True
        ended = _ended(engine, asked)
        if ended is not None:
            told.append(ended)
        return ended is not None

    code = probe(address, asked.tried_ports, give_up)
    if code == 0:
        return None
    if told:
        return told[0]
    if code is None:
        return _silent(asked)
    if code == _NO_TOOL:
        return "the job's image has none of bash, nc, python3 and perl to try its ports with"
    return f"its ports could not be tried from the job's image (exit code {code})"


def _ended(engine: Engine, asked: Asked) -> str | None:
    state = engine.state(asked.container)
    return None if state.running else f"it ended with exit code {state.exit_code}"


def _silent(asked: Asked) -> str:
    ports = ", ".join(str(port) for port in asked.tried_ports)
    return f"no TCP port of it answers in time (tried: {ports})"


def _is_here(state: ContainerState) -> bool:
    """Whether the container's network is one of this machine's: its gateway is an address of ours,
    which is so where nobody but we could take it."""
    family = socket.AF_INET6 if ":" in state.gateway else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as own:
            own.bind((state.gateway, 0))
    except OSError:
        return False
    return bool(state.gateway)
