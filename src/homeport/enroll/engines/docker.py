"""Docker: daemon.json, certs.d, a reload by signal, the API on its socket."""

from collections.abc import Mapping, Sequence

from homeport.enroll.engines import docker_plan, docker_pull, docker_reload
from homeport.enroll.engines.docker_api import Daemon
from homeport.enroll.engines.docker_config import MIRRORS, read_config
from homeport.enroll.engines.docker_detect import detect_engines
from homeport.enroll.engines.docker_draft import release_of
from homeport.enroll.engines.docker_files import hosts_path
from homeport.enroll.errors import CannotPullError, EnrollError
from homeport.enroll.formats import toml_read
from homeport.enroll.host import Host
from homeport.enroll.model import Engine, EnginePlan, FileChange, Finding, Pull, Request


class Docker:
    """Docker's daemons on this machine, each by its socket."""

    name = "docker"

    def detect(self, host: Host) -> Sequence[Engine]:
        return detect_engines(host)

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        return docker_plan.make_plan(host, engine, request)

    def take_up(self, host: Host, plan: EnginePlan) -> None:
        docker_reload.take_up(host, plan)

    def confirm(self, host: Host, plan: EnginePlan) -> tuple[Finding, ...]:
        return docker_reload.confirm(host, plan)

    def before_undo(self, host: Host, engine: Engine, changes: Sequence[FileChange]) -> None:
        docker_reload.before_undo(host, engine, changes)

    def pull(self, host: Host, engine: Engine, reference: str) -> Pull:
        return docker_pull.pull(host, engine, reference)

    def remove(self, host: Host, engine: Engine, reference: str) -> None:
        if not engine.facts.get("socket"):
            raise CannotPullError(f"{engine.title} is not on this machine")
        Daemon(host, str(engine.facts["socket"])).remove(reference)

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        """Docker Hub's mirrors as the running daemon has them (as its file has them where it does
        not run), and those of hosts.toml files where it reads such."""
        found: dict[str, Sequence[str]] = {}
        mirrors = _hub_mirrors(host, engine)
        if mirrors:
            found["docker.io"] = mirrors
        if engine.facts.get("store") == "containerd":
            found.update(_read_hosts(host, str(engine.facts.get("certs"))))
        return found


def _hub_mirrors(host: Host, engine: Engine) -> Sequence[str]:
    if engine.running and engine.facts.get("socket"):
        return Daemon(host, str(engine.facts["socket"])).registries().mirrors
    path = engine.config
    text = host.text(path) if path else None
    return read_config(text, path, release_of(engine)).texts(MIRRORS) if path and text else ()


def _read_hosts(host: Host, certs: str) -> Mapping[str, Sequence[str]]:
    found = {}
    for name in host.list(certs):
        path = hosts_path(certs, name)
        try:
            text = host.text(path)
            values = toml_read.parse(text, path).values if text else {}
        except EnrollError:
            continue
        hosts = values.get("host")
        if isinstance(hosts, dict) and hosts:
            found[name] = tuple(hosts)
    return found


KINDS = (Docker(),)
