"""What is to be changed so that a Docker daemon uses a mirror.

Docker Hub's mirror is a key of daemon.json, taken up by a reload. For other registries, dockerd has
no mirrors (moby#18818), unless it stores images in containerd: that reads hosts.toml files.
"""

from urllib.parse import urlsplit

from homeport.enroll.engines import docker_files
from homeport.enroll.engines.docker_api import Daemon
from homeport.enroll.engines.docker_config import check_mirror_url, read_config
from homeport.enroll.engines.docker_draft import Draft, is_loopback, reload_command
from homeport.enroll.engines.docker_mirrors import plan_config
from homeport.enroll.engines.docker_proxies import capturing
from homeport.enroll.engines.docker_registries import plan_certificates, plan_hosts
from homeport.enroll.host import Host
from homeport.enroll.model import Effect, Engine, EnginePlan, Finding, Limit, Request

DETACHED_SINCE = 26
"""The release from which a rootless daemon pulls in the host's network (moby#47103)."""


def make_plan(host: Host, engine: Engine, request: Request) -> EnginePlan:
    """Raises EnrollError for a URL that Docker cannot have, BrokenFileError for a file that dockerd
    would refuse, ConflictError where a flag says what the file should."""
    facts = engine.facts
    if engine.config is None or facts.get("elsewhere"):
        return EnginePlan(engine, limits=(_not_here(engine),))
    draft = Draft(host, engine, request)
    if draft.hub:
        check_mirror_url(request.mirror.hub_url)
    plan_config(draft)
    plan_certificates(draft)
    plan_hosts(draft)
    _plan_proxy(draft)
    _warn(draft)
    return _finish(draft)


def _plan_proxy(draft: Draft) -> None:
    """A proxy between the daemon and the mirror; only a restart can take it away."""
    facts, mirror = draft.engine.facts, draft.request.mirror
    url = mirror.hub_url if draft.hub else mirror.url
    proxy = capturing(url, facts.get("proxies") or {})
    if proxy is None:
        return
    name = urlsplit(url).hostname or ""
    can = facts.get("manager") == "systemd" and draft.host.is_dir("/etc/systemd/system")
    hint = f"add {name} to NO_PROXY of the daemon, and restart it"
    if can and not draft.request.allow_restart:
        hint += "; --allow-restart does both"
    draft.findings.append(
        Finding(
            "docker-proxy-captures",
            f"the daemon would reach {url} through its proxy {proxy}",
            hint,
            draft.engine.config or "",
            "warning",
        )
    )
    if can and draft.request.allow_restart and not _has_proxies(draft):
        text = docker_files.no_proxy_drop_in(facts.get("proxies") or {}, name)
        why = "the daemon reaches the mirror without its proxy"
        draft.add(docker_files.whole(draft.host, docker_files.DROP_IN, text, why))
        draft.restart = True


def _has_proxies(draft: Draft) -> bool:
    """Proxies of daemon.json come before those of the environment."""
    text = draft.host.text(draft.engine.config or "") or "{}"
    config = read_config(text, draft.engine.config or "", draft.release)
    return "proxies" in config.values


def _warn(draft: Draft) -> None:
    engine, mirror = draft.engine, draft.request.mirror
    url = mirror.hub_url if draft.hub else mirror.url
    old = 0 < draft.release < DETACHED_SINCE
    if engine.facts.get("rootless") and old and is_loopback(url):
        draft.findings.append(
            Finding(
                "docker-rootless-loopback",
                f"in a rootless daemon older than {DETACHED_SINCE}, {urlsplit(url).hostname} is "
                "RootlessKit's own network: the mirror is not there",
                "give the mirror an address of this machine that is not loopback",
                engine.config or "",
                "warning",
            )
        )
    if not engine.writable and draft.changes:
        draft.findings.append(
            Finding(
                "docker-not-writable",
                f"this user may not write {engine.config}",
                "run it with sudo",
                engine.config or "",
                "error",
            )
        )


def _finish(draft: Draft) -> EnginePlan:
    engine = draft.engine
    edits = any(change.path == engine.config for change in draft.changes)
    effect = Effect.NOTHING
    command: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    if engine.facts.get("wrapper"):
        if draft.changes:
            effect, command = Effect.RECREATE, ("docker", "desktop", "restart")
    elif draft.restart and engine.running:
        effect, command = Effect.RESTART, ("systemctl", "restart", "docker")
        stops = _stopped(draft)
    elif edits and engine.running:
        effect, command = Effect.RELOAD, reload_command(engine)
    snap = str(engine.config).startswith("/var/snap/")
    return EnginePlan(
        engine=engine,
        changes=tuple(draft.changes),
        effect=effect,
        command=command,
        stops=stops,
        limits=tuple(draft.limits),
        findings=tuple(draft.findings),
        proven=draft.proven and not snap and not engine.facts.get("wrapper"),
    )


def _stopped(draft: Draft) -> "tuple[str, ...]":
    if draft.engine.facts.get("live_restore"):
        return ()
    return Daemon(draft.host, str(draft.engine.facts["socket"])).running()


def _not_here(engine: Engine) -> Limit:
    found = engine.findings[0] if engine.findings else None
    return Limit(
        f"{engine.title} is not changed from here",
        found.message if found else "its configuration is not on this machine",
        found.hint if found else "",
    )
