"""Daemons that GitLab Runner's jobs bring: Docker-in-Docker services, machines. Pure."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from homeport.enroll.engines.rendered import Edit, inside_findings
from homeport.enroll.model import Finding

_DIND = re.compile(r"(?:.*/)?docker:(?:[\w.]+-)*dind(?:-[\w.-]+)?")
_FLAG = "--registry-mirror"


class Nested(NamedTuple):
    edits: "list[Edit]"
    findings: "list[Finding]"


def nested(runner: Mapping[str, Any], number: int, hub: str, authority: bool) -> Nested:
    """What one `[[runners]]` needs. `hub` is the URL of Docker's mirror, `authority` whether it has
    a certificate of a CA of its own."""
    edits: list[Edit] = []
    findings: list[Finding] = []
    executor = str(runner.get("executor", ""))
    table = runner.get("kubernetes" if executor == "kubernetes" else "docker")
    table = table if isinstance(table, Mapping) else {}
    way = ("runners", str(number), "kubernetes" if executor == "kubernetes" else "docker")
    services = table.get("services")
    services = services if isinstance(services, list) else []
    found = False
    for at, service in enumerate(services):
        name = service.get("name") if isinstance(service, Mapping) else None
        if not isinstance(name, str) or not _DIND.fullmatch(name.partition("@")[0]):
            continue
        found = True
        command = service.get("command")
        command = [str(one) for one in command] if isinstance(command, list) else []
        if not any(word.startswith(_FLAG) for word in command):
            command = [*command, f"{_FLAG}={hub}"]
            edits.append(((*way, "services", str(at), "command"), command))
        elif f"{_FLAG}={hub}" not in command and hub not in command:
            words = f"the service {name} has a mirror already, which is not this one"
            findings.append(Finding("dind-other-mirror", words, f"{_FLAG}={hub}"))
        findings += inside_findings(hub, "the service's container")
    if found and authority:
        findings += _authority(hub, table, executor)
    if not found and table.get("privileged") is True:
        words = "jobs that bring docker:dind have a daemon of their own, without the mirror"
        hint = (
            f'in the job: services: [{{name: "docker:dind", command: ["{_FLAG}={hub}"]}}]; or for '
            "all of them a [[runners.docker.services]]; see homeport enroll render --target dind"
        )
        findings.append(Finding("dind", words, hint, severity="warning"))
    if executor == "docker+machine":
        edits += _machines(runner, number, hub)
    return Nested(edits, findings)


def _machines(runner: Mapping[str, Any], number: int, hub: str) -> "list[Edit]":
    """Machines are made with their mirror; those that there are go on without."""
    machine = runner.get("machine")
    options = machine.get("MachineOptions") if isinstance(machine, Mapping) else None
    options = [str(one) for one in options] if isinstance(options, list) else []
    wanted = f"engine-registry-mirror={hub}"
    if not isinstance(machine, Mapping) or wanted in options:
        return []
    return [(("runners", str(number), "machine", "MachineOptions"), [*options, wanted])]


def _authority(hub: str, table: Mapping[str, Any], executor: str) -> "list[Finding]":
    """Docker-in-Docker reads the CA in its own container."""
    folder = f"/etc/docker/certs.d/{urlsplit(hub).netloc}"
    volumes = table.get("volumes")
    volumes = volumes if isinstance(volumes, list) else []
    if any(isinstance(one, str) and "/etc/docker/certs.d" in one for one in volumes):
        return []
    words = "Docker-in-Docker services do not know the mirror's CA"
    hint = f'add "{folder}:{folder}:ro" to volumes of [runners.docker]'
    if executor == "kubernetes":
        hint = f"mount it at {folder}/ca.crt: [[runners.kubernetes.volumes.config_map]]"
    return [Finding("dind-ca", words, hint, severity="warning")]
