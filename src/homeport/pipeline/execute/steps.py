"""Runs the steps of a job's `run:` in the job's own place, one script of its session for each.

GitLab's step runner is a program beside the job; here every step is a command, and after it comes,
behind a line that nobody knows before, what it has written to its output and export files. As on
GitLab, a step does not see the job's variables in its environment, but as `${{ vars.NAME }}`.
Source: GitLab's "GitLab Functions".
"""

import json
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from homeport.pipeline.execute.api import Exit, Sink, Snapshot
from homeport.pipeline.execute.script import quote, script_text
from homeport.pipeline.execute.step_definition import Definition, StepError, read_definitions
from homeport.pipeline.execute.step_expression import ExpressionError, as_text, fill
from homeport.pipeline.model.event import FailureReason

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_KEPT = frozenset({"HOME", "PATH"})
_NO_LINE = "a step has written a line without name and value to its output or export file"
_MOST_BYTES = 1024 * 1024
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "array": list,
    "boolean": bool,
    "number": (int, float),
    "string": str,
    "struct": dict,
}

Execute = Callable[[str, Sink], Exit]


class _EndedError(Exception):
    """A step has failed, or was stopped."""

    def __init__(self, ended: Exit) -> None:
        super().__init__(ended.message)
        self.ended = ended


class Steps:
    """One run of a job's steps. `execute` runs a script of the session, `say` tells the user;
    `variables` are the job's."""

    def __init__(
        self,
        *,
        execute: Execute,
        sink: Sink,
        say: Callable[[str], None],
        variables: Mapping[str, str],
        project_dir: str,
        colour: bool,
    ) -> None:
        self._execute = execute
        self._sink = sink
        self._say = say
        self._project_dir = project_dir
        self._colour = colour
        self._exports: dict[str, str] = {}
        self._hidden = [name for name in variables if _NAME.fullmatch(name) and name not in _KEPT]
        self._scope = {"vars": variables, "job": variables, "work_dir": project_dir}

    def run(self, steps: Sequence[Mapping[str, Any]], tree: Snapshot) -> Exit:
        """Run them all; how the last one ended. `tree` is what the workspace was made of."""
        try:
            self._run_list(steps, read_definitions(steps, tree), {}, {}, "run")
        except _EndedError as error:
            return error.ended
        except (StepError, ExpressionError) as error:
            return Exit(code=None, failure=FailureReason.SCRIPT_FAILURE, message=str(error))
        return Exit(code=0)

    def _run_list(
        self,
        steps: Sequence[Mapping[str, Any]],
        definitions: Mapping[str, Definition],
        scope: Mapping[str, Any],
        env: Mapping[str, str],
        where: str,
    ) -> Mapping[str, Any]:
        """The outputs of each step, by its name."""
        done: dict[str, Any] = {}
        for step in steps:
            name = str(step.get("name"))
            place = f"step {name} of {where}"
            seen = {**self._scope, **scope, "steps": done, "env": {**self._exports, **env}}
            try:
                own = {**env, **_texts(fill(step.get("env") or {}, seen))}
                self._say(f"Running step name={name}")
                if "script" in step:
                    text = as_text(fill(step["script"], {**seen, "env": {**self._exports, **own}}))
                    self._command(script_text([text], colour=self._colour), own)
                    done[name] = {"outputs": {}}
                else:
                    given = fill(step.get("inputs") or {}, seen)
                    done[name] = {"outputs": self._run_step(definitions[name], given, own)}
            except ExpressionError as error:
                raise StepError(f"{place}: {error}") from error
        return done

    def _run_step(
        self, step: Definition, given: Mapping[str, Any], env: Mapping[str, str]
    ) -> Mapping[str, Any]:
        folder = posixpath.normpath(posixpath.join(self._project_dir, step.folder))
        output, export = (f"/tmp/homeport-step-{uuid4()}" for _ in range(2))  # noqa: S108 - private
        scope = {
            "inputs": _checked(given, step.inputs, f"input of {step.file}"),
            "func_dir": folder,
            "step_dir": folder,
            "output_file": output,
            "export_file": export,
        }
        seen = {**self._scope, **scope, "env": {**self._exports, **env}}
        own = {**env, **_texts(fill(step.env, seen))}
        seen["env"] = {**self._exports, **own}
        if step.command:
            words = [as_text(fill(word, seen)) for word in step.command]
            work_dir = as_text(fill(step.work_dir or self._project_dir, seen))
            work_dir = posixpath.join(self._project_dir, work_dir)
            command = " ".join(map(quote, words))
            body = f"cd {quote(work_dir)} && exec {command}\n"
            returned = self._command(body, own, output, export)
        else:
            done = self._run_list(step.steps, step.inner, scope, own, step.file)
            if step.delegate is not None:
                if step.delegate not in done:
                    raise StepError(f"{step.file}: delegate names no step: {step.delegate}")
                return done[step.delegate]["outputs"]  # type: ignore[no-any-return]
            returned = fill(step.returned, {**seen, "steps": done})
        if step.outputs is None:
            return returned
        return _checked(returned, step.outputs, f"output of {step.file}")

    def _command(
        self, body: str, env: Mapping[str, str], output: str = "", export: str = ""
    ) -> Mapping[str, Any]:
        """Run one command; what it returned. Its exports are seen by all that follow."""
        mark = f"homeport-{uuid4()}"
        files = [file for file in (output, export) if file]
        made = "".join(f"(umask 077; : > {quote(file)})\n" for file in files)
        told = "".join(f"echo {mark}\ncat {quote(file)}\n" for file in files)
        gone = f"rm -f {' '.join(map(quote, files))}\n" if files else ""
        settings = {**self._exports, **env}
        exports = "".join(f"export {key}={quote(value)}\n" for key, value in settings.items())
        hidden = f"unset {' '.join(self._hidden)}\n" if self._hidden else ""
        # In braces, so that the shell has read all of it before a command can take its input.
        script = (
            f"{{\n{made}: | (\n{hidden}{exports}{body})\nhomeport_code=$?\n{told}{gone}"
            "exit $homeport_code\n}\n"
        )
        if not files:
            ended = self._execute(script, self._sink)
            parts = [b"", b""]
        else:
            taken = _Taken(self._sink, mark.encode())
            ended = self._execute(script, taken.feed)
            taken.end()
            parts = taken.parts()
        if ended.code != 0:
            raise _EndedError(ended)
        for name, value in _lines(parts[1]).items():
            if not _NAME.fullmatch(name) or isinstance(value, list | dict):
                raise StepError(f"a step exports {name}, which is no variable of the environment")
            self._exports[name] = as_text(value)
        return _lines(parts[0])


