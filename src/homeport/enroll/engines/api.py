"""What a kind of engine can do. Everything raises `EnrollError`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from homeport.enroll.host import Host
from homeport.enroll.model import Engine, EnginePlan, FileChange, Finding, Pull, Request


class EngineKind(Protocol):
    name: str

    def detect(self, host: Host) -> Sequence[Engine]:
        """Every engine of this kind on the machine, this user's and the system's; never raises for
        one that does not answer: that is a finding."""

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        """What is to be changed; no changes where all is as it should be (so twice is nothing)."""

    def take_up(self, host: Host, plan: EnginePlan) -> None:
        """Have the engine read the changed files (a reload; a restart only if `plan.effect` is
        RESTART and the request allows it)."""

    def confirm(self, host: Host, plan: EnginePlan) -> tuple[Finding, ...]:
        """What the engine holds now, compared with the plan; empty where it is as planned."""

    def before_undo(self, host: Host, engine: Engine, changes: Sequence[FileChange]) -> None:
        """What clears the engine's state before the files are put back (Docker: write `[]`, reload,
        confirm empty); nothing for most."""

    def pull(self, host: Host, engine: Engine, reference: str) -> Pull:
        """Pull an image by this engine."""

    def remove(self, host: Host, engine: Engine, reference: str) -> None:
        """Remove what `pull` has brought."""

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        """The mirrors that the engine would use now, by registry, as far as it can be told."""
