"""gitlab-ci-local's variable files, as their users have them.

`.gitlab-ci-local-variables.yml` at the repository's root holds names and values, as YAML or as
`.env` lines; it comes from the repository, so it may not name files outside of it.
`~/.gitlab-ci-local/variables.yml` is the user's, with the levels `project:`, `group:` and
`global:`. A value is a text, or `{type: variable|file, values: {environment scope: text}}`; a text
of the user's that is the path of a file (`/…` or `~/…`) stands for a variable of type file.
Source: gitlab-ci-local's README, "Home file variables" and "Project file variables".
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from homeport.errors import Problem, Severity, Span, UsageError
from homeport.lib.small_file import read_small
from homeport.pipeline.facts.given import HOME_FILE, REPOSITORY_FILE
from homeport.pipeline.model.document import span_of_key
from homeport.pipeline.model.trigger import GivenVariable, Level, Project

MAX_SIZE = 1024 * 1024
"""Bytes of one file, and of one file that a variable names."""

_NAME = "[A-Za-z_][A-Za-z0-9_]*"


class VariableFiles(Struct, frozen=True, kw_only=True):
    """What the files hold; `problems` are notes about values that are not what they seem."""

    variables: tuple[GivenVariable, ...] = ()
    problems: tuple[Problem, ...] = ()


def read_variable_files(
    root: Path,
    home: str | None,
    project: Project | None,
    file: str = REPOSITORY_FILE,
    *,
    shared: tuple[str, bytes] | None = None,
) -> VariableFiles:
    """The variables of both files for a project; those of the repository's file win. Below them are
    those of `shared`, a name and content in the form of the home folder's; what it holds is never
    the path of a file of this machine.

    Raises `UsageError` with every problem of a file that is broken.
    """
    reader = _Reader(home)
    if shared is not None:
        reader.add_levels(shared[1], shared[0], project, trusted=False)
    if home:
        content = read_small(os.path.join(home, HOME_FILE), inside=False, most=MAX_SIZE)  # noqa: PTH118 - start-up
        if content is not None:
            reader.add_levels(content, f"~/{HOME_FILE}", project, trusted=True)
    content = read_small(os.path.join(root, file), inside=True, most=MAX_SIZE)  # noqa: PTH118 - start-up
    if content is not None:
        reader.add_flat(content, file)
    if reader.errors:
        raise UsageError(reader.errors)
    return VariableFiles(variables=tuple(reader.variables), problems=tuple(reader.notes))


class _Reader:
    def __init__(self, home: str | None) -> None:
        self._home = home or ""
        self.variables: list[GivenVariable] = []
        self.errors: list[Problem] = []
        self.notes: list[Problem] = []

    def add_levels(
        self, content: bytes, name: str, project: Project | None, *, trusted: bool
    ) -> None:
        from homeport.pipeline.document.plain import load_plain

        data = load_plain(content, name)
        if not isinstance(data, dict):
            self._refuse(name, None, "the file must hold project:, group: or global:")
            return
        for word in data:
            if word not in ("project", "group", "global"):
                self._note(
                    f"{word} is none of project, group and global, and is not read",
                    span_of_key(data, word),
                    None,
                )
        self._add_all(data.get("global"), name, Level.INSTANCE, trusted=trusted)
        if project is None:
            return
        host = re.sub(r":\d+$", "", project.host)
        group = project.path.rpartition("/")[0]
        for key, entries in _matching(data.get("group"), host, group):
            self._add_all(entries, name, Level.GROUP + key.count("/"), trusted=trusted)
        for _, entries in _matching(data.get("project"), host, project.path):
            self._add_all(entries, name, Level.PROJECT, trusted=trusted)

    def add_flat(self, content: bytes, name: str) -> None:
        from homeport.pipeline.document.plain import load_plain
        from homeport.pipeline.facts.dotenv_file import parse_env_lines

        try:
            data = load_plain(content, name)
        except UsageError:
            data = ""
        if isinstance(data, str):
            text = content.decode("utf-8-sig", "replace")
            for key, value in parse_env_lines(text):
                self._add(key, value, "*", Level.REPOSITORY_FILE, file=False)
        else:
            self._add_all(data, name, Level.REPOSITORY_FILE, trusted=False)

    def _add_all(self, entries: Any, name: str, level: int, *, trusted: bool) -> None:
        if entries is None or entries == "":
            return
        if not isinstance(entries, dict):
            self._refuse(name, None, "variables must be a mapping of names to values")
            return
        for key, entry in entries.items():
            span = span_of_key(entries, key)
            if not isinstance(key, str) or not re.fullmatch(_NAME, key):
                self._refuse(name, span, f"{key} is not the name of a variable")
            elif isinstance(entry, str):
                self._add_text(key, entry, level, span, trusted=trusted)
            elif isinstance(entry, dict):
                self._add_typed(key, entry, level, name, span)
            else:
                self._refuse(name, span, f"{key} must be a text, or have type and values")

    def _add_typed(self, key: str, entry: Any, level: int, name: str, span: Span | None) -> None:
        kind = entry.get("type") or "variable"
        values = entry.get("values")
        if kind not in ("variable", "file"):
            self._refuse(name, span, f"the type of {key} must be variable or file")
            return
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            self._refuse(name, span, f"the values of {key} must map environment scopes to texts")
            return
        for scope, value in values.items():
            self._add(key, value, str(scope).strip(), level, file=kind == "file")

    def _add_text(
        self, key: str, value: str, level: int, span: Span | None, *, trusted: bool
    ) -> None:
        if not value.startswith(("/", "~/")):
            self._add(key, value, "*", level, file=False)
            return
        path = self._home + value[1:] if value.startswith("~") else value
        if not trusted:
            if os.path.isfile(path):  # noqa: PTH113 - start-up
                self._note(
                    f"{key} is the text {value}, not that file",
                    span,
                    f"only your own ~/{HOME_FILE} may name files outside of the repository",
                )
            self._add(key, value, "*", level, file=False)
            return
        content = read_small(path, inside=False, most=MAX_SIZE)
        if content is None:
            if value.startswith("~"):
                self._note(f"{key} is the text {value}: there is no such file", span, None)
            self._add(key, value, "*", level, file=False)
        else:
            text = content.decode("utf-8", "surrogateescape")
            self._add(key, text, "*", level, file=True)

    def _add(self, key: str, value: str, scope: str, level: int, *, file: bool) -> None:
        self.variables.append(
            GivenVariable(key=key, value=value, scope=scope or "*", level=level, file=file)
        )

    def _note(self, message: str, span: Span | None, hint: str | None) -> None:
        self.notes.append(
            Problem(
                code="variable-file", severity=Severity.NOTE, message=message, span=span, hint=hint
            )
        )

    def _refuse(self, name: str, span: Span | None, message: str) -> None:
        self.errors.append(
            Problem(code="variable-file", message=message, span=span or Span(name, 1, 1))
        )


def _matching(entries: Any, host: str, path: str) -> Iterator[tuple[str, Any]]:
    """The entries of `project:` or `group:` that name this one, or a group above it, in order.

    A key is a path with or without its host; `host:path` and `.git` at its end are allowed. What
    has a dot in its first part names a host, so that no other server's project can pose as it.
    """
    if not isinstance(entries, dict):
        return
    for key, value in entries.items():
        wanted = str(key).replace(":", "/").strip("/").removesuffix(".git").lower()
        with_host = "." in wanted.partition("/")[0]
        own = f"{host}/{path}/" if with_host else f"{path}/"
        if wanted and own.lower().startswith(f"{wanted}/"):
            yield wanted, value
