"""Find the Docker daemons of a machine, and what each of them really reads."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from homeport.enroll.engines import docker_proxies
from homeport.enroll.engines.docker_api import Daemon, read_registries, texts
from homeport.enroll.engines.docker_keys import key_of
from homeport.enroll.engines.docker_places import Place, find_places, home_of, runtime_of
from homeport.enroll.engines.docker_process import Process, Service, find_process, read_service
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import Engine, Finding

SYSTEM_CONFIG = "/etc/docker/daemon.json"
PROGRAMS = ("/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd")
_TITLES = {
    "desktop": "Docker Desktop",
    "colima": "Docker in Colima",
    "orbstack": "Docker in OrbStack",
    "rancher-desktop": "Docker in Rancher Desktop",
    "lima": "Docker in Lima",
}


class Found(NamedTuple):
    """What is known of one place."""

    place: Place
    version: Mapping[str, Any]
    info: Mapping[str, Any]
    process: Optional[Process]
    service: Optional[Service]
    silent: str
    """Why the daemon does not answer; empty if it does."""
    remedy: str = ""

    @property
    def flags(self) -> Mapping[str, Sequence[str]]:
        if self.process is not None:
            return self.process.flags
        return self.service.flags if self.service is not None else {}

    @property
    def rootless(self) -> bool:
        return "name=rootless" in texts(self.info.get("SecurityOptions")) or (
            not self.info and self.place.user > 0
        )


def detect_engines(host: Host) -> "list[Engine]":
    service = read_service(host)
    found: list[Engine] = []
    for place in find_places(host):
        engine = _look(host, place, service)
        # One daemon may listen on several sockets.
        if engine is not None and not _is_known(engine, found):
            found.append(engine)
    if not any(engine.config == host.real(SYSTEM_CONFIG) for engine in found):
        found += _find_idle(host, service)
    return found


def _is_known(engine: Engine, found: Sequence[Engine]) -> bool:
    process = engine.facts.get("pid")
    return bool(process) and any(other.facts.get("pid") == process for other in found)


def _look(host: Host, place: Place, service: Optional[Service]) -> Optional[Engine]:
    if place.wrapper == "podman":
        return None
    if not place.socket:
        return _describe_remote(place)
    if not host.exists(place.socket) and not place.named:
        return None
    daemon = Daemon(host, place.socket)
    version: Mapping[str, Any] = {}
    info: Mapping[str, Any] = {}
    silent = remedy = ""
    try:
        version, info = daemon.version(), daemon.info()
    except EnrollError as error:
        silent, remedy = error.message, error.hint
    if "podman" in str(version.get("Components")).lower():
        return None
    if place.wrapper:
        return _describe_wrapped(host, Found(place, version, info, None, None, silent))
    process = None
    if not silent:
        process = find_process(host, daemon.peer(), place.socket, runtime_of(host, place.user))
    mine = service if _is_service(place, process) else None
    return _describe(host, Found(place, version, info, process, mine, silent, remedy))


def _is_service(place: Place, process: Optional[Process]) -> bool:
    """Whether the machine's docker.service is what starts it."""
    if process is not None:
        return process.manager == "systemd"
    return place.socket in ("/run/docker.sock", "/var/run/docker.sock")


def _find_idle(host: Host, service: Optional[Service]) -> "list[Engine]":
    """The system's daemon where it is installed, and does not run."""
    if service is None and not any(map(host.exists, (*PROGRAMS, SYSTEM_CONFIG))):
        return []
    place = Place("unix:///run/docker.sock", "the system's service")
    return [_describe(host, Found(place, {}, {}, None, service, "there is no socket"))]


def _describe(host: Host, found: Found) -> Engine:
    wanted = _config_path(host, found)
    config = host.real(wanted)
    elsewhere = found.process is not None and _is_elsewhere(host, found.process.id, config)
    facts = {**_facts(host, found), "elsewhere": elsewhere, "config": wanted}
    strange = _not_his(host, found, (config, str(facts["certs"])))
    title = "rootless Docker" if found.rootless else "Docker"
    return Engine(
        kind="docker",
        id=f"docker:{found.place.address}",
        title=f"{title} at {found.place.socket}",
        version=str(found.version.get("Version") or ""),
        config=config,
        running=not found.silent,
        writable=not elsewhere and not strange and host.may_write(config),
        facts=facts,
        findings=(*_findings(found, config, elsewhere=elsewhere), *strange),
    )


def _not_his(host: Host, found: Found, paths: Sequence[str]) -> "tuple[Finding, ...]":
    """Root believes a user's daemon where its files are only if they are that user's: its flags,
    environment and answers are whatever he likes."""
    user = found.place.user
    if host.uid != 0 or user <= 0:
        return ()
    others = [path for path in paths if host.owner(path)[0] != user]
    if not others:
        return ()
    words = f"the daemon of user {user} is said to read {others[0]}, which is not his"
    return (Finding("docker-not-his", words, "enroll as that user", others[0], "error"),)


