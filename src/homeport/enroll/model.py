"""The values of enrolment, handed from step to step. Everything here can be written as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Optional


class Mode(str, Enum):
    """PREFER: the mirror first, the registry itself if the mirror fails. ONLY: the mirror or
    nothing, where the engine can be told so."""

    PREFER = "prefer"
    ONLY = "only"


class MirrorKind(str, Enum):
    HOMEPORT = "homeport"
    HARBOR = "harbor"
    NEXUS = "nexus"
    DISTRIBUTION = "distribution"
    AUTO = "auto"


@dataclass(frozen=True)
class Mirror:
    """A mirror as engines are told of it.

    `url` is `http(s)://HOST[:PORT][/PATH]` of the registry that serves every upstream; `hub_url`
    what Docker's `registry-mirrors` gets (a listener for Docker Hub alone; the same as `url` where
    there is one door). `ca` is PEM. `paths` maps a registry's name to the path under which a
    foreign mirror (Harbor's proxy projects, Nexus' repositories) has it; homeport has `NAME`.
    """

    url: str
    hub_url: str
    kind: MirrorKind = MirrorKind.AUTO
    ca: Optional[str] = None
    canary: Optional[str] = None
    paths: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What the user asks for. `engines` empty is every one that is found; names of kinds else."""

    mirror: Mirror
    mode: Mode = Mode.PREFER
    registries: tuple[str, ...] = ("docker.io",)
    engines: tuple[str, ...] = ()
    allow_restart: bool = False


@dataclass(frozen=True)
class Finding:
    """Something about an engine or file that a person should know. `code` is stable."""

    code: str
    message: str
    hint: str = ""
    place: str = ""
    severity: str = "note"


@dataclass(frozen=True)
class Engine:
    """One engine or client on this machine.

    `kind` names its module (`docker`), `id` is unique on the machine (`docker:unix:///run/…`).
    `config` is the file that it really reads (a real path), `facts` what else detection found
    (plain data: socket, flags, proxies, containerd image store, rootless, …).
    """

    kind: str
    id: str
    title: str
    version: str = ""
    config: Optional[str] = None
    running: bool = False
    writable: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


class Ownership(str, Enum):
    """WHOLE: the file is ours alone. KEYS: it is the user's, and some keys of it are ours."""

    WHOLE = "whole"
    KEYS = "keys"


@dataclass(frozen=True)
class FileState:
    """A file as it was or shall be. `content` is text (surrogateescape)."""

    content: str
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True)
class KeyChange:
    """One key of a file that is not ours. `path` leads to it; `before` and `after` are JSON values,
    `had` False: there was none before; `has` False: there is none after."""

    path: tuple[str, ...]
    had: bool
    before: Any
    has: bool
    after: Any


@dataclass(frozen=True)
class FileChange:
    """`before` None: there is no file; `after` None: it is removed. `format` is that of key-level
    edits (`json`, `toml`, `yaml`), empty for whole files."""

    path: str
    before: Optional[FileState]
    after: Optional[FileState]
    ownership: Ownership
    why: str
    format: str = ""
    keys: tuple[KeyChange, ...] = ()


class Effect(str, Enum):
    """How an engine takes a change up."""

    NOTHING = "nothing"  # it reads the file at each pull
    RELOAD = "reload"
    RESTART = "restart"
    RECREATE = "recreate"  # a builder or a cluster is made anew, by its owner


@dataclass(frozen=True)
class Limit:
    """What cannot be done or enforced here, and why."""

    what: str
    why: str
    hint: str = ""


@dataclass(frozen=True)
class EnginePlan:
    """`stops` are the containers that a restart would stop. `proven` False: the files are rendered,
    but were not verified on a real engine of this kind by homeport's tests."""

    engine: Engine
    changes: tuple[FileChange, ...] = ()
    effect: Effect = Effect.NOTHING
    command: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    findings: tuple[Finding, ...] = ()
    proven: bool = True


@dataclass(frozen=True)
class EnrollPlan:
    """All that `apply` would do; nothing is drifted where every engine's `changes` are empty."""

    request: Request
    engines: tuple[EnginePlan, ...]

    @property
    def drifted(self) -> bool:
        return any(plan.changes for plan in self.engines)


@dataclass(frozen=True)
class Pull:
    """A pull through one engine, for proof."""

    engine: str
    reference: str
    ok: bool
    said: str
    seen: bool = False
    """Whether the mirror saw it from this engine."""
