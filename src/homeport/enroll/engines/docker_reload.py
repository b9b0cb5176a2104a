"""Have a daemon read its file, look at what it holds, and clear it for an undo.

A reload is not atomic: of a file with a bad mirror, dockerd takes what stood before it. And what
is no longer in the file stays in the daemon. So nothing is believed but `/info`.
"""

import signal
import time
from collections.abc import Callable, Sequence
from typing import Optional

from homeport.enroll.engines.docker_api import Daemon, Registries
from homeport.enroll.engines.docker_config import INSECURE, MIRRORS, read_config, same_mirror
from homeport.enroll.engines.docker_draft import release_of
from homeport.enroll.engines.docker_places import runtime_of
from homeport.enroll.engines.docker_process import Process, find_process
from homeport.enroll.errors import EngineError, EnrollError
from homeport.enroll.formats.json_text import set_key
from homeport.enroll.host import Host
from homeport.enroll.model import Effect, Engine, EnginePlan, FileChange, FileState, Finding
from homeport.enroll.writing import make_folders, write_file

RELOAD = 8.0
RESTART = 90.0
_VALIDATES = 23
"""The release from which there is `dockerd --validate`."""


def take_up(host: Host, plan: EnginePlan) -> None:
    engine = plan.engine
    if plan.effect is Effect.RESTART:
        _validate(host, engine)
        _restart(host, engine)
    elif plan.effect is Effect.RELOAD and _is_up(host, engine):
        _validate(host, engine)
        _reload(host, engine)


def confirm(host: Host, plan: EnginePlan) -> "tuple[Finding, ...]":
    engine = plan.engine
    changed = [change for change in plan.changes if change.path == engine.config]
    if not changed or plan.effect is Effect.RECREATE or not _is_up(host, engine):
        return ()
    held = _daemon(engine, host).registries()
    found = []
    for change in changed:
        names = {key.path[0] for key in change.keys}
        wanted, unwanted = _lists(change.after, engine), _lists(change.before, engine)
        if MIRRORS in names and not _same(held.mirrors, wanted[MIRRORS]):
            words = f"the mirrors {_shown(held.mirrors)}, not {_shown(wanted[MIRRORS])}"
            found.append(_mismatch(engine, words))
        if INSECURE in names:
            gone = set(unwanted[INSECURE]) - set(wanted[INSECURE])
            missing = [name for name in wanted[INSECURE] if not _is_held(name, held)]
            words = ", ".join([*missing, *sorted(gone & set(held.insecure))])
            if words:
                found.append(_mismatch(engine, f"another choice about {words}"))
    return tuple(found)


def before_undo(host: Host, engine: Engine, changes: Sequence[FileChange]) -> None:
    """Empty lists clear the daemon; removed keys, or a removed file, would not. Raises
    EngineError."""
    if engine.facts.get("wrapper") or not _is_up(host, engine):
        return
    for change in changes:
        names = [key.path[0] for key in change.keys if key.path[0] in (MIRRORS, INSECURE)]
        if change.path != engine.config or not names:
            continue
        try:
            _write_empty(host, change.path, names)
            _reload(host, engine)
        except EnrollError as error:
            raise EngineError(
                f"the daemon keeps the mirror until it is restarted: {error.message}",
                hint="systemctl restart docker",
            ) from None
        held = _daemon(engine, host).registries().mirrors
        if MIRRORS in names and held:
            raise EngineError(
                f"the daemon still holds the mirrors {_shown(held)}",
                hint="systemctl restart docker",
            )


def _write_empty(host: Host, path: str, names: Sequence[str]) -> None:
    state = host.state(path)
    if state is None:
        uid, gid = host.owner(path)
        state = FileState("{}\n", 0o644, uid, gid)
    text = state.content
    for name in names:
        text = set_key(text, path, (name,), [])
    make_folders(host, path)
    write_file(host, path, FileState(text, state.mode, state.uid, state.gid))


def _reload(host: Host, engine: Engine) -> None:
    daemon = _daemon(engine, host)
    since = time.time()
    process = _process(host, engine, daemon)
    if process is not None:
        host.signal(process.id, signal.SIGHUP)
    else:
        user = ["--user"] if engine.facts.get("manager") == "systemd-user" else []
        ran = host.run("systemctl", *user, "reload", "docker")
        if ran.status != 0:
            raise EngineError(
                f"cannot find the process of {engine.title}, nor reload its service: "
                f"{ran.err.strip()}"
            )
    if not _wait(lambda: bool(daemon.reloads(since)), RELOAD):
        raise EngineError(
            f"{engine.title} was told to reload {engine.config}, and did not within {RELOAD:g} s",
            hint="its log says why: journalctl -u docker",
        )


def _restart(host: Host, engine: Engine) -> None:
    for command in (("daemon-reload",), ("restart", "docker")):
        ran = host.run("systemctl", *command, limit=RESTART)
        if ran.status != 0:
            raise EngineError(
                f"systemctl {' '.join(command)} failed: {ran.err.strip()}",
                hint="journalctl -u docker",
                said=ran.err.strip(),
            )
    if not _wait(lambda: _is_up(host, engine), RESTART):
        raise EngineError(
            f"{engine.title} is not back after a restart", hint="journalctl -u docker"
        )


def _validate(host: Host, engine: Engine) -> None:
    """By our own rules and, from 23 on, by the daemon's program. Raises EnrollError before the
    daemon gets to see the file."""
    path = engine.config or ""
    text = host.text(path)
    if text is None:
        return
    read_config(text, path, release_of(engine))
    program = str(engine.facts.get("program") or "dockerd")
    if release_of(engine) < _VALIDATES:
        return
    ran = host.run(program, "--validate", f"--config-file={path}")
    if ran.status not in (0, 126, 127):
        raise EngineError(
            f"dockerd --validate refuses {path}: {ran.err.strip()}", said=ran.err.strip()
        )


def _is_up(host: Host, engine: Engine) -> bool:
    socket = engine.facts.get("socket")
    if not socket:
        return False
    try:
        _daemon(engine, host).version()
    except EnrollError:
        return False
    return True


def _daemon(engine: Engine, host: Host) -> Daemon:
    return Daemon(host, str(engine.facts["socket"]))


def _process(host: Host, engine: Engine, daemon: Daemon) -> Optional[Process]:
    user = engine.facts.get("user")
    runtime = runtime_of(host, user if isinstance(user, int) else -1)
    return find_process(host, daemon.peer(), daemon.path, runtime)


def _lists(state: Optional[FileState], engine: Engine) -> "dict[str, tuple[str, ...]]":
    if state is None:
        return {MIRRORS: (), INSECURE: ()}
    config = read_config(state.content, engine.config or "", release_of(engine))
    return {MIRRORS: config.texts(MIRRORS), INSECURE: config.texts(INSECURE)}


def _same(held: Sequence[str], wanted: Sequence[str]) -> bool:
    return len(held) == len(wanted) and all(map(same_mirror, held, wanted))


def _is_held(name: str, held: Registries) -> bool:
    """A network cannot be told from how the daemon writes it; it is believed."""
    return name in held.insecure or "/" in name


def _shown(urls: Sequence[str]) -> str:
    return ", ".join(urls) or "none"


def _mismatch(engine: Engine, words: str) -> Finding:
    return Finding(
        "docker-mismatch",
        f"{engine.title} holds {words}",
        "its log says why: journalctl -u docker",
        engine.config or "",
        "error",
    )


def _wait(condition: "Callable[[], bool]", limit: float) -> bool:
    end = time.monotonic() + limit
    while True:
        try:
            if condition():
                return True
        except EnrollError:
            pass
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
