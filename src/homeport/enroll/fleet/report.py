"""Who is enrolled: made of what ansible has told of each host, and of each host's own answer.

Hosts are not believed: what does not have the shape of an answer is a failure of that host.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

from homeport.enroll.fleet import playbook

ENROLLED = "enrolled"
DRIFTED = "drifted"
PENDING = "pending"
NOT_ENROLLED = "not enrolled"
UNDONE = "undone"
UNREACHABLE = "unreachable"
UNSUPPORTED = "unsupported"
FAILED = "failed"
NOT_BEGUN = "not begun"

GOOD = (ENROLLED, PENDING, UNDONE)
SAID = 1000
ROWS = 200

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One engine of one host, or a host as a whole where `engine` is empty. `proven` is `yes`, `no`
    or empty where nobody has tried."""

    host: str
    engine: str
    state: str
    proven: str = ""
    what: str = ""


@dataclass(frozen=True)
class HostReport:
    """`state` is the worst of its rows; `left` what could not be removed there."""

    host: str
    state: str
    rows: tuple[Row, ...]
    left: str = ""
    answer: Optional[Mapping[str, Any]] = None


@dataclass(frozen=True)
class Report:
    command: str
    hosts: tuple[HostReport, ...]
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Undone or not enrolled is well where that was asked for."""
        good = (*GOOD, NOT_ENROLLED) if self.command == "undo" else GOOD
        return not self.interrupted and all(one.state in good for one in self.hosts)

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for one in self.hosts for row in one.rows)

    def count(self) -> "dict[str, int]":
        found: dict[str, int] = {}
        for one in self.hosts:
            found[one.state] = found.get(one.state, 0) + 1
        return found


def make_report(command: str, events: Iterable[Event], *, interrupted: bool = False) -> Report:
    by_host: dict[str, list[Event]] = {}
    for event in events:
        for name in event.get("hosts", ()):
            by_host.setdefault(name, [])
        host = event.get("host")
        if isinstance(host, str) and event.get("task") != playbook.HOSTS:
            by_host.setdefault(host, []).append(event)
    hosts = tuple(host_report(command, name, by_host[name]) for name in sorted(by_host))
    return Report(command, hosts, interrupted)


def host_report(command: str, host: str, events: Sequence[Event]) -> HostReport:
    """The first event that decides is what counts; what comes after it is tidying up."""
    left = left_folder(events)
    for event in events:
        kind, task = event.get("event"), event.get("task")
        if task == playbook.LOOK and kind in ("ok", "failed"):
            found = _looked(host, event, left)
        elif task == playbook.RUN and kind == "ok":
            found = _answered(command, host, event, left)
        elif kind == "unreachable" and task != playbook.REMOVE:
            found = _whole(host, UNREACHABLE, _said(event), left)
        elif kind == "failed":
            found = _whole(host, FAILED, f"{task}: {_said(event)}", left)
        else:
            found = None
        if found is not None:
            return found
    if any(event.get("task") == playbook.FOLDER for event in events):
        return _whole(host, FAILED, "interrupted", left)
    return _whole(host, NOT_BEGUN, "a host before it failed, or the run was interrupted", left)


def _looked(host: str, event: Event, left: str) -> Optional[HostReport]:
    """None where a Python was found."""
    stdout = _text(event.get("stdout"))
    missing = f"{playbook.PYTHON}{playbook.NONE}"
    if missing in stdout:
        old = stdout.partition(missing)[2].strip()
        old = f" ({old.splitlines()[0]})" if old.startswith("Python") else ""
        return _whole(host, UNSUPPORTED, f"no Python 3.9 or newer{old}", left)
    if f"{playbook.PYTHON}/" not in stdout:
        return _whole(host, FAILED, _said(event), left)
    return None


def left_folder(events: Sequence[Event]) -> str:
    """A folder that was made there and, as far as is known, not removed."""
    made = ""
    for event in events:
        if event.get("event") != "ok":
            continue
        if event.get("task") == playbook.FOLDER:
            made = _text(event.get("path"))
        elif event.get("task") == playbook.REMOVE:
            made = ""
    return made


def _answered(command: str, host: str, event: Event, left: str) -> HostReport:
    try:
        answer = json.loads(_text(event.get("stdout")))
        if not isinstance(answer, dict):
            raise TypeError
        error = answer.get("error")
        if error is not None:
            hint = f" ({error['hint']})" if error.get("hint") else ""
            place = f"{error['place']}: " if error.get("place") else ""
            return replace(
                _whole(host, FAILED, f"{place}{error['message']}{hint}", left), answer=answer
            )
        rows = tuple(_ROWS[command](host, answer))[:ROWS]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        said = _said(event) or "it says nothing"
        return _whole(host, FAILED, f"its answer is not one: {said}", left)
    if not rows:
        rows = (Row(host, "", NOT_ENROLLED, what=_EMPTY[command]),)
    return HostReport(host, worst(row.state for row in rows), rows, left, answer)


def worst(states: Iterable[str]) -> str:
    order = (FAILED, DRIFTED, PENDING, NOT_ENROLLED, UNDONE, ENROLLED)
    return min(states, key=order.index)


def _plan_rows(host: str, answer: "dict[str, Any]") -> Iterable[Row]:
    for one in answer["plan"]["engines"]:
        errors = [found for found in one["findings"] if found["severity"] == "error"]
        changes = ", ".join(_text(change["path"]) for change in one["changes"])
        state = FAILED if errors else DRIFTED if changes else ENROLLED
        what = _findings(errors) or (changes and f"to change: {changes}")
        yield Row(host, _text(one["engine"]["title"]), state, what=what or "as it should be")


def _apply_rows(host: str, answer: "dict[str, Any]") -> Iterable[Row]:
    good = {"unchanged": ENROLLED, "done": ENROLLED, "pending": PENDING}
    for one in answer["results"]:
        said = _findings(one["findings"])
        state = good.get(one["state"], FAILED)
        yield Row(host, _text(one["title"]), state, what=_join(one["state"], said))


def _verify_rows(host: str, answer: "dict[str, Any]") -> Iterable[Row]:
    for one in answer["proofs"]:
        proven = one["state"] == "proven"
        state = FAILED if one["state"] == "failed" else ENROLLED
        what = _join(f"{one['registry']}: {one['state']}", _text(one["said"]))
        yield Row(host, _text(one["title"]), state, "yes" if proven else "no", what)


def _undo_rows(host: str, answer: "dict[str, Any]") -> Iterable[Row]:
    for one in answer["undone"]:
        what = _join("as it was before", _findings(one["findings"]))
        yield Row(host, _text(one["title"]), UNDONE, what=what)


def _status_rows(host: str, answer: "dict[str, Any]") -> Iterable[Row]:
    for found in answer["findings"]:
        yield Row(host, "", DRIFTED, what=_findings([found]))
    for one in answer["status"]:
        known = {ENROLLED: ENROLLED, PENDING: PENDING, "gone": DRIFTED}
        drift = ", ".join(_text(change["path"]) for change in one["drift"])
        mirror = _text(one["record"]["request"]["mirror"]["url"])
        what = f"changed: {drift}" if drift else mirror
        if one["state"] == "gone":
            what = "this engine is gone"
        said = _findings([found for found in one["findings"] if found["severity"] != "note"])
        state = known.get(one["state"], DRIFTED)
        yield Row(host, _text(one["title"]), state, what=_join(what, said))


_ROWS = {
    "plan": _plan_rows,
    "apply": _apply_rows,
    "verify": _verify_rows,
    "undo": _undo_rows,
    "status": _status_rows,
}
_EMPTY = {
    "plan": "no container engine was found there",
    "apply": "no container engine was found there",
    "verify": "nothing is enrolled there",
    "undo": "nothing was enrolled there",
    "status": "nothing is enrolled there",
}


def _whole(host: str, state: str, what: str, left: str) -> HostReport:
    return HostReport(host, state, (Row(host, "", state, what=what[:SAID]),), left)


def _findings(found: "Iterable[dict[str, Any]]") -> str:
    said = []
    for one in found:
        place = f"{one['place']}: " if one["place"] else ""
        advice = one.get("hint") if one.get("severity") == "error" else ""
        hint = f" ({advice})" if advice else ""
        said.append(f"{place}{one['message']}{hint}")
    return "; ".join(said)[:SAID]


def _join(first: str, second: str) -> str:
    return f"{first}; {second}"[:SAID] if second else first


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _said(event: Event) -> str:
    """What ansible, or the host, has said of a failure, on one line."""
    for name in ("stderr", "module_stderr", "msg", "stdout", "module_stdout"):
        text = " ".join(_text(event.get(name)).split()).removeprefix("Task failed: ")
        if text:
            return text[:SAID]
    return "ansible does not say why"
