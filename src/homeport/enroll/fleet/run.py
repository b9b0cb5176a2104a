"""Run the play by the ansible of this very Python, follow it, and leave nothing behind.

The first request to stop (Ctrl-C) brings the hosts that are being worked on to their end and begins
no others; the second one ends ansible, and what it has left on hosts is removed by a play of its
own.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Optional

from homeport.enroll.errors import EnrollError, MachineError
from homeport.enroll.fleet import playbook
from homeport.enroll.fleet.asked import Asked
from homeport.enroll.fleet.report import (
    Event,
    HostReport,
    Report,
    host_report,
    left_folder,
    make_report,
)
from homeport.enroll.zipapp import build_zipapp

Told = Callable[[HostReport], None]

TICK = 0.05
LAST_WORDS = 10.0
CLEANING = 60.0
SAID = 4000
SSH = """\
#!/bin/sh
# Host keys are checked whatever a configuration or an inventory says: ssh takes the first value.
# A connection that is shared would have been checked for another name, or not at all.
exec {ssh} -o StrictHostKeyChecking=yes -o VerifyHostKeyDNS=no -o BatchMode={batch} \\
    -o ControlMaster=no -o ControlPath=none \\
    -o ServerAliveInterval=15 -o ServerAliveCountMax=4 "$@"
