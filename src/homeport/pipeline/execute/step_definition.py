"""The steps of the repository (`func.yml`, older `step.yml`) that a job's `run:` names.

They are read from the snapshot that the job's workspace is made of, all of them before the first
one runs: what is wrong, or is not here, fails the job before anything of it has run.
Source: GitLab's "Create a GitLab Function".
"""

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from homeport.errors import UsageError
from homeport.pipeline.document.load import load
from homeport.pipeline.execute.api import Snapshot
from homeport.pipeline.model.document import Document, Map, span_of_key
from homeport.pipeline.plan.steps import reference, remote_step

_FILES = ("func.yml", "step.yml")
_DEEPEST = 16
_MOST = 1000
"""Definitions of one job: steps that name two others each come to 65,536 at that depth."""
_LARGEST = 1024 * 1024
_DEFINITION = frozenset({"exec", "run", "steps", "env", "outputs", "delegate"})
_OUTPUTS_DELEGATED = "delegate"


class StepError(Exception):
    """A step that cannot be run; the text is one sentence, with the place."""


class Definition(Struct, frozen=True, kw_only=True):
    """One step of the repository, in `folder` (relative to its root). It either runs `command` in
    `work_dir`, or `steps`, each with its own definition in `inner`."""

    file: str
    folder: str
    inputs: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Mapping[str, Any]] | None
    env: Mapping[str, Any]
    command: Sequence[Any] = ()
    work_dir: Any = None
    steps: Sequence[Mapping[str, Any]] = ()
    inner: Mapping[str, "Definition"] = {}
    returned: Mapping[str, Any] = {}
    delegate: str | None = None


def read_definitions(
    steps: Sequence[Mapping[str, Any]], tree: Snapshot
) -> Mapping[str, Definition]:
    """The definitions of a job's steps, by the steps' names. Raises `StepError`."""
    return _Definitions(tree).read_list(steps, "", 0)


class _Definitions:
    """Reads the definitions of one job, of all its depths."""

    def __init__(self, tree: Snapshot) -> None:
        self._tree = tree
        self._files = frozenset(tree.files)
        self._count = 0

    def read_list(
        self, steps: Sequence[Mapping[str, Any]], folder: str, depth: int
    ) -> Mapping[str, Definition]:
        """Those of one list; `folder` is where the paths start."""
        found = {}
        for step in steps:
            named = reference(step)
            if named is None:
                continue
            elsewhere = remote_step(step)
            if elsewhere is not None:
                raise StepError(f"step {step.get('name')} is not in this repository: {elsewhere}")
            if depth >= _DEEPEST:
                raise StepError(f"step {step.get('name')} is nested more than {_DEEPEST} deep")
            self._count += 1
            if self._count > _MOST:
                raise StepError(f"the job runs more than {_MOST} steps, with those that they name")
            inside = posixpath.normpath(posixpath.join(folder, named))
            definition = _definition(self._document(named, inside), inside)
            inner = self.read_list(definition.steps, inside, depth + 1)
            found[str(step.get("name"))] = structs.replace(definition, inner=inner)
        return found

    def _document(self, named: str, inside: str) -> Document:
        names = (_join(inside, name) for name in _FILES)
        path = next((file for file in names if file in self._files), None)
        if path is None:
            raise StepError(f"{named} has neither func.yml nor step.yml in the repository")
        root = self._tree.root
        full = (root / path).resolve()
        if not full.is_relative_to(root.resolve()) or not full.is_file():
            raise StepError(f"{path} leads out of the repository, or is no file")
        try:
            with full.open("rb") as stream:
                text = stream.read(_LARGEST + 1)
            if len(text) > _LARGEST:
                raise StepError(f"{path} is larger than 1 MiB")
            return load(text, path)
        except UsageError as error:
            raise StepError(str(error)) from error
        except OSError as error:
            raise StepError(f"{path} cannot be read: {error.strerror}") from error


def _join(folder: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(folder, name))


def _definition(document: Document, folder: str) -> Definition:
    content, path = document.content, document.name
    if document.header is None:
        raise StepError(f"{path}:1:1: a step has two documents, spec: and its definition")
    spec = _mapping(document, document.header, "spec")
    for key in content:
        if key not in _DEFINITION:
            raise _wrong(document, content, key, f"{key} is no part of a step that homeport runs")
    steps = content.get("run", content.get("steps"))
    executed = _mapping(document, content, "exec")
    command = executed.get("command")
    if (command is None) == (steps is None):
        raise StepError(f"{path}:1:1: a step has either exec: with command, or run:")
    if not isinstance(command if steps is None else steps, list):
        raise StepError(f"{path}:1:1: command: and run: are lists")
    for step in steps or ():
        _check_step(step, path)
    delegated = spec.get("outputs") == _OUTPUTS_DELEGATED
    return Definition(
        file=path,
        folder=folder,
        inputs=_declared(document, spec, "inputs"),
        outputs=None if delegated else _declared(document, spec, "outputs"),
        env=_mapping(document, content, "env"),
        command=command or (),
        work_dir=executed.get("work_dir"),
        steps=steps or (),
        returned=_mapping(document, content, "outputs"),
        delegate=str(content.get("delegate")) if delegated else None,
    )


def _check_step(step: Any, path: str) -> None:
    """The shape of a step of a step, as GitLab's schema has it; those of the job are checked."""
    kinds = ("func", "step", "script")
    if not isinstance(step, Map) or sum(kind in step for kind in kinds) != 1:
        raise StepError(f"{path}: each step has one of {', '.join(kinds)}")
    place = span_of_key(step, next(iter(step)))
    if not isinstance(step.get("name"), str):
        raise StepError(f"{place}: a step has a name")
    for key in ("env", "inputs"):
        if not isinstance(step.get(key, {}), Map | dict):
            raise StepError(f"{place}: {key} is no mapping")


def _declared(document: Document, spec: Map, key: str) -> Mapping[str, Mapping[str, Any]]:
    found = _mapping(document, spec, key)
    return {str(name): _mapping(document, found, name) for name in found}


def _mapping(document: Document, owner: Map, key: str) -> Map:
    value = owner.get(key)
    if value is None:
        return Map()
    if not isinstance(value, Map):
        raise _wrong(document, owner, key, f"{key} is no mapping")
    return value


def _wrong(document: Document, owner: Map, key: str, message: str) -> StepError:
    return StepError(f"{span_of_key(owner, key) or document.name}: {message}")
