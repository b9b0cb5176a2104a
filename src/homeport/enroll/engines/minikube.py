"""minikube: a profile's mirror is given when it is made; CAs are copied in at each start."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from homeport.enroll.address import docker_address
from homeport.enroll.engines.rendered import Rendered, inside_findings, whole_file
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import (
    Effect,
    Engine,
    EnginePlan,
    FileChange,
    Finding,
    Limit,
    Mode,
    Request,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


class Minikube(Rendered):
    name = "minikube"

    def detect(self, host: Host) -> Sequence[Engine]:
        home = _home(host)
        engines = []
        for name in host.list(f"{home}/profiles"):
            path = f"{home}/profiles/{name}/config.json"
            if not _NAME.fullmatch(name) or not host.exists(path):
                continue
            config, findings = _config(host, path)
            mirrors = config.get("RegistryMirror")
            machine = config.get("KubernetesConfig")
            engines.append(
                Engine(
                    kind=self.name,
                    id=f"minikube:{name}",
                    title=f"minikube ({name})",
                    config=path,
                    writable=host.may_write(f"{home}/certs/homeport-ca.pem"),
                    facts={
                        "profile": name,
                        "mirrors": _texts(mirrors),
                        "driver": str(config.get("Driver", "")),
                        "runtime": str(machine.get("ContainerRuntime", ""))
                        if isinstance(machine, dict)
                        else "",
                    },
                    findings=findings,
                )
            )
        return tuple(engines)

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        url = docker_address(request.mirror.hub_url).url
        name = engine.facts["profile"]
        changes: tuple[FileChange, ...] = ()
        if request.mirror.ca is not None and url.startswith("https://"):
            path = f"{_home(host)}/certs/homeport-ca.pem"
            changes = whole_file(
                host, path, request.mirror.ca, "the mirror's CA, for every profile"
            )
        findings = [*engine.findings, *inside_findings(url, "the cluster's machine")]
        if url not in engine.facts["mirrors"]:
            words = f"the profile {name} was made without the mirror, and keeps to that"
            hint = f"minikube delete -p {name} && minikube start -p {name} --registry-mirror={url}"
            findings.append(Finding("recreate", words, hint, severity="warning"))
        return EnginePlan(
            engine,
            changes=changes,
            effect=Effect.RECREATE,
            command=("minikube", "start", "-p", str(name), f"--registry-mirror={url}"),
            limits=hub_limits(request, "minikube"),
            findings=tuple(findings),
            proven=False,
        )

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        mirrors = engine.facts["mirrors"]
        return {"docker.io": tuple(mirrors)} if mirrors else {}


KINDS = (Minikube(),)


def hub_limits(request: Request, engine: str) -> tuple[Limit, ...]:
    """What Docker's `registry-mirrors` cannot do."""
    limits = []
    for registry in request.registries:
        if registry not in ("docker.io", "index.docker.io", "registry-1.docker.io"):
            why = f"{engine} uses Docker's registry-mirrors, which serves Docker Hub alone"
            limits.append(Limit(f"use the mirror for {registry}", why, "name the mirror in images"))
    if request.mode is Mode.ONLY:
        why = f"{engine} asks Docker Hub itself where the mirror fails"
        limits.append(Limit("keep to the mirror alone", why, "block the way out on the network"))
    return tuple(limits)


def _home(host: Host) -> str:
    found = host.env.get("MINIKUBE_HOME")
    if not found:
        return f"{host.home}/.minikube"
    return found if found.rstrip("/").endswith(".minikube") else f"{found.rstrip('/')}/.minikube"


def _config(host: Host, path: str) -> "tuple[dict[str, Any], tuple[Finding, ...]]":
    try:
        data = json.loads(host.text(path) or "{}")
    except (EnrollError, ValueError):
        data = None
    if isinstance(data, dict):
        return data, ()
    return {}, (Finding("broken-file", f"{path} does not read", "", path, "warning"),)


def _texts(found: object) -> "list[str]":
    return [str(one) for one in found] if isinstance(found, list) else []
