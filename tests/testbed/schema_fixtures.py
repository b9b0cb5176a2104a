"""GitLab's fixtures for its schema file, each of their keys made a configuration of its own."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from homeport.pipeline.config.keywords import BRIDGE_KEYS, JOB_KEYS

FIXTURES = Path(
    os.environ.get("HOMEPORT_SCHEMA_FIXTURES", Path(__file__).parents[3] / "shared/gitlab-schema")
)
GLOBAL = frozenset((
    "default", "include", "stages", "variables", "workflow", "spec", "image", "services", "cache",
    "before_script", "after_script", "pages",
))  # fmt: skip
_DOING = frozenset(("script", "run", "trigger"))


class Fixture(NamedTuple):
    """One key of one file; `positive` is what the schema says of it."""

    file: str
    key: str
    positive: bool
    source: str


def read_fixtures() -> Iterator[Fixture]:
    """Every key of every file, unwrapped, with the script, jobs and stages that it lacks."""
    for path in sorted(FIXTURES.glob("*_tests/*/**/*")):
        if path.is_file():
            name = str(path.relative_to(FIXTURES))
            text = path.read_text(encoding="utf-8")
            documents = [each for each in yaml.load_all(text, _Loader) if each]
            for key, value in _keys(documents):
                source = _source(key.rpartition(" / ")[2], value, documents[-1])
                yield Fixture(name, key, "/positive_tests/" in name, source)


def _keys(documents: list[Any]) -> Iterator[tuple[str, Any]]:
    for document in documents:
        for key, value in document.items():
            if key not in GLOBAL and isinstance(value, dict) and _is_wrapper(value):
                for inner, inside in value.items():
                    yield f"{key} / {inner}", inside
            else:
                yield str(key), value


def _is_wrapper(value: dict[str, Any]) -> bool:
    """Whether a fixture puts whole jobs, headers or workflows one level too deep."""
    return bool(value) and all(
        key in ("spec", "workflow", "include")
        or (isinstance(inner, dict) and _DOING & inner.keys())
        for key, inner in value.items()
    )


def _source(key: str, value: Any, whole: dict[str, Any]) -> str:
    if key == "spec":
        return f"{_dump({'spec': value})}\n---\n{_dump({'job': {'script': 'true'}})}"
    config: dict[str, Any] = {}
    if key in GLOBAL and not (isinstance(value, dict) and _DOING & value.keys()):
        config[key] = value
        config["job"] = {"script": "true", "stage": ".pre"}
        return _dump(config)
    if key.startswith(".") and not _is_whole_job(value):
        # A piece that jobs take in is only looked at there.
        return _dump({key: value, "job": {"script": "true"}})
    name = key.lstrip(".") or key
    config[name] = value
    if isinstance(value, dict):
        config[name] = {**value}
        _add_bases(value.get("extends"), whole, config)
        if not (_DOING & _merged_keys(value, whole)) and not _is_bridge(value):
            config[name]["script"] = "true"
        _add_jobs(value, config)
        _add_stages(config)
    return _dump(config)


def _is_whole_job(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() <= JOB_KEYS | BRIDGE_KEYS


def _is_bridge(value: dict[str, Any]) -> bool:
    needs = value.get("needs")
    return isinstance(needs, dict) and "pipeline" in needs and "job" not in needs


def _add_bases(extends: Any, whole: dict[str, Any], config: dict[str, Any]) -> None:
    for base in [extends] if isinstance(extends, str) else extends or ():
        if base not in config:
            config[base] = whole.get(base, {"script": "true"})
            if isinstance(config[base], dict):
                _add_bases(config[base].get("extends"), whole, config)


def _merged_keys(value: dict[str, Any], whole: dict[str, Any]) -> set[str]:
    keys = set(value)
    extends = value.get("extends")
    for base in [extends] if isinstance(extends, str) else extends or ():
        if isinstance(whole.get(base), dict):
            keys |= _merged_keys(whole[base], whole)
    return keys


def _add_jobs(value: dict[str, Any], config: dict[str, Any]) -> None:
    """Jobs that are needed but are not the subject."""
    lists = [value.get("needs"), value.get("dependencies")]
    rules = value.get("rules")
    lists += (
        [rule.get("needs") for rule in rules or () if isinstance(rule, dict)]
        if isinstance(rules, list)
        else []
    )
    environment = value.get("environment")
    stop = environment.get("on_stop") if isinstance(environment, dict) else None
    if isinstance(stop, str) and isinstance(environment, dict):
        name = environment.get("name")
        stopped = {"script": "true", "stage": value.get("stage", "test")}
        config.setdefault(stop, {**stopped, "environment": {"name": name, "action": "stop"}})
    trigger = value.get("trigger")
    include = trigger.get("include") if isinstance(trigger, dict) else None
    lists.append(
        [each for each in include or () if isinstance(each, dict)]
        if isinstance(include, list)
        else None
    )
    for needs in lists:
        for need in needs if isinstance(needs, list) else [needs]:
            name = need.get("job") if isinstance(need, dict) else need
            elsewhere = isinstance(need, dict) and ("project" in need or "pipeline" in need)
            if isinstance(name, str) and name and not elsewhere:
                job: dict[str, Any] = {"stage": ".pre", "script": "true"}
                parallel = need.get("parallel") if isinstance(need, dict) else None
                if isinstance(parallel, dict) and "matrix" in parallel:
                    job["parallel"] = parallel
                config.setdefault(name, job)


def _add_stages(config: dict[str, Any]) -> None:
    used = [
        job["stage"]
        for job in config.values()
        if isinstance(job, dict) and isinstance(job.get("stage"), str)
    ]
    config["stages"] = [*dict.fromkeys(["build", "test", "deploy", *used])]


class _Tagged(NamedTuple):
    path: Any


class _Loader(yaml.SafeLoader):
    """Keeps `!reference` as it is."""


_Loader.add_constructor("!reference", lambda loader, node: _Tagged(loader.construct_sequence(node)))


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - yaml's own signature
        return True


_Dumper.add_representer(
    _Tagged, lambda dumper, tag: dumper.represent_sequence("!reference", tag.path, flow_style=True)
)


def _dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def local_files(source: str) -> dict[str, str]:
    """The files that a configuration includes from its own repository, each with such inputs as
    are given to it."""
    files: dict[str, str] = {}
    for document in yaml.load_all(source, _Loader):
        entries = (document or {}).get("include") or (document or {}).get("spec", {})
        if isinstance(entries, dict) and "include" in entries:
            entries = entries["include"]
        for entry in entries if isinstance(entries, list) else [entries]:
            local = entry.get("local") if isinstance(entry, dict) else entry
            if isinstance(local, str) and not local.startswith("http"):
                given = entry.get("inputs") or {} if isinstance(entry, dict) else {}
                inputs = {name: {"type": _TYPES[type(item)]} for name, item in given.items()}
                header = f"{_dump({'spec': {'inputs': inputs}})}---\n" if inputs else ""
                files[local.lstrip("/")] = f"{header}.included: {{script: ['true']}}\n"
    return files


_TYPES = {str: "string", int: "number", float: "number", bool: "boolean", list: "array"}
