"""One entry of `include:` → where it points (GitLab `Config::External::Mapper`)."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from homeport.pipeline.model.document import Map
from homeport.pipeline.variables.expand import ExpansionError, expand, references

KINDS = ("local", "project", "remote", "template", "artifact", "component")
HEADER_KINDS = ("local", "remote", "project")
_EXTENSION = r"(?i).+\.(?:yml|yaml)$"
_SCHEMES = ("http", "https", "ssh", "git")
_UNITS = {
    "s": 1,
    "se": 1,
    "m": 60,
    "mi": 60,
    "h": 3600,
    "ho": 3600,
    "hr": 3600,
    "d": 86400,
    "da": 86400,
    "w": 604800,
    "we": 604800,
    "mo": 2592000,
    "y": 31557600,
    "ye": 31557600,
}
_RULE_KEYS = ("if", "exists", "when", "changes")


class LocationError(Exception):
    """An entry that GitLab refuses; the text is GitLab's own."""


class Location(Struct, frozen=True, kw_only=True):
    """Where one file comes from. `name` is its path, URL, template or component; `integrity` is
    the hash it must have, `job` the one whose artifact it is, `cache` whether (or how long) a copy
    may be used, as written; `unknown` are the variables in the entry that nothing known here
    defines."""

    kind: str
    name: Any
    project: str | None = None
    ref: str | None = None
    job: Any = None
    inputs: Any = None
    integrity: str | None = None
    cache: Any = None
    unknown: tuple[str, ...] = ()


def normalize_entry(entry: Any, variables: Mapping[str, str]) -> Map:
    """An entry as a mapping: a string is a local path, or a URL."""
    if isinstance(entry, Map):
        return entry
    if not isinstance(entry, str):
        raise LocationError("Each include must be a hash or a string")
    # Expanded first, since the variable may hide whether it is a path or a URL.
    text = expand_variables(entry, variables)
    return Map({"remote" if _is_url(text) else "local": entry})


def parse_entry(
    entry: Map, variables: Mapping[str, str], known: tuple[str, ...] = KINDS
) -> Location:
    """The one place that an entry points to; `known` are the kinds that may stand there.

    Raises `LocationError` unless exactly one kind is named, by a location of the right form.
    """
    values = {key: _expand_value(value, variables) for key, value in entry.items()}
    kinds = [kind for kind in known if _names(kind, values)]
    what = "include" if known is KINDS else "header include"
    if not kinds:
        valid = "`, `".join(known)
        raise LocationError(
            f"`{_to_json(values)}` does not have a valid subkey for {what}. "
            f"Valid subkeys are: `{valid}`"
        )
    if len(kinds) > 1:
        raise LocationError(f"Each {what} must use only one of: `{'`, `'.join(known)}`")
    kind = kinds[0]
    name = values["file"] if kind == "project" else values[kind]
    if kind in ("local", "project") and isinstance(name, str):
        name = name.lstrip("/")
    return Location(
        kind=kind,
        name=name,
        project=_project(values["project"]).lower() if kind == "project" else None,
        ref=str(values.get("ref") or "HEAD") if kind == "project" else None,
        job=values.get("job") if kind == "artifact" else None,
        inputs=values.get("inputs", values.get("with")),
        integrity=_integrity(values, kind),
        cache=values.get("cache") if kind == "remote" else None,
        unknown=_unknown_variables(entry, variables),
    )


def check_location(location: Location, *, in_child: bool = False) -> None:
    """Raise `LocationError` for a location that GitLab refuses before it looks there; `in_child` is
    whether the file is one of a child pipeline."""
    name = location.name
    if not isinstance(name, str):
        raise LocationError(f"Included file `{name}` needs to be a string")
    if location.kind == "component":
        return
    if not re.match(_EXTENSION, name.rstrip("/").rsplit("/", 1)[-1]):
        raise LocationError(f"Included file `{name}` does not have YAML extension!")
    if location.kind == "remote" and not _is_url(name):
        raise LocationError(f"Remote file `{name}` does not have a valid address!")
    if location.kind == "template" and not name.endswith(".gitlab-ci.yml"):
        raise LocationError(f"Template file `{name}` is not a valid location!")
    if location.kind == "artifact" and not in_child:
        raise LocationError(
            "Including configs from artifacts is only allowed when triggering child pipelines"
        )