class _Taken:
    """Parts output at a mark: what comes before it goes on, what follows is kept."""

    def __init__(self, sink: Sink, mark: bytes) -> None:
        self._sink = sink
        self._mark = mark
        self._held = b""
        self._kept: bytearray | None = None

    def feed(self, data: bytes) -> None:
        if self._kept is not None:
            if len(self._kept) <= _MOST_BYTES:
                self._kept += data
            return
        data = self._held + data
        head, mark, rest = data.partition(self._mark)
        if mark:
            self._held, self._kept = b"", bytearray(rest)
        else:
            hold = min(len(data), len(self._mark) - 1)
            while hold and not self._mark.startswith(data[-hold:]):
                hold -= 1
            head, self._held = data[: len(data) - hold], data[len(data) - hold :]
        if head:
            self._sink(head)

    def end(self) -> None:
        if self._held:
            self._sink(self._held)

    def parts(self) -> list[bytes]:
        """The texts of the output and of the export file."""
        found = bytes(self._kept or b"").split(self._mark)
        return [*found, b"", b""][:2]


def _lines(text: bytes) -> dict[str, Any]:
    """JSON objects with name and value, a line each; or `name=value`, as step.yml had it first."""
    if len(text) > _MOST_BYTES:
        raise StepError("a step has written more than 1 MiB to its output or export file")
    lines = filter(None, map(str.strip, text.decode("utf-8", "replace").split("\n")))
    return dict(map(_line, lines))


def _line(line: str) -> tuple[str, Any]:
    try:
        if line.startswith("{"):
            one = json.loads(line)
            if isinstance(one["name"], str):
                return one["name"], one["value"]
        elif "=" in line:
            name, _, text = line.partition("=")
            with suppress(ValueError):
                return name, json.loads(text)
            return name, text
    except (ValueError, KeyError, RecursionError) as error:
        raise StepError(_NO_LINE) from error
    raise StepError(_NO_LINE)


def _checked(
    given: Mapping[str, Any], wanted: Mapping[str, Mapping[str, Any]], what: str
) -> dict[str, Any]:
    """Values as declared, with their defaults."""
    for name in given:
        if name not in wanted:
            raise StepError(f"there is no {what} called {name}")
    found = {}
    for name, spec in wanted.items():
        if name not in given and "default" not in spec:
            raise StepError(f"the {what} called {name} is missing")
        value = given[name] if name in given else spec["default"]
        kind = str(spec.get("type", "string"))
        asked = _KINDS.get(kind)
        number_as_flag = kind == "number" and isinstance(value, bool)
        if asked is not None and (not isinstance(value, asked) or number_as_flag):
            raise StepError(f"the {what} called {name} is no {kind}")
        found[name] = value
    return found


def _texts(env: Mapping[str, Any]) -> dict[str, str]:
    for name in env:
        if not _NAME.fullmatch(name):
            raise StepError(f"env: {name} is no name of a variable")
    return {name: as_text(value) for name, value in env.items()}
