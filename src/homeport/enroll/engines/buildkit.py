"""BuildKit: `buildkitd.toml`, and builders of buildx, which have a copy of it from when they were
made. A builder that has no mirror is made anew, by its owner: that drops its cache.
"""

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from homeport.enroll.engines.door import find_doors
from homeport.enroll.engines.rendered import (
    Edit,
    Rendered,
    authority_of,
    edit_keys,
    inside_findings,
    only_limit,
    prepended,
    read_key,
)
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import Effect, Engine, EnginePlan, Finding, Request

SYSTEM = "/etc/buildkit/buildkitd.toml"
_FOREIGN = ("docker-container", "kubernetes", "remote")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Buildkit(Rendered):
    name = "buildkit"

    def detect(self, host: Host) -> Sequence[Engine]:
        engines = []
        said = host.run("buildkitd", "--version", limit=10.0)
        if said.status == 0 or host.exists(SYSTEM):
            words = said.out.split()
            version = next((word.lstrip("v") for word in words if word[:2] in _VERSIONS), "")
            engines.append(_engine(host, "system", "BuildKit", SYSTEM, version))
        user = f"{_config(host)}/buildkit/buildkitd.toml"
        if host.exists(user):
            engines.append(_engine(host, "user", "BuildKit (rootless)", user, ""))
        folder = f"{_docker(host)}/buildx"
        default = f"{folder}/buildkitd.default.toml"
        builders, findings = _builders(host, folder)
        if builders or host.exists(default):
            names = ", ".join(builder["name"] for builder in builders)
            title = f"buildx builders ({names})" if names else "buildx builders"
            engines.append(
                Engine(
                    kind=self.name,
                    id="buildkit:buildx",
                    title=title,
                    config=default,
                    running=bool(builders),
                    writable=host.may_write(default),
                    facts={"builders": builders},
                    findings=findings,
                )
            )
        return tuple(engines)

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        doors, limits = find_doors(request, by_name=True)
        path = str(engine.config)
        authority, changes = authority_of(host, request, doors, posixpath.dirname(path))
        edits: list[Edit] = []
        for door in doors:
            way = ("registry", door.registry, "mirrors")
            found = read_key(host, path, "toml", way)
            edits.append((way, prepended(door.location, found)))
        for door in {door.host: door for door in doors}.values():
            if door.plain:
                edits.append((("registry", door.host, "http"), True))
            elif authority is not None:
                way = ("registry", door.host, "ca")
                edits.append((way, prepended(authority, read_key(host, path, "toml", way))))
        keys = edit_keys(host, path, "toml", edits, "registries are pulled by the mirror")
        findings = [
            found for door in doors[:1] for found in inside_findings(door.base, "a builder")
        ]
        builders: Sequence[Mapping[str, Any]] = engine.facts.get("builders", ())
        if engine.id == "buildkit:buildx":
            for builder in builders:
                findings += _stale(builder, [door.location for door in doors], path)
            effect = Effect.RECREATE
            command: tuple[str, ...] = ("docker", "buildx", "create", "--buildkitd-config", path)
        else:
            effect = Effect.RESTART if engine.running else Effect.NOTHING
            command = ("systemctl", "restart", "buildkit") if engine.running else ()
        return EnginePlan(
            engine,
            changes=(*changes, *keys),
            effect=effect,
            command=command,
            limits=(*limits, *only_limit(request, "BuildKit")),
            findings=tuple(findings),
            proven=False,
        )

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        found = read_key(host, str(engine.config), "toml", ("registry",))
        tables = found.items() if isinstance(found, dict) else ()
        return {
            name: tuple(table["mirrors"])
            for name, table in tables
            if isinstance(table, dict) and isinstance(table.get("mirrors"), list)
        }


KINDS = (Buildkit(),)

_VERSIONS = tuple(f"v{digit}" for digit in range(10))


def _engine(host: Host, name: str, title: str, path: str, version: str) -> Engine:
    runtime = host.env.get("XDG_RUNTIME_DIR") or f"/run/user/{host.uid}"
    folder = "/run" if name == "system" else runtime
    return Engine(
        kind=Buildkit.name,
        id=f"buildkit:{name}",
        title=title,
        version=version,
        config=path,
        running=host.exists(f"{folder}/buildkit/buildkitd.sock"),
        writable=host.may_write(path),
    )


def _config(host: Host) -> str:
    return host.env.get("XDG_CONFIG_HOME") or f"{host.home}/.config"


def _docker(host: Host) -> str:
    return host.env.get("DOCKER_CONFIG") or f"{host.home}/.docker"


def _builders(host: Host, folder: str) -> "tuple[list[dict[str, Any]], tuple[Finding, ...]]":
    """Builders that have a BuildKit of their own, with the configuration that each was given."""
    builders, findings = [], []
    for name in host.list(f"{folder}/instances"):
        path = f"{folder}/instances/{name}"
        try:
            data = json.loads(host.text(path) or "null")
            driver = data["Driver"]
            nodes = data.get("Nodes") or []
            files = [node.get("Files") or {} for node in nodes]
            text = "".join(str(each.get("buildkitd.toml", "")) for each in files)
        except (EnrollError, ValueError, KeyError, TypeError, AttributeError):
            words = f"{path} is not what buildx writes"
            findings.append(Finding("broken-file", words, "", path, "warning"))
            continue
        if driver in _FOREIGN and _NAME.fullmatch(name):
            builders.append({"name": name, "driver": driver, "config": _decoded(text)})
    return builders, tuple(findings)


def _decoded(text: str) -> str:
    """Go writes bytes as base64."""
    import base64
    import binascii

    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (ValueError, binascii.Error):
        return text


def _stale(builder: Mapping[str, Any], locations: Sequence[str], path: str) -> "list[Finding]":
    if all(f'"{each}"' in builder["config"] for each in locations):
        return []
    name, driver = builder["name"], builder["driver"]
    if driver == "remote":
        words = f"the builder {name} runs elsewhere, and has the configuration of its own machine"
        hint = "enroll that machine, or give it what homeport enroll render --target buildkitd says"
        return [Finding("builder-elsewhere", words, hint, severity="warning")]
    words = f"the builder {name} goes on as it was made, without the mirror"
    hint = (
        f"docker buildx rm {name} && docker buildx create --name {name} --driver {driver} "
        f"--buildkitd-config {path}; its build cache goes with it"
    )
    return [Finding("recreate-builder", words, hint, severity="warning")]
