"""containerd: `certs.d/REGISTRY/hosts.toml`, a file of ours for each registry.

CRI (Kubernetes) and nerdctl read it at each pull; CRI only below its `config_path`, which a running
containerd takes up by a restart. Plain `ctr` reads it where it is told `--hosts-dir`. A file that
does not parse is ignored by containerd, which then goes to the registry itself: ours are read again
before they are written.
"""

from collections.abc import Mapping, Sequence
from typing import Optional

from homeport.enroll.engines.containerd_config import (
    CERTS,
    CONFIG,
    Config,
    parse_release,
    read_config,
)
from homeport.enroll.engines.containerd_hosts import (
    find_certificates,
    find_default,
    find_traps,
    host_folder,
    refuse_foreign,
    render,
)
from homeport.enroll.engines.docker_proxies import from_env
from homeport.enroll.engines.door import (
    file_state,
    find_doors,
    find_proxies,
    is_named,
)
from homeport.enroll.errors import CannotPullError, ConflictError, EngineError, EnrollError
from homeport.enroll.formats.toml_text import get_key, parse, set_key
from homeport.enroll.host import Host, Ran
from homeport.enroll.model import (
    Effect,
    Engine,
    EnginePlan,
    FileChange,
    Finding,
    KeyChange,
    Limit,
    Ownership,
    Pull,
    Request,
)

SOCKETS = ("/run/containerd/containerd.sock",)
"""The system's. That which dockerd starts for itself, and k3s', belong to those engines."""
CA_NAME = "homeport-ca.crt"
NAMESPACE = "homeport-verify"
_RESTART = ("systemctl", "restart", "containerd")


