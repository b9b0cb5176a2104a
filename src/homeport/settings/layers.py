"""Lay one source of settings over another; every problem of every source is kept."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from homeport.errors import Problem, Span, UsageError
from homeport.gitlab.host import Host
from homeport.settings.keys import (
    ENVIRONMENT,
    KEYS,
    LISTS,
    SIZES,
    VARIABLE_PREFIX,
    WELL_KNOWN,
    TagImage,
    VariableTable,
    host_of,
    size_in_bytes,
)
from homeport.settings.model import (
    ContainerSettings,
    ExecutorChoice,
    LimitSettings,
    Settings,
    SettingsVariable,
    TagRule,
    TagRuns,
)
from homeport.settings.source import REPOSITORY_FILE, Source

COMMAND_LINE = "command line"
MIRROR = "mirror"
_NAME_RULE = "a variable's name has only letters, digits and _"


class Layers:
    """The values so far; each `add_…` lays one source over them."""

    def __init__(self, problems: list[Problem], *, user_file: str) -> None:
        self._user_file = user_file
        self._values: dict[str, Any] = {}
        self._variables: dict[str, SettingsVariable] = {}
        self._tags: dict[str, TagRule] = {}
        self._hosts: dict[str, Host] = {}
        self._plain: dict[str, dict[str, str]] = {
            name: {} for name in ("rewrite", "secrets", "id_tokens", "needs_artifacts")
        }
        self._lower: dict[str, dict[str, str]] = {"container_registries": {}, "projects": {}}
        self._masked: frozenset[str] = frozenset()
        self._origin: dict[str, str] = {}
        self._problems = problems

    def add_file(self, source: Source, *, trusted: bool) -> None:
        for key, value in self._entries(source):
            if key == MIRROR:
                self._not_ours(source, trusted=trusted)
                continue
            span = source.span(key)
            if trusted or not self._refused(key, value, span):
                self._set(key, value, origin=f"{source.name}:{span.line}", span=span)

    def add_environment(self, env: Mapping[str, str]) -> None:
        for variable, key in {**WELL_KNOWN, **ENVIRONMENT}.items():
            if (text := env.get(variable)) is not None:
                value: object = text
                if key in LISTS:
                    value = [item.strip() for item in text.split(",") if item.strip()]
                self._set(key, value, origin=variable, strict=False)
        for variable, text in env.items():
            name = variable.removeprefix(VARIABLE_PREFIX)
            if name != variable and name:
                self._set(f"variables.{name}", text, origin=variable)
            elif variable.startswith("HOMEPORT_") and variable not in ENVIRONMENT:
                self._problems += _misspelt(variable)

    def add_flags(self, flags: Mapping[str, object]) -> None:
        for key, value in flags.items():
            if isinstance(value, Mapping):
                for name, item in value.items():
                    self._set(f"{key}.{name}", item, origin=COMMAND_LINE)
            elif value is not None:
                self._set(key, value, origin=COMMAND_LINE)

    def over(self, defaults: Settings) -> Settings:
        """The settings; raises every problem at once."""
        if self._problems:
            raise UsageError(self._problems)
        values = self._values
        container = {
            key.removeprefix("container."): values.pop(key)
            for key in tuple(values)
            if key.startswith("container.")
        }
        limits = {
            key.removeprefix("limits."): values.pop(key)
            for key in tuple(values)
            if key.startswith("limits.")
        }
        return msgspec.structs.replace(
            defaults,
            **values,
            masked=self._masked,
            variables=self._variables,
            tags=self._tags,
            hosts=self._hosts,
            projects=self._lower["projects"],
            **self._plain,
            container_registries=self._lower["container_registries"],
            container=ContainerSettings(**container),
            limits=LimitSettings(**limits),
            origin=self._origin,
        )

    def _entries(self, source: Source) -> Iterator[tuple[str, Any]]:
        """Dotted keys and values of a file; a table of unknown name is one entry."""
        for key, value in source.data.items():
            inner = key in KEYS or any(known.startswith(f"{key}.") for known in KEYS)
            if isinstance(value, Mapping) and inner:
                for name, item in value.items():
                    yield f"{key}.{name}", item
            else:
                yield key, value

    def _not_ours(self, source: Source, *, trusted: bool) -> None:
        """The mirror's own table. In a user's file it is none of the pipeline's business; in a
        repository's it would never be read, which somebody should hear."""
        if trusted:
            return
        self._problems.append(
            Problem(
                code="settings-mirror",
                message=f"the pipeline has no use for [{MIRROR}]: only the mirror reads this table",
                span=source.span((MIRROR,)),
                hint="keep it in a file of its own, for homeport mirror serve --config FILE",
            )
        )

    def _refused(self, key: str, value: object, span: Span) -> bool:
        """Whether the repository asks for what only the user may grant; then a problem is noted."""
        known = KEYS.get(key) or KEYS.get(key.partition(".")[0])
        on_host = (key == "executor" or key.startswith("tags.")) and value == ExecutorChoice.SHELL
        if (known is None or known.repository) and not on_host:
            return False
        wish = f"{key} to shell" if on_host else key
        variable = {name: text for text, name in ENVIRONMENT.items()}.get(key)
        self._problems.append(
            Problem(
                code="settings-reserved",
                message=f"a repository's {REPOSITORY_FILE} cannot set {wish}",
                span=span,
                hint=f"if you want it here, set it in {self._user_file}"
                + (f" or with {variable}" if variable else ""),
            )
        )
        return True

    def _set(
        self, key: str, value: object, *, origin: str, span: Span | None = None, strict: bool = True
    ) -> None:
        table, _, name = key.partition(".")
        known = KEYS.get(key) or KEYS.get(table)
        if known is None or known.table is not (key not in KEYS) or (known.table and not name):
            self._problems.append(_unknown(key, span))
            return
        try:
            converted = msgspec.convert(value, known.type, strict=strict)
        except msgspec.ValidationError as error:
            self._problems.append(_wrong(key, _in_words(error, known.type), span, origin))
            return
        self._origin[key] = origin
        if table == "variables":
            if not (name.isascii() and name.replace("_", "a").isalnum()):
                self._problems.append(_wrong(key, _NAME_RULE, span, origin))
            self._variables[name] = _variable(converted)
        elif table == "tags":
            self._tags[name] = _tag(converted)
        elif table == "hosts":
            self._hosts[name.lower()] = host_of(converted)
        elif table in self._lower:
            self._lower[table][name.strip("/").lower()] = converted
        elif table in self._plain:
            self._plain[table][name] = converted
        elif key == "masked":
            self._masked |= converted
        elif key in SIZES:
            self._values[key] = size_in_bytes(converted)
        elif key == "pull_policy" and not isinstance(converted, tuple):
            self._values[key] = (converted,)
        else:
            self._values[key] = converted


