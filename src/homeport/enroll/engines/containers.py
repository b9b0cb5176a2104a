"""Podman, Buildah, Skopeo and CRI-O: one drop-in, `registries.conf.d/99-homeport.conf`, for all.

They read it at each pull; only a running CRI-O is told to reload. Of those that share the file, the
first that is asked for carries the change, and the others say so.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

from homeport.enroll.engines.containers_conf import (
    SYSTEM,
    Configuration,
    Layout,
    Table,
    find_layout,
    load,
    read,
)
from homeport.enroll.engines.containers_use import find_hindrances, find_logins
from homeport.enroll.engines.docker_proxies import from_env
from homeport.enroll.engines.door import (
    Door,
    file_state,
    find_doors,
    find_proxies,
    is_asked,
    normalise,
)
from homeport.enroll.errors import BrokenFileError, ConflictError, EngineError, EnrollError
from homeport.enroll.formats.toml_text import write_value
from homeport.enroll.host import Host
from homeport.enroll.model import (
    Effect,
    Engine,
    EnginePlan,
    FileChange,
    FileState,
    Finding,
    Limit,
    Mode,
    Ownership,
    Pull,
    Request,
)

ORDER = ("crio", "podman", "buildah", "skopeo")
"""Who carries the change: the one that must be reloaded before those that need nothing."""
TITLES = {"crio": "CRI-O", "podman": "Podman", "buildah": "Buildah", "skopeo": "Skopeo"}
MARK = "# Written by homeport enroll; `homeport enroll undo` removes it."
CA_NAME = "homeport-ca.crt"
CRIO_SOCKET = "/var/run/crio/crio.sock"
_RELOAD = ("systemctl", "reload", "crio")
_CRICTL = ("crictl", "--runtime-endpoint", f"unix://{CRIO_SOCKET}")
_PER_MIRROR = {"podman": (4, 3), "buildah": (1, 28), "skopeo": (1, 9), "crio": (1, 26)}
"""Since when `pull-from-mirror` is known (containers/image 5.22; skopeo 1.9.3 was tried)."""
_CARRIED = ("location", "insecure", "pull-from-mirror")
_VERSION = re.compile(r"\d+(?:\.\d+)+")


class Containers:
    """One of the clients."""

    def __init__(self, name: str) -> None:
        self.name = name

    def detect(self, host: Host) -> Sequence[Engine]:
        version = _version(host, self.name)
        if version is None:
            return ()
        layout = find_layout(host, self.name)
        findings = list(find_hindrances(host, self.name, layout))
        try:
            load(host, layout)
        except EnrollError as error:
            findings.append(
                Finding("broken-file", error.message, error.hint, error.place, severity="error")
            )
        scope = "user" if layout.user else "system"
        return (
            Engine(
                kind=self.name,
                id=f"{self.name}:{scope}",
                title=f"{TITLES[self.name]} ({'this user' if layout.user else 'the system'})",
                version=version,
                config=layout.ours,
                running=self.name == "crio" and host.exists(CRIO_SOCKET),
                writable=host.may_write(layout.ours),
                facts={
                    "scope": scope,
                    "main": layout.main,
                    "folders": list(layout.folders),
                    "certificates": layout.certificates,
                },
                findings=tuple(findings),
            ),
        )

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        layout = find_layout(host, self.name)
        configuration = load(host, layout)
        others = configuration.without(layout.ours)
        doors, limits = find_doors(request, by_name=True)
        carrier = self._carrier(host, layout, request)
        findings = list(_find_shadows(host, layout, others, doors, request.mode))
        findings += find_logins(host, [door.registry for door in doors], doors)
        findings += find_proxies(doors, from_env(host.env))
        if carrier != self.name:
            words = f"{layout.ours} is shared with {TITLES[carrier]}, whose plan has the change"
            findings = [Finding("shared-file", words), *findings]
            return EnginePlan(engine, limits=limits, findings=tuple(findings), proven=self._proven)
        changes = _plan_files(host, layout, render(doors, others, request.mode, _knows(host)))
        changes += _plan_authorities(host, layout, request, doors)
        if request.mode is Mode.PREFER:
            limits = (*limits, _BLOBS)
        reload = self.name == "crio" and engine.running and bool(changes)
        return EnginePlan(
            engine,
            changes=changes,
            effect=Effect.RELOAD if reload else Effect.NOTHING,
            command=_RELOAD if reload else (),
            limits=limits,
            findings=tuple(findings),
            proven=self._proven,
        )

    @property
    def _proven(self) -> bool:
        return self.name != "crio"

    def _carrier(self, host: Host, layout: Layout, request: Request) -> str:
        for name in ORDER[: ORDER.index(self.name)]:
            same = is_asked(request, name) and find_layout(host, name).ours == layout.ours
            if same and _version(host, name) is not None:
                return name
        return self.name

    def take_up(self, host: Host, plan: EnginePlan) -> None:
        if plan.effect is Effect.RELOAD:
            done = host.run(*_RELOAD)
            if done.status:
                hint = "send SIGHUP to crio, then run this again"
                raise EngineError("CRI-O was not reloaded", hint=hint, said=done.err.strip())

    def confirm(self, host: Host, plan: EnginePlan) -> tuple[Finding, ...]:
        """Whether each of our tables is what a pull would be led by."""
        layout = find_layout(host, self.name)
        wanted = next((one.after for one in plan.changes if one.path == layout.ours), None)
        if wanted is None:
            return ()
        configuration = load(host, layout)
        findings = []
        for table in read(wanted.content, layout.ours).tables:
            used = configuration.find(table.prefix)
            if used is None or used.path != layout.ours or used.values != table.values:
                place = used.place if used else ""
                words = f"{table.prefix} is not pulled by our table"
                findings.append(Finding("not-taken-up", words, place=place, severity="error"))
        return tuple(findings)

    def before_undo(self, host: Host, engine: Engine, changes: Sequence[FileChange]) -> None:
        return None

    def pull(self, host: Host, engine: Engine, reference: str) -> Pull:
        if self.name == "skopeo":
            name = re.sub(r"[^A-Za-z0-9]+", "-", reference)[-80:]
            folder = f"{host.env.get('TMPDIR') or '/tmp'}/homeport-{name}"  # noqa: S108
            done = host.run("skopeo", "copy", "-q", f"docker://{reference}", f"dir:{folder}")
            host.run("rm", "-rf", "--", folder)
        elif self.name == "crio":
            done = host.run(
                "crictl", "--runtime-endpoint", f"unix://{CRIO_SOCKET}", "pull", reference
            )
        else:
            done = host.run(self.name, "pull", "-q", reference)
        said = (done.err or done.out).strip()
        return Pull(engine=engine.id, reference=reference, ok=done.status == 0, said=said)

    def remove(self, host: Host, engine: Engine, reference: str) -> None:
        if self.name == "skopeo":
            return
        command = [self.name, "rmi", reference]
        if self.name == "crio":
            command = [*_CRICTL, "rmi", reference]
        done = host.run(*command)
        if done.status:
            words = f"{TITLES[self.name]} did not remove {reference}"
            raise EngineError(words, said=done.err.strip())

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        configuration = load(host, find_layout(host, self.name))
        found = configuration.effective().values()
        return {
            table.prefix: tuple(str(mirror["location"]).rstrip("/") for mirror in table.mirrors)
            for table in found
            if table.mirrors
        }


KINDS = tuple(Containers(name) for name in ("podman", "buildah", "skopeo", "crio"))

_BLOBS = Limit(
    "go on at the registry when a layer cannot be had from the mirror",
    "these clients fall back only until a manifest is accepted; a layer that fails then is fatal",
)


def render(
    doors: Sequence[Door], others: Configuration, mode: Mode, per_mirror: bool = True
) -> str:
    """Our drop-in. `per_mirror`: every client that reads it knows `pull-from-mirror`."""
    parts = [f"{MARK}\n"]
    before = others.effective()
    for door in doors:
        lines = ["", "[[registry]]", f"prefix = {write_value(door.registry)}"]
        shadowed = before.get(door.registry)
        blocked = mode is Mode.ONLY or _was_blocked(others, door.registry)
        # A blocked location is never asked. One location must not be blocked here and free there.
        location = shadowed.location if shadowed and not blocked else door.registry
        lines.append(f"location = {write_value(location)}")
        if shadowed and not blocked and shadowed.values.get("insecure"):
            lines.append("insecure = true")
        if blocked:
            lines.append("blocked = true")
        mirrors = [{"location": door.location, **({"insecure": True} if door.plain else {})}]
        if shadowed and mode is Mode.PREFER:
            mirrors += carried(shadowed, door, per_mirror=per_mirror)
        for mirror in mirrors:
            lines += ["", "[[registry.mirror]]"]
            lines += [f"{key} = {write_value(value)}" for key, value in mirror.items()]
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


def carried(table: Table, door: Door, *, per_mirror: bool) -> list[dict[str, Any]]:
    """The mirrors of a table that ours replaces, as ours has them. Those for digests alone are
    left out where a client would not know the word and use them for tags."""
    digests = bool(table.values.get("mirror-by-digest-only"))
    found = []
    for mirror in table.mirrors:
        if str(mirror["location"]).rstrip("/") == door.location:
            continue
        entry = {
            key: mirror[key]
            for key in ("location", "insecure", "pull-from-mirror")
            if key in mirror
        }
        if digests:
            entry["pull-from-mirror"] = "digest-only"
        if per_mirror or entry.get("pull-from-mirror", "all") in ("all", ""):
            found.append(entry)
    return found


def _was_blocked(others: Configuration, registry: str) -> bool:
    table = others.find(registry)
    return table is not None and table.blocked


def _find_shadows(
    host: Host, layout: Layout, others: Configuration, doors: Sequence[Door], mode: Mode
) -> Iterator[Finding]:
    """Tables that ours replaces, and those that win over ours."""
    files = list(layout.files(host))
    if layout.ours not in files:  # where it will stand
        files = sorted({*files, layout.ours}, key=lambda path: _rank(layout, path))
    later = set(files[files.index(layout.ours) + 1 :])
    effective = others.effective()
    for door in doors:
        table = effective.get(door.registry)
        if table is not None and table.path in later:
            words = f"this table replaces ours for {door.registry}: its file is read later"
            hint = "remove the table, or rename its file so that it is read earlier"
            yield Finding("overriding-table", words, hint, table.place, severity="error")
        elif table is not None:
            yield _shadowed(table, door, mode, per_mirror=_knows(host))
        else:
            wild = others.find(door.registry)
            if wild is not None:
                words = f"{wild.prefix} no longer counts for {door.registry}: ours is more exact"
                yield Finding("shadowed-table", words, "", wild.place, severity="warning")
        for other in effective.values():
            if _is_below(other, door.registry):
                words = f"{other.prefix} goes on as it is: its table is more exact than ours"
                hint = f"give it the mirror {door.location}, too, or remove it"
                yield Finding("more-specific-table", words, hint, other.place, severity="warning")
    names = {door.registry for door in doors}
    missing = [name for name in others.search if normalise(name) not in names]
    if missing:
        words = f"short names are also looked up at {', '.join(missing)}, without the mirror"
        yield Finding("short-names", words, "name these registries, too, or use full names")
    targets = {target.partition("/")[0] for target in others.aliases.values() if target}
    missing = sorted(target for target in targets if normalise(target) not in names)
    if missing:
        words = f"short-name aliases lead to {', '.join(missing)}, without the mirror"
        yield Finding("short-name-aliases", words, "name these registries, too")


def _shadowed(table: Table, door: Door, mode: Mode, *, per_mirror: bool) -> Finding:
    words = f"the drop-in replaces this table for {door.registry}"
    had = [str(mirror["location"]) for mirror in table.mirrors]
    kept: list[str] = []
    if mode is Mode.PREFER:
        kept = [str(one["location"]) for one in carried(table, door, per_mirror=per_mirror)]
    lost = [name for name in had if name not in kept and name.rstrip("/") != door.location]
    if kept:
        words += f"; its mirrors follow ours: {', '.join(kept)}"
    if lost:
        words += f"; no longer used: {', '.join(lost)}"
    severity = "warning" if lost else "note"
    return Finding("shadowed-table", words, "", table.place, severity=severity)


def _is_below(table: Table, registry: str) -> bool:
    if table.prefix.startswith("*."):
        host, slash, _ = table.prefix.partition("/")
        return bool(slash) and registry.endswith(host[1:])
    return table.prefix.startswith((f"{registry}/", f"{registry}:"))


def _rank(layout: Layout, path: str) -> tuple[int, str]:
    if path == layout.main:
        return -1, path
    folder, _, name = path.rpartition("/")
    return layout.folders.index(folder), name


def _plan_files(host: Host, layout: Layout, content: str) -> tuple[FileChange, ...]:
    before = host.state(layout.ours)
    if before is not None and not before.content.startswith(MARK):
        hint = "move it away; this name is homeport's"
        raise ConflictError(f"{layout.ours} is not homeport's", hint=hint, place=layout.ours)
    try:
        read(content, layout.ours)  # never leave a file that breaks every pull
    except BrokenFileError as error:
        words = f"tables of these registries cannot stand in one file: {error.message}"
        hint = "two of them lead to one location with different settings: mend them first"
        raise ConflictError(words, hint=hint, place=layout.main) from None
    return _whole(host, layout.ours, before, content, "its registries are pulled by the mirror")


def _plan_authorities(
    host: Host, layout: Layout, request: Request, doors: Sequence[Door]
) -> tuple[FileChange, ...]:
    """The mirror's CA beside each of its names. The first folder of a name that there is is the
    only one read: a user's own is taken where it is there."""
    if request.mirror.ca is None:
        return ()
    changes: tuple[FileChange, ...] = ()
    for name in sorted({door.host for door in doors if not door.plain}):
        folder = layout.certificates
        users = f"{host.home}/.config/containers/certs.d"
        if folder == f"{SYSTEM}/certs.d" and host.is_dir(f"{users}/{name}"):
            folder = users
        path = f"{folder}/{name}/{CA_NAME}"
        why = f"the mirror's CA, for {name}"
        changes += _whole(host, path, host.state(path), request.mirror.ca, why)
    return changes


def _whole(
    host: Host, path: str, before: Optional[FileState], content: str, why: str
) -> tuple[FileChange, ...]:
    if before is not None and before.content == content:
        return ()
    after = file_state(host, content, before)
    return (FileChange(path, before, after, Ownership.WHOLE, why),)


def _version(host: Host, name: str) -> Optional[str]:
    done = host.run(name, "--version")
    if done.status:
        return None
    found = _VERSION.search(done.out)
    return found.group() if found else ""


def _knows(host: Host) -> bool:
    """Whether every client here knows `pull-from-mirror`."""
    for name, since in _PER_MIRROR.items():
        version = _version(host, name)
        if version and tuple(map(int, version.split(".")[:2])) < since:
            return False
    return True
