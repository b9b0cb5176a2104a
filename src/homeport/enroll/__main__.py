"""`python3 enroll.pyz COMMAND < question.json`: what the fleet runs on a machine.

The question is an object: `request` (a `Request`), `plan` (an `EnrollPlan`, for `apply` of just
that), `engines`, `keep`, `allow_restart`. The answer is an object on stdout: `ok`, then `plan`,
`results`, `proofs`, `undone`, `engines` or `status`; or `error` with `kind`, `message`, `hint` and
`place`. Exit status 0: done; 1: not all is well; 2: refused; 3: the machine or mirror lacks
something; 70: a defect of homeport.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, Optional

from homeport.enroll.apply import apply
from homeport.enroll.enrolment import asked_for, enroll, plan_enrolment, prove
from homeport.enroll.errors import (
    EngineError,
    EnrollError,
    MachineError,
    UnreachableMirrorError,
)
from homeport.enroll.host import Host
from homeport.enroll.model import EnrollPlan, Request
from homeport.enroll.plain import from_plain, to_plain
from homeport.enroll.plan import detect
from homeport.enroll.status import ENROLLED, status
from homeport.enroll.undo import undo

COMMANDS = ("detect", "plan", "apply", "verify", "undo", "status")


def answer(command: str, question: "dict[str, Any]", host: Host) -> "dict[str, Any]":
    """Raises EnrollError."""
    data = question.get("request")
    request = None if data is None else from_plain(Request, data)
    engines = _names(question, "engines")
    found: dict[str, Any] = {"ok": True}
    if command == "detect":
        found["engines"] = detect(host, engines)
    elif command == "plan":
        planned = plan_enrolment(host, _needed(request))
        found = {"ok": True, "probe": planned.probe, "plan": planned.plan}
    elif command == "apply" and question.get("plan") is not None:
        found["results"] = results = apply(host, from_plain(EnrollPlan, question["plan"]))
        found["ok"] = all(result.ok for result in results)
    elif command == "apply":
        done = enroll(host, _needed(request))
        found = {"ok": done.ok, "probe": done.probe, "plan": done.plan, "results": done.results}
    elif command == "verify":
        asked = None if request is None else asked_for(host, request)
        found["proofs"] = proofs = prove(host, asked, engines)
        found["ok"] = all(proof.ok for proof in proofs)
    elif command == "undo":
        allowed = question.get("allow_restart") is True
        keep = _names(question, "keep")
        found["undone"] = undo(host, engines=engines, keep=keep, allow_restart=allowed)
    else:
        found["status"], found["findings"] = states, findings = status(host)
        found["ok"] = not findings and all(one.state == ENROLLED for one in states)
    return {name: to_plain(value) for name, value in found.items()}


def status_of(error: EnrollError) -> int:
    """2: refused; 3: the machine, the mirror or an engine lacks something."""
    lacking = (EngineError, MachineError, UnreachableMirrorError)
    return 3 if isinstance(error, lacking) else 2


def main(argv: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="homeport-enroll")
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args(argv).command
    try:
        text = "" if sys.stdin is None else sys.stdin.read()
        question = json.loads(text or "{}")
        if not isinstance(question, dict):
            raise EnrollError("the question is not an object")
        found = answer(command, question, Host())
        code = 0 if found["ok"] else 1
    except ValueError:
        found, code = {"ok": False, "error": {"kind": "EnrollError", "message": "no JSON"}}, 2
    except EnrollError as error:
        found, code = {"ok": False, "error": _plain_error(error)}, status_of(error)
    except Exception as error:  # noqa: BLE001 - the boundary: whoever asked reads JSON
        message = f"{type(error).__name__}: {error}"
        found, code = {"ok": False, "error": {"kind": "defect", "message": message}}, 70
    json.dump(found, sys.stdout)
    sys.stdout.write("\n")
    return code


def _plain_error(error: EnrollError) -> "dict[str, str]":
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "place": error.place,
    }


def _needed(request: Optional[Request]) -> Request:
    if request is None:
        raise EnrollError("the question has no request")
    return request


def _names(question: "dict[str, Any]", name: str) -> "tuple[str, ...]":
    found = question.get(name) or ()
    if not isinstance(found, (list, tuple)) or not all(isinstance(one, str) for one in found):
        raise EnrollError(f"{name} is not a list of names")
    return tuple(found)


if __name__ == "__main__":
    sys.exit(main())
