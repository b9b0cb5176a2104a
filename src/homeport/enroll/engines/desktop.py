"""Docker in virtual machines that other programs keep: OrbStack has a file of the daemon here;
Rancher Desktop and Lima provision theirs by scripts. Docker Desktop is `docker`'s, Colima has a
module of its own.
"""

from abc import ABC, abstractmethod
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
from homeport.enroll.host import Host
from homeport.enroll.model import Effect, Engine, EnginePlan, Limit, Request


class Orbstack(Rendered):
    name = "orbstack"

    def detect(self, host: Host) -> Sequence[Engine]:
        home = f"{host.home}/.orbstack"
        if not host.is_dir(home):
            return ()
        path = host.real(f"{home}/config/docker.json")
        return (
            Engine(
                kind=self.name,
                id="orbstack:user",
                title="OrbStack",
                config=path,
                running=host.exists(f"{home}/run/docker.sock"),
                writable=host.may_write(path),
            ),
        )

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        path = str(engine.config)
        address = docker_address(request.mirror.hub_url)
        edits: list[Edit] = []
        wanted = [("registry-mirrors", address.url)]
        if address.scheme == "http":
            wanted.append(("insecure-registries", address.netloc))
        for key, value in wanted:
            edits.append(((key,), prepended(value, read_key(host, path, "json", (key,)))))
        changes = edit_keys(
            host, path, "json", edits, "its Docker pulls by the mirror", start="{}\n"
        )
        limits = hub_limits(request, self.name)
        if request.mirror.ca is not None and address.scheme == "https":
            why = "OrbStack trusts what macOS trusts"
            hint = "add it to the system's keychain (security add-trusted-cert), then restart"
            limits = (*limits, Limit("give OrbStack the mirror's CA", why, hint))
        return EnginePlan(
            engine,
            changes=changes,
            effect=Effect.RESTART if engine.running else Effect.NOTHING,
            command=("orb", "restart", "docker") if engine.running else (),
            stops=("every container of OrbStack",) if engine.running and changes else (),
            limits=limits,
            findings=inside_findings(address.url, "OrbStack's machine"),
            proven=False,
        )

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        found = read_key(host, str(engine.config), "json", ("registry-mirrors",))
        return {"docker.io": tuple(map(str, found))} if isinstance(found, list) and found else {}


class _Scripted(Rendered, ABC):
    """A machine that provisions itself: found, and told how; no file of it is changed."""

    title = ""
    how = ""

    @abstractmethod
    def machines(self, host: Host) -> Sequence[str]: ...

    def detect(self, host: Host) -> Sequence[Engine]:
        return tuple(
            Engine(
                kind=self.name,
                id=f"{self.name}:{name}",
                title=f"{self.title} ({name})",
                writable=False,
            )
            for name in self.machines(host)
        )

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        why = "it provisions its machine by scripts of the user's"
        limit = Limit("enroll it from outside", why, self.how)
        return EnginePlan(engine, effect=Effect.RECREATE, limits=(limit,), proven=False)


class RancherDesktop(_Scripted):
    name = "rancher-desktop"
    title = "Rancher Desktop"
    how = (
        "put what homeport enroll render --target shell writes below `provision:` of its "
        "override.yaml, and restart it"
    )

    def machines(self, host: Host) -> Sequence[str]:
        share = host.env.get("XDG_DATA_HOME") or f"{host.home}/.local/share"
        places = (
            f"{host.home}/.rd",
            f"{share}/rancher-desktop",
            f"{host.home}/Library/Application Support/rancher-desktop",
        )
        return ("user",) if any(host.is_dir(place) for place in places) else ()


class Lima(_Scripted):
    name = "lima"
    title = "Lima"
    how = "run homeport enroll apply within it (limactl shell NAME), or by `provision:`"

    def machines(self, host: Host) -> Sequence[str]:
        home = host.env.get("LIMA_HOME") or f"{host.home}/.lima"
        return [
            name
            for name in host.list(home)
            if not name.startswith("_") and host.exists(f"{home}/{name}/lima.yaml")
        ]


KINDS = (Orbstack(), RancherDesktop(), Lima())