class Containerd:
    name = "containerd"

    def detect(self, host: Host) -> Sequence[Engine]:
        if host.uid != 0:
            return self._rootless(host)
        done = host.run("containerd", "--version")
        if done.status:
            return ()
        release = parse_release(done.out)
        findings: list[Finding] = []
        config: Optional[Config] = None
        try:
            config = read_config(host, release)
        except EnrollError as error:
            findings.append(
                Finding("broken-file", error.message, error.hint, error.place, severity="error")
            )
        if config is not None and len(config.folders) > 1 and release < (2, 2):
            words = f"config_path is a list, which containerd {_text(release)} does not know"
            findings.append(Finding("config-path-list", words, "", config.set_in, "error"))
        findings += find_traps(host, _folder(config))
        socket = next((path for path in SOCKETS if host.exists(path)), SOCKETS[0])
        return (
            Engine(
                kind=self.name,
                id="containerd:system",
                title="containerd",
                version=_text(release),
                config=CONFIG,
                running=host.exists(socket),
                writable=host.may_write(CONFIG),
                facts={
                    "socket": socket,
                    "cri": config.cri if config else False,
                    "config_version": config.version if config else 0,
                    "config_path": list(config.folders) if config else [],
                    "folder": _folder(config),
                    "nerdctl": host.run("nerdctl", "--version").status == 0,
                    "crictl": host.run("crictl", "--version").status == 0,
                },
                findings=tuple(findings),
            ),
        )

    def _rootless(self, host: Host) -> Sequence[Engine]:
        """nerdctl's, of a user."""
        if host.run("nerdctl", "--version").status:
            return ()
        folder = f"{host.home}/.config/containerd/certs.d"
        return (
            Engine(
                kind=self.name,
                id="containerd:user",
                title="containerd (rootless, by nerdctl)",
                config=f"{folder}/docker.io/hosts.toml",
                writable=host.may_write(f"{folder}/docker.io/hosts.toml"),
                facts={"cri": False, "nerdctl": True, "crictl": False, "folder": folder},
            ),
        )

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        user = engine.id == "containerd:user"
        config = None if user else read_config(host, parse_release(engine.version))
        cri = config is not None and config.cri
        findings: list[Finding] = []
        if not _reads(engine) and not is_named(request, self.name):
            words = "nothing here reads hosts.toml: CRI is off, nerdctl is not installed"
            hint = f"it is written for ctr --hosts-dir {CERTS} with --engines containerd"
            return EnginePlan(engine, findings=(Finding("nothing-reads-it", words, hint),))
        folder = str(engine.facts["folder"]) if user else _folder(config)
        doors, limits = find_doors(request, by_name=False)
        changes: list[FileChange] = []
        authority = f"{folder}/{CA_NAME}"
        if request.mirror.ca is not None and any(not door.plain for door in doors):
            changes += _whole(host, authority, request.mirror.ca, "the mirror's CA")
        for door in doors:
            ca = authority if request.mirror.ca is not None and not door.plain else None
            path = f"{host_folder(host, folder, door.registry)}/hosts.toml"
            text = render(door, request.mode, ca)
            refuse_foreign(host, path, text)
            findings += find_certificates(host, path)
            changes += _whole(host, path, text, f"{door.registry} is pulled by the mirror")
            findings += find_default(host, folder, door.registry)
        findings += find_proxies(doors, _proxies(host, engine))
        keys = _plan_config(host, config) if config is not None and config.cri else ()
        if not user and not cri:
            limits = (*limits, Limit("use the mirror by ctr alone", _CTR, f"--hosts-dir {folder}"))
        if keys and engine.running:
            findings.append(Finding("containers-go-on", _SHIMS))
        return EnginePlan(
            engine,
            changes=(*changes, *keys),
            effect=Effect.RESTART if keys and engine.running else Effect.NOTHING,
            command=_RESTART if keys and engine.running else (),
            limits=limits,
            findings=tuple(findings),
            proven=not user and not cri,
        )

    def take_up(self, host: Host, plan: EnginePlan) -> None:
        if plan.effect is not Effect.RESTART:
            return
        dump = ("containerd", "--config", CONFIG, "config", "dump")
        done = host.run(*dump) if host.exists(CONFIG) else None
        if done is not None and done.status:
            words = "containerd would not start with its new configuration"
            raise EngineError(words, said=done.err.strip())
        done = host.run(*_RESTART, limit=120)
        if done.status:
            hint = "see journalctl -u containerd"
            raise EngineError("containerd was not restarted", hint=hint, said=done.err.strip())

    def confirm(self, host: Host, plan: EnginePlan) -> tuple[Finding, ...]:
        """Whether each of our files is as planned and reads, and the CRI plugin is up."""
        findings = []
        for change in plan.changes:
            if change.after is not None and host.text(change.path) != change.after.content:
                words = f"{change.path} is not as planned"
                findings.append(Finding("not-taken-up", words, severity="error"))
        if plan.effect is Effect.RESTART:
            done = host.run("ctr", "--address", _socket(plan.engine), "plugins", "ls")
            for line in done.out.splitlines():
                columns = line.split()
                if columns[1:2] in (["cri"], ["images"]) and columns[-1] == "error":
                    text = "the CRI plugin does not start: see journalctl -u containerd"
                    findings.append(Finding("not-taken-up", text, severity="error"))
            if done.status:
                text = "containerd does not answer after its restart"
                findings.append(Finding("not-taken-up", text, severity="error"))
        return tuple(findings)

    def before_undo(self, host: Host, engine: Engine, changes: Sequence[FileChange]) -> None:
        return None

    def pull(self, host: Host, engine: Engine, reference: str) -> Pull:
        if not _reads(engine) and not self.enrolled(host, engine):
            raise CannotPullError("nothing here reads hosts.toml, so none was written")
        if not engine.running and engine.id != "containerd:user":
            raise _silent(engine)
        done = host.run(*_client(engine), *_pulling(engine), reference, limit=120)
        if _is_silent(done):
            raise _silent(engine)
        said = (done.err or done.out).strip()
        return Pull(engine=engine.id, reference=reference, ok=done.status == 0, said=said)

    def remove(self, host: Host, engine: Engine, reference: str) -> None:
        if not engine.running and engine.id != "containerd:user":
            return
        if _client(engine)[0] == "ctr":
            done = host.run(*_client(engine), "images", "rm", "--sync", reference)
            if _is_silent(done):
                raise _silent(engine)
            host.run("ctr", "--address", _socket(engine), "namespaces", "rm", NAMESPACE)
        else:
            done = host.run(*_client(engine), "rmi", reference)
        if done.status:
            raise EngineError(f"containerd did not remove {reference}", said=done.err.strip())

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        folder = str(engine.facts["folder"])
        found: dict[str, Sequence[str]] = {}
        for name in host.list(folder):
            path = f"{folder}/{name}/hosts.toml"
            text = host.text(path) if host.is_dir(f"{folder}/{name}") else None
            hosts = get_key(parse(text, path).values, ("host",))[1] if text else None
            if isinstance(hosts, dict) and hosts:
                found[name] = tuple(hosts)
        return found


