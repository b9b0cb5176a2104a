"""k3s and RKE2: `registries.yaml`, read when they start.

k3s tries the registry itself last, unless it runs with `disable-default-registry-endpoint`.
"""

from collections.abc import Mapping, Sequence
from typing import Optional

from homeport.enroll.engines.door import find_doors
from homeport.enroll.engines.rendered import (
    Edit,
    Rendered,
    authority_of,
    edit_keys,
    only_limit,
    prepended,
    read_key,
)
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import Effect, Engine, EnginePlan, Finding, Mode, Request

UNITS = ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
_SWITCH = "disable-default-registry-endpoint"


class K3s(Rendered):
    name = "k3s"

    def detect(self, host: Host) -> Sequence[Engine]:
        engines = []
        for program, title in (("k3s", "k3s"), ("rke2", "RKE2")):
            folder = f"/etc/rancher/{program}"
            said = host.run(program, "--version", limit=10.0)
            if said.status and not host.is_dir(folder):
                continue
            words = said.out.split()
            path = f"{folder}/registries.yaml"
            engines.append(
                Engine(
                    kind=self.name,
                    id=f"k3s:{program}",
                    title=title,
                    version=words[2].lstrip("v") if len(words) > 2 else "",
                    config=path,
                    running=host.exists("/run/k3s/containerd/containerd.sock")
                    and _unit(host, program) is not None,
                    writable=host.may_write(path),
                    facts={"unit": _unit(host, program), "folder": folder},
                )
            )
        return tuple(engines)

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        doors, limits = find_doors(request, by_name=False)
        path, folder = str(engine.config), str(engine.facts["folder"])
        authority, changes = authority_of(host, request, doors, folder)
        edits: list[Edit] = []
        findings: list[Finding] = []
        for door in doors:
            url = f"{door.base}/v2/{door.path}" if door.path else door.base
            way = ("mirrors", door.registry, "endpoint")
            edits.append((way, prepended(url, read_key(host, path, "yaml", way))))
            findings += _rewrites(host, path, door.registry)
        if authority is not None:
            names = sorted({door.host for door in doors if not door.plain})
            edits += [(("configs", name, "tls", "ca_file"), authority) for name in names]
        keys = edit_keys(host, path, "yaml", edits, "registries are pulled by the mirror")
        unit = engine.facts.get("unit")
        restart = engine.running and isinstance(unit, str)
        if keys and restart:
            words = "pods go on while it restarts: each container has a shim of its own"
            findings.append(Finding("containers-go-on", words))
        if request.mode is Mode.ONLY and not _is_switched(host, folder):
            hint = f"start it with --{_SWITCH} (or {_SWITCH}: true in {folder}/config.yaml)"
            limits = (*limits, *only_limit(request, engine.title, hint))
        return EnginePlan(
            engine,
            changes=(*changes, *keys),
            effect=Effect.RESTART if restart else Effect.NOTHING,
            command=("systemctl", "restart", str(unit)) if restart else (),
            limits=limits,
            findings=tuple(findings),
            proven=False,
        )

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        found = read_key(host, str(engine.config), "yaml", ("mirrors",))
        tables = found.items() if isinstance(found, dict) else ()
        return {
            name: tuple(table["endpoint"])
            for name, table in tables
            if isinstance(table, dict) and isinstance(table.get("endpoint"), list)
        }


KINDS = (K3s(),)


def _unit(host: Host, program: str) -> Optional[str]:
    names = ("k3s", "k3s-agent") if program == "k3s" else ("rke2-server", "rke2-agent")
    for name in names:
        if any(host.exists(f"{folder}/{name}.service") for folder in UNITS):
            return name
    return None


def _is_switched(host: Host, folder: str) -> bool:
    try:
        return read_key(host, f"{folder}/config.yaml", "yaml", (_SWITCH,)) in (True, "true")
    except EnrollError:
        return False


def _rewrites(host: Host, path: str, registry: str) -> "list[Finding]":
    """A user's rewrite holds for all endpoints of a registry, so for our mirror as well."""
    if not read_key(host, path, "yaml", ("mirrors", registry, "rewrite")):
        return []
    words = f"names of {registry} are rewritten before the mirror is asked for them"
    return [Finding("rewrite", words, "take the rewrite out, or make the mirror know it", path)]
