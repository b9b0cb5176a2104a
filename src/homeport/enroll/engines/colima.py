"""Colima: `docker:` of a profile's colima.yaml is the daemon.json of its machine."""

import re
from collections.abc import Mapping, Sequence

from homeport.enroll.address import docker_address
from homeport.enroll.engines.minikube import hub_limits
from homeport.enroll.engines.rendered import (
    Edit,
    Rendered,
    edit_keys,
    inside_findings,
    prepended,
    read_key,
)
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import Effect, Engine, EnginePlan, Finding, Limit, Request

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_MIRRORS = ("docker", "registry-mirrors")
_INSECURE = ("docker", "insecure-registries")


class Colima(Rendered):
    name = "colima"

    def detect(self, host: Host) -> Sequence[Engine]:
        engines: dict[str, Engine] = {}
        for home in _homes(host):
            for name in host.list(home):
                path = f"{home}/{name}/colima.yaml"
                if name not in engines and _NAME.fullmatch(name) and host.exists(path):
                    engines[name] = self._engine(host, home, name, path)
        return tuple(engines.values())

    def _engine(self, host: Host, home: str, name: str, path: str) -> Engine:
        findings: tuple[Finding, ...] = ()
        runtime = "docker"
        try:
            runtime = str(read_key(host, path, "yaml", ("runtime",)) or runtime)
        except EnrollError as error:
            words = Finding("broken-file", error.message, error.hint, error.place, "error")
            findings = (words,)
        return Engine(
            kind=self.name,
            id=f"colima:{name}",
            title=f"Colima ({name})",
            config=host.real(path),
            running=host.exists(f"{home}/{name}/docker.sock"),
            writable=host.may_write(path),
            facts={"profile": name, "runtime": runtime},
            findings=findings,
        )

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        path, name = str(engine.config), str(engine.facts["profile"])
        if engine.facts["runtime"] != "docker":
            why = f"its runtime is {engine.facts['runtime']}, which reads no registry-mirrors"
            hint = f"homeport enroll apply within it: colima ssh -p {name}"
            limit = Limit("enroll it from outside", why, hint)
            return EnginePlan(engine, limits=(limit,), proven=False)
        address = docker_address(request.mirror.hub_url)
        edits: list[Edit] = [(_MIRRORS, prepended(address.url, _read(host, path, _MIRRORS)))]
        if address.scheme == "http":
            edits.append((_INSECURE, prepended(address.netloc, _read(host, path, _INSECURE))))
        changes = edit_keys(host, path, "yaml", edits, "its Docker pulls by the mirror")
        limits = hub_limits(request, "Colima")
        if request.mirror.ca is not None and address.scheme == "https":
            folder = f"/etc/docker/certs.d/{address.netloc}"
            why = "its machine does not look at this one's files"
            hint = f"put it there as {folder}/ca.crt: colima ssh -p {name}"
            limits = (*limits, Limit("give Colima the mirror's CA", why, hint))
        return EnginePlan(
            engine,
            changes=changes,
            effect=Effect.RESTART if engine.running else Effect.NOTHING,
            command=("colima", "restart", "--profile", name) if engine.running else (),
            stops=("every container of this profile",) if engine.running and changes else (),
            limits=limits,
            findings=inside_findings(address.url, "Colima's machine"),
            proven=False,
        )

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        found = read_key(host, str(engine.config), "yaml", _MIRRORS)
        return {"docker.io": tuple(map(str, found))} if isinstance(found, list) and found else {}


KINDS = (Colima(),)


def _read(host: Host, path: str, way: "tuple[str, ...]") -> object:
    return read_key(host, path, "yaml", way)


def _homes(host: Host) -> "tuple[str, ...]":
    config = host.env.get("XDG_CONFIG_HOME") or f"{host.home}/.config"
    named = host.env.get("COLIMA_HOME")
    return (named,) if named else (f"{host.home}/.colima", f"{config}/colima")