def _variable(value: str | VariableTable) -> SettingsVariable:
    if isinstance(value, str):
        return SettingsVariable(value=value)
    return SettingsVariable(
        value=value.value,
        expand=value.expand,
        masked=value.masked,
        file=value.file,
        environments=value.environments,
    )


def _tag(value: TagRuns | TagImage) -> TagRule:
    if isinstance(value, TagImage):
        return TagRule(runs=TagRuns.CONTAINER, image=value.image)
    return TagRule(runs=value)


def _unknown(key: str, span: Span | None) -> Problem:
    from difflib import get_close_matches

    near = get_close_matches(key, KEYS, n=1, cutoff=0.5) or [
        known for known in KEYS if known.rpartition(".")[2] == key
    ]
    return Problem(
        code="settings-unknown",
        message=f"unknown setting {key}",
        span=span,
        hint=f"did you mean {near[0]}?" if near else f"the settings are: {', '.join(KEYS)}",
    )


def _misspelt(variable: str) -> list[Problem]:
    """An environment variable that is nearly one of ours; others are none of our business."""
    from difflib import get_close_matches

    return [
        Problem(
            code="settings-unknown",
            message=f"unknown environment variable {variable}",
            hint=f"did you mean {near}?",
        )
        for near in get_close_matches(variable, ENVIRONMENT, n=1, cutoff=0.9)
    ]


def _in_words(error: msgspec.ValidationError, kind: Any) -> str:
    """msgspec's message, with the words that there are where it names only the wrong one, and with
    a description in place of a pattern."""
    head, at, path = str(error).partition(" - at `$")
    wrong = head.removeprefix("Invalid enum value ")
    if wrong != head:
        head = f"{wrong} is none of {', '.join(dict.fromkeys(_choices(kind)))}"
    for meta in _metas(kind):
        if meta.pattern is not None and repr(meta.pattern) in head:
            head = f"expected {meta.description}"
    return head + at + path


def _metas(kind: Any) -> Iterator[msgspec.Meta]:
    from typing import get_args

    if isinstance(kind, msgspec.Meta):
        yield kind
    for inner in get_args(kind):
        yield from _metas(inner)


def _choices(kind: Any) -> Iterator[str]:
    from enum import EnumType
    from typing import get_args

    if isinstance(kind, EnumType):
        yield from map(str, kind)
    for inner in get_args(kind):
        yield from _choices(inner)


def _wrong(key: str, message: str, span: Span | None, origin: str) -> Problem:
    """msgspec's `Expected x, got y - at $[1]` with the user's own name for the place."""
    words, _, path = message.replace("object", "table").partition(" - at `$")
    place = key + path.rstrip("`")
    prefix = "" if span else f"{origin}: "
    undotted = key.startswith("hosts.") and "unknown field" in words
    return Problem(
        code="settings-type",
        hint='a name with dots stands in quotes: [hosts."gitlab.corp"]' if undotted else None,
        message=f"{prefix}{place}: {words[:1].lower()}{words[1:]}",
        span=span,
    )