KINDS = (Containerd(),)

_CTR = "ctr reads hosts.toml only where it is told to"
_PATIENCE = ("--connect-timeout", "3s")
_NOBODY = ("failed to dial", "error while dialing", "cannot access containerd socket")
_SHIMS = "containers go on while containerd restarts: each has a shim of its own"


def _plan_config(host: Host, config: Config) -> tuple[FileChange, ...]:
    """`config_path`, where there is none."""
    if config.folders:
        return ()
    if config.importing:
        words = (
            f"{config.importing} has the CRI plugin's table; what counts then differs by version"
        )
        hint = f'add config_path = "{CERTS}" to its registry table'
        raise ConflictError(words, hint=hint, place=config.importing)
    way = (*config.registry, "config_path")
    why = "CRI reads hosts.toml below config_path"
    before = host.state(config.path)
    # Without a version, containerd reads the tables of version 1. Comments alone have none.
    bare = before is None or not parse(before.content, config.path).values
    text = before.content if before is not None and before.content.strip() else ""
    if bare:
        text = set_key(text, config.path, ("version",), config.version)
    text = set_key(text, config.path, way, CERTS)
    after = file_state(host, text, before)
    if before is None:
        return (FileChange(config.path, None, after, Ownership.WHOLE, why),)
    had, value = get_key(parse(before.content, config.path).values, way)
    keys = [KeyChange(way, had, value, True, CERTS)]
    if bare:
        keys.insert(0, KeyChange(("version",), False, None, True, config.version))
    return (FileChange(config.path, before, after, Ownership.KEYS, why, "toml", tuple(keys)),)


def _whole(host: Host, path: str, content: str, why: str) -> tuple[FileChange, ...]:
    before = host.state(path)
    if path.endswith(".toml"):
        parse(content, path)
    if before is not None and before.content == content:
        return ()
    return (FileChange(path, before, file_state(host, content, before), Ownership.WHOLE, why),)


def _folder(config: Optional[Config]) -> str:
    return config.folders[0] if config is not None and config.folders else CERTS


def _proxies(host: Host, engine: Engine) -> Mapping[str, str]:
    """Those of the daemon where CRI pulls, else of this session."""
    if not engine.facts.get("cri"):
        return from_env(host.env)
    said = host.run("systemctl", "show", "--property=MainPID", "containerd", limit=5.0)
    number = said.out.strip().partition("=")[2]
    try:
        text = host.text(f"/proc/{number}/environ") if number.isdigit() else None
    except EnrollError:
        text = None
    entries = (entry.partition("=") for entry in (text or "").split("\0"))
    return from_env({name: value for name, _, value in entries})


def _reads(engine: Engine) -> bool:
    return bool(engine.facts.get("cri") or engine.facts.get("nerdctl"))


def _silent(engine: Engine) -> EngineError:
    return EngineError(
        f"containerd does not answer at {_socket(engine)}",
        hint="start it (systemctl start containerd), and verify again",
    )


def _is_silent(done: Ran) -> bool:
    """Whether the client has reached nobody. A socket that is still there may have no listener."""
    said = done.err + done.out
    return done.status != 0 and any(words in said for words in _NOBODY)


def _client(engine: Engine) -> tuple[str, ...]:
    """The client that reads what was configured: CRI's, nerdctl, else ctr."""
    if engine.facts.get("cri") and engine.facts.get("crictl"):
        return ("crictl", "--runtime-endpoint", f"unix://{_socket(engine)}")
    if engine.facts.get("nerdctl"):
        return ("nerdctl", "--namespace", NAMESPACE)
    return ("ctr", "--address", _socket(engine), *_PATIENCE, "--namespace", NAMESPACE)


def _pulling(engine: Engine) -> tuple[str, ...]:
    if _client(engine)[0] == "ctr":
        return ("images", "pull", "--hosts-dir", str(engine.facts["folder"]))
    return ("pull",)


def _socket(engine: Engine) -> str:
    return str(engine.facts.get("socket") or SOCKETS[0])


def _text(release: tuple[int, ...]) -> str:
    return ".".join(map(str, release))
