"""Ansible's way to tell us what happens: one JSON object a line, in a file of ours.

Ansible loads this as its stdout callback, and prints nothing by it.
"""

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase  # type: ignore[import-untyped,unused-ignore]

DOCUMENTATION = """
name: homeport_events
type: stdout
short_description: Writes what happens on hosts to a file
description: Used by homeport enroll fleet alone.
"""

LARGEST = 16 << 20
KEPT = ("rc", "stdout", "stderr", "msg", "path", "module_stdout", "module_stderr", "exception")
SHORT = 4000


class CallbackModule(CallbackBase):  # type: ignore[misc,unused-ignore]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "homeport_events"

    def __init__(self) -> None:
        super().__init__()
        self._file = os.open(os.environ["HOMEPORT_FLEET_EVENTS"], os.O_WRONLY | os.O_APPEND)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._write({"event": "no-hosts"})

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._write({"event": "play", "task": str(play.get_name())})

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._write({"event": "start", "host": host.get_name(), "task": task.get_name()})

    def v2_runner_on_ok(self, result: Any) -> None:
        self._tell("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002, RUF100
        self._tell("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._tell("unreachable", result)

    def _tell(self, event: str, result: Any) -> None:
        said = result._result  # noqa: SLF001 - what every callback of ansible reads
        found: dict[str, Any] = {
            "event": event,
            "host": str(result._host.get_name()),  # noqa: SLF001
            "task": str(result._task.get_name()),  # noqa: SLF001
        }
        if "ansible_play_hosts_all" in said:
            found["hosts"] = [str(name) for name in said["ansible_play_hosts_all"]]
        for name in KEPT:
            value = said.get(name)
            if isinstance(value, int):
                found[name] = value
            elif value is not None:
                found[name] = str(value)[: LARGEST if name == "stdout" else SHORT]
        self._write(found)

    def _write(self, event: "dict[str, Any]") -> None:
        data = json.dumps(event, ensure_ascii=True).encode() + b"\n"
        while data:
            data = data[os.write(self._file, data) :]
