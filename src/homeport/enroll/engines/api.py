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
        """Have the engine read the changed files: a reload, or a restart where `plan.effect` is
        RESTART (it is then asked for only if the user allows it; RECREATE never is).

        Also called after an undo, with the plan turned round: `before` and `after` exchanged. It is
        not called where an undo only removes files and the effect is no more than a RELOAD."""

    def confirm(self, host: Host, plan: EnginePlan) -> tuple[Finding, ...]:
        """What the engine holds now, compared with the plan; empty where it is as planned."""

    def before_undo(self, host: Host, engine: Engine, changes: Sequence[FileChange]) -> None:
        """What clears the engine's state before the files are put back (Docker: write `[]`, reload,
        confirm empty); nothing for most.

        It may write to the files of `changes` (by `writing.write_file`) and to no others: what they
        shall be in the end was decided and recorded before. It is called again after a kill.
        Raises EngineError where the engine refuses; the files are put back all the same."""

    def pull(self, host: Host, engine: Engine, reference: str) -> Pull:
        """Pull an image by this engine."""

    def remove(self, host: Host, engine: Engine, reference: str) -> None:
        """Remove what `pull` has brought."""

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        """The mirrors that the engine would use now, by registry, as far as it can be told."""