def _facts(host: Host, found: Found) -> "dict[str, Any]":
    info, process, service = found.info, found.process, found.service
    proxies = docker_proxies.from_info(info)
    if not info:
        env = process.env if process else service.env if service else {}
        proxies = docker_proxies.from_env(env)
    keys = sorted({key_of(flag) for flag in found.flags})
    later = sorted({key_of(flag) for flag in service.flags}) if service else keys
    return {
        "address": found.place.address,
        "socket": found.place.socket,
        "source": found.place.source,
        "store": "containerd" if _is_containerd(info) else "classic",
        "rootless": found.rootless,
        "user": found.place.user,
        "manager": process.manager if process else "systemd" if service else "",
        "program": process.program if process else "dockerd",
        "pid": process.id if process else 0,
        "flags": keys,
        "flags_later": later,
        "flag_mirrors": list(found.flags.get("registry-mirror", ())),
        "service_files": list(service.files) if service else [],
        "mirrors": list(read_registries(info).mirrors),
        "proxies": {name: _masked(url) for name, url in proxies.items()},
        "live_restore": bool(info.get("LiveRestoreEnabled")),
        "certs": _certs_folder(host, found),
    }


def _findings(found: Found, config: str, *, elsewhere: bool) -> "Iterator[Finding]":
    if found.silent and found.remedy.startswith("run it with sudo"):
        words = f"this user may not ask the daemon ({found.silent})"
        yield Finding("docker-silent", words, found.remedy, found.place.address)
    elif found.silent:
        yield Finding(
            "docker-silent",
            f"the daemon does not answer ({found.silent}); "
            "what is written takes effect when it starts",
            found.remedy or "systemctl start docker",
            found.place.address,
        )
    if elsewhere:
        yield Finding(
            "docker-elsewhere",
            f"the daemon runs in a container or chroot: its {config} is not this machine's",
            "enroll it where it runs",
            found.place.address,
            "warning",
        )
    if "/snap/" in config or config.startswith("/var/snap/"):
        yield Finding(
            "docker-snap",
            "this Docker is a snap: its files lie below /var/snap/docker",
            "verify it again after `snap refresh docker`",
            config,
        )


def _describe_remote(place: Place) -> Engine:
    return Engine(
        kind="docker",
        id=f"docker:{_masked(place.address)}",
        title=f"Docker at {_masked(place.address)}",
        running=False,
        writable=False,
        facts={"address": _masked(place.address), "source": place.source, "remote": True},
        findings=(
            Finding(
                "docker-remote",
                f"{place.source} leads to another machine: its files are there",
                "run homeport enroll on that machine, or give it to homeport enroll fleet",
                _masked(place.address),
            ),
        ),
    )


def _describe_wrapped(host: Host, found: Found) -> Optional[Engine]:
    """An engine in a virtual machine: Desktop's file is here; the others have kinds of their
    own."""
    name, place = found.place.wrapper, found.place
    if found.silent and not place.named:
        return None
    desktop = name == "desktop"
    config = host.real(f"{host.home}/.docker/daemon.json") if desktop else None
    hint = "" if desktop else f"enroll it as {name}, or render its settings with enroll render"
    words = f"this engine runs in a virtual machine of {_TITLES[name]}"
    return Engine(
        kind="docker",
        id=f"docker:{place.address}",
        title=f"{_TITLES[name]} at {place.socket}",
        version=str(found.version.get("Version") or ""),
        config=config,
        running=not found.silent,
        writable=config is not None and host.may_write(config),
        facts={
            **_facts(host, found),
            "wrapper": name,
            "certs": f"{host.home}/.docker/certs.d",
        },
        findings=(Finding("docker-wrapper", words, hint, place.address),),
    )


def _config_path(host: Host, found: Found) -> str:
    named = found.flags.get("config-file")
    if named:
        return posixpath.normpath(posixpath.join("/", named[-1]))
    if found.rootless:
        return f"{_user_config(host, found)}/docker/daemon.json"
    return SYSTEM_CONFIG


def _certs_folder(host: Host, found: Found) -> str:
    if found.rootless:
        return f"{_user_config(host, found)}/docker/certs.d"
    if any("/snap/" in value for value in found.flags.get("config-file", ())):
        return "/var/snap/docker/current/etc/docker/certs.d"
    return "/etc/docker/certs.d"


def _user_config(host: Host, found: Found) -> str:
    """$XDG_CONFIG_HOME as the daemon has it."""
    user = found.place.user
    env: Mapping[str, str] = found.process.env if found.process else {}
    if not env and user in (-1, host.uid):
        env = host.env
    home = env.get("HOME") or home_of(host, user)
    return env.get("XDG_CONFIG_HOME") or f"{home}/.config"


def _is_elsewhere(host: Host, process: int, config: str) -> bool:
    """Whether the daemon sees another file at this path than we do."""
    root = f"/proc/{process}/root"
    if host.link(root) is None:
        return False
    for path in (config, posixpath.dirname(config)):
        ours, theirs = host.identity(path), host.identity(f"{root}{path}")
        if ours is not None and theirs is not None:
            return ours != theirs
    return host.identity(f"{root}/") != host.identity("/") and host.root == "/"


def _is_containerd(info: Mapping[str, Any]) -> bool:
    return "io.containerd.snapshotter" in str(info.get("DriverStatus"))


def _masked(url: str) -> str:
    scheme, found, rest = url.partition("://")
    login, at, host = rest.rpartition("@")
    if not at or not found:
        return url
    return f"{scheme}://…@{host}" if scheme != "ssh" or ":" in login else url