"""


def run_fleet(asked: Asked, *, told: Told = lambda _: None) -> Report:
    """Do it on each host; `told` hears of each that is done.

    Raises MachineError without ansible or ssh, EnrollError where ansible cannot begin (an inventory
    that it does not understand, no host).
    """
    if find_spec("ansible") is None:
        raise MachineError(
            "the fleet needs ansible-core, which is not here", hint="pip install 'homeport[fleet]'"
        )
    with tempfile.TemporaryDirectory(prefix="homeport-fleet-") as name:
        return _Run(asked, Path(name), told).whole()


class _Run:
    """One run in its private folder (0700)."""

    def __init__(self, asked: Asked, folder: Path, told: Told) -> None:
        self._asked = asked
        self._folder = folder
        self._told = told
        self._events: list[Event] = []
        self._seen: dict[str, list[Event]] = {}
        self._done: set[str] = set()
        self._stops = 0
        self._read = 0
        self._rest = b""

    def whole(self) -> Report:
        self._prepare()
        before = {number: signal.signal(number, self._stop) for number in _SIGNALS}
        try:
            try:
                code = self._play()
            finally:
                self._clean()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        cut = self._stops > 0 or code < 0
        report = make_report(self._asked.command, self._events, interrupted=cut)
        if not report.hosts:
            raise EnrollError(self._said(code), hint="ansible-inventory --graph shows what it sees")
        return report

    def _prepare(self) -> None:
        asked, folder = self._asked, self._folder
        ssh = shutil.which("ssh") or "/bin/false"
        # A password is typed by ansible where it was given one; a prompt would hang.
        self._write("ssh", SSH.format(ssh=ssh, batch="no" if _has_password() else "yes"), 0o700)
        self._write("question.json", json.dumps(asked.question))
        if asked.become_password is not None:
            self._write("become", asked.become_password + "\n")
        self._write("program", base64.b64encode(build_zipapp()).decode())
        play = playbook.playbook(asked, stop=str(folder / "stop"))
        self._write("play.json", json.dumps(play))
        self._write("events", "")

    def _write(self, name: str, text: str, mode: int = 0o600) -> Path:
        place = self._folder / name
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return place

    def _command(self, play: str) -> "list[str]":
        asked = self._asked
        command = [sys.executable, "-m", "ansible", "playbook", str(self._folder / play)]
        command += [f"--inventory={inventory}" for inventory in asked.inventories]
        command += ["--forks", str(asked.forks), "--extra-vars", json.dumps(self._variables())]
        if asked.limit is not None:
            command.append(f"--limit={asked.limit}")
        if asked.become_password is not None:
            command += ["--become-password-file", str(self._folder / "become")]
        return command

    def _variables(self) -> "dict[str, Any]":
        """Over all that an inventory says."""
        return {
            "homeport_question": str(self._folder / "question.json"),
            "homeport_program": str(self._folder / "program"),
            "ansible_ssh_executable": str(self._folder / "ssh"),
            "ansible_ssh_transfer_method": "piped",
            "ansible_host_key_checking": True,
            "ansible_ssh_host_key_checking": True,
            "ansible_paramiko_host_key_checking": True,
        }

    def _env(self) -> "dict[str, str]":
        return {
            **os.environ,
            "LC_ALL": "C.UTF-8",
            "HOMEPORT_FLEET_EVENTS": str(self._folder / "events"),
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callback")),
            "ANSIBLE_STDOUT_CALLBACK": "homeport_events",
            "ANSIBLE_CALLBACKS_ENABLED": "homeport_events",  # no others
            "ANSIBLE_DEPRECATION_WARNINGS": "False",
            "ANSIBLE_GATHERING": "explicit",
            "ANSIBLE_HOST_KEY_CHECKING": "True",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
            "ANSIBLE_LOCAL_TEMP": str(self._folder / "tmp"),
            "ANSIBLE_NOCOLOR": "True",
            "ANSIBLE_NO_TARGET_SYSLOG": "True",
            "ANSIBLE_PARAMIKO_HOST_KEY_AUTO_ADD": "False",
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_STRATEGY": "linear",
        }

    def _start(self, play: str) -> "subprocess.Popen[bytes]":
        with (self._folder / "said").open("ab") as said:
            return subprocess.Popen(
                self._command(play),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=self._env(),
                start_new_session=True,  # one signal reaches all that it starts, and only ours
            )

    def _play(self) -> int:
        process = self._start("play.json")
        asked_at: Optional[float] = None
        try:
            while True:
                code = process.poll()
                self._hear()
                if code is not None:
                    return code
                if self._stops > 1:
                    if asked_at is None:
                        asked_at = time.monotonic()
                        _signal(process, signal.SIGTERM)
                    elif time.monotonic() > asked_at + LAST_WORDS:
                        _signal(process, signal.SIGKILL)
                time.sleep(TICK)
        finally:
            _end(process)

    def _stop(self, *_: object) -> None:
        self._stops += 1
        if self._stops == 1:
            self._write("stop", "")
            text = (
                "homeport: hosts at work are brought to their end, no others are begun; "
                "again to end at once\n"
            )
            with suppress(OSError):
                os.write(2, text.encode())

    def _hear(self) -> None:
        """Read what the play has told since; say which hosts are done."""
        with (self._folder / "events").open("rb") as file:
            file.seek(self._read)
            data = file.read()
        self._read += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            event = json.loads(line)
            self._events.append(event)
            host = event.get("host")
            if host is None or event.get("task") == playbook.HOSTS or host in self._done:
                continue
            seen = self._seen.setdefault(host, [])
            seen.append(event)
            if _is_last(event):
                self._done.add(host)
                self._told(host_report(self._asked.command, host, seen))

    def _clean(self) -> None:
        """Remove what is left on hosts, as far as they can be reached.

        Who presses a third time does not wait for it.
        """
        left = {host: left_folder(events) for host, events in self._left().items()}
        left = {host: path for host, path in left.items() if _is_ours(path)}
        if not left:
            return
        self._write("clean.json", json.dumps(playbook.cleaning(left, become=self._asked.become)))
        process = self._start("clean.json")
        end = time.monotonic() + CLEANING
        try:
            while process.poll() is None and time.monotonic() < end and self._stops < 3:
                time.sleep(TICK)
        finally:
            _end(process)
            self._hear()

    def _left(self) -> "Mapping[str, list[Event]]":
        found: dict[str, list[Event]] = {}
        for event in self._events:
            found.setdefault(str(event.get("host")), []).append(event)
        return found

    def _said(self, code: int) -> str:
        if self._stops:
            return "interrupted before any host was known"
        text = (self._folder / "said").read_bytes().decode("utf-8", "replace").strip()
        if any(event.get("event") == "no-hosts" for event in self._events):
            limit = f" for --limit {self._asked.limit}" if self._asked.limit else ""
            return f"the inventory has no host{limit}"
        return f"ansible cannot begin (status {code}): {text[-SAID:]}"


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _has_password() -> bool:
    """Whether ansible was told of a file with the password of connections."""
    return bool(os.environ.get("ANSIBLE_CONNECTION_PASSWORD_FILE"))


def _is_last(event: Event) -> bool:
    """Whether this says what became of its host; the folder is removed after it."""
    kind, task = event.get("event"), event.get("task")
    if kind == "unreachable":
        return task != playbook.REMOVE
    if kind == "failed":
        return True
    if kind == "ok" and task == playbook.LOOK:
        stdout = event.get("stdout") or ""
        return f"{playbook.PYTHON}/" not in stdout
    return kind == "ok" and task == playbook.RUN


def _is_ours(path: str) -> bool:
    """A host is not believed in what is to be removed there."""
    name = path.rpartition("/")[2]
    parts = path.split("/")
    named = name.startswith("ansible.") and name.endswith(".homeport")
    return path.startswith("/") and ".." not in parts and named


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Nothing that it has started goes on."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(LAST_WORDS)
    _signal(process, signal.SIGKILL)
    process.wait()