def seconds_of_cache(written: Any) -> float | None:
    """How old a copy may be by `include:cache`: an hour for `true` (GitLab's default), or the
    length that is written; None where nothing is."""
    if written is True:
        return 3600.0
    if not isinstance(written, str):
        return None
    found = re.findall(r"(\d{1,6}(?:\.\d{1,6})?)\s*([a-z]+)", written.lower())
    return sum(float(number) * _UNITS.get(unit[:2], 0.0) for number, unit in found) or None


def check_rules(rules: Any) -> None:
    """Raise `LocationError` for `include:rules` of a form that GitLab refuses."""
    if not isinstance(rules, list):
        raise LocationError("include:rules config should be an array")
    if not rules:
        raise LocationError("include:rules config can't be blank")
    for rule in rules:
        if not isinstance(rule, Map):
            raise LocationError("include:rules:rule config should be a hash")
        unknown = [str(key) for key in rule if key not in _RULE_KEYS]
        if unknown:
            keys = ", ".join(unknown)
            raise LocationError(f"include:rules:rule config contains unknown keys: {keys}")
        when = rule.get("when")
        if when not in (None, "never", "always"):
            raise LocationError(f"include:rules:rule when unknown value: {when}")


def expand_variables(text: str, variables: Mapping[str, str]) -> str:
    """A text with its variables replaced; an unknown one leaves nothing."""
    try:
        return expand(text, variables)
    except ExpansionError as error:
        raise LocationError(error.problems[0].message) from None


def describe_entry(entry: Map) -> tuple[str, str]:
    """Kind and location of an entry as written, for a person."""
    for kind in KINDS:
        if kind in entry:
            name = entry.get("file", "") if kind == "project" else entry[kind]
            return kind, ", ".join(map(str, name)) if isinstance(name, list) else str(name)
    return "include", _to_json(entry)


def _integrity(values: Mapping[Any, Any], kind: str) -> str | None:
    """GitLab's `Config::Entry::Concerns::BaseInclude`."""
    integrity = values.get("integrity")
    if not integrity:
        return None
    if kind != "remote":
        raise LocationError("include config integrity can only be specified for remote includes")
    if not isinstance(integrity, str) or not integrity.startswith("sha256-"):
        raise LocationError("include config integrity hash must start with 'sha256-'")
    if not re.fullmatch(
        "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
        integrity.removeprefix("sha256-"),
    ):
        raise LocationError("include config integrity hash must be base64 encoded")
    return integrity


def _expand_value(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return expand_variables(value, variables)
    if isinstance(value, list):
        return [expand_variables(_text(item), variables) for item in value]
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _to_json(value)


def _unknown_variables(entry: Map, variables: Mapping[str, str]) -> tuple[str, ...]:
    texts = (str(entry.get(key, "")) for key in (*KINDS, "file", "ref"))
    names = dict.fromkeys(name for text in texts for name in references(text))
    return tuple(name for name in names if name not in variables)


def _names(kind: str, values: Mapping[Any, Any]) -> bool:
    if kind == "project":
        return _is_present(values.get("file")) and bool(_project(values.get("project")).strip())
    return _is_present(values.get(kind))


def _project(value: Any) -> str:
    first = (value[0] if value else "") if isinstance(value, list) else value
    return "" if first is None else str(first)


def _is_present(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value not in (None, False, [], {})


def _is_url(text: str) -> bool:
    return text.strip().partition(":")[0] in _SCHEMES and ":" in text


def _to_json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
