# ruff: noqa: ARG002 - what an EngineKind is given
"""An engine with Docker's bad manners: it keeps its mirrors when the key vanishes, cannot reload
without its file, and refuses to start with a broken one. What it holds is a file of the machine, so
that it outlives whoever talks to it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import find_kind
from homeport.enroll.errors import EngineError, EnrollError
from homeport.enroll.formats import json_text
from homeport.enroll.host import Host
from homeport.enroll.model import (
    Effect,
    Engine,
    EnginePlan,
    FileChange,
    FileState,
    Finding,
    KeyChange,
    Ownership,
    Pull,
    Request,
)
from homeport.enroll.writing import write_file

CONFIG = "/etc/fake/daemon.json"
CA = "/etc/fake/certs.d/mirror/ca.crt"
HELD = "/run/fake.json"
KEY = ("registry-mirrors",)


class FakeKind:
    name = "fake"

    def __init__(
        self, *, effect: Effect = Effect.RELOAD, hook: Callable[[str], None] = lambda _: None
    ) -> None:
        self._effect = effect
        self._hook = hook
        self.refuse = False
        self.lie = False

    def detect(self, host: Host) -> Sequence[Engine]:
        return (Engine(kind="fake", id="fake:1", title="the fake engine", config=CONFIG),)

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        changes = []
        before = host.state(CONFIG)
        content = before.content if before else "{}\n"
        values, _ = json_text.parse_object(content, CONFIG)
        had, mirrors = json_text.get_key(values, KEY)
        url = request.mirror.hub_url
        if not had or not isinstance(mirrors, list) or mirrors[:1] != [url]:
            rest = [item for item in mirrors if item != url] if isinstance(mirrors, list) else []
            wanted = [url, *rest]
            state = before or FileState("", 0o644, host.uid, host.uid)
            after = replace(state, content=json_text.set_key(content, CONFIG, KEY, wanted))
            key = KeyChange(path=KEY, had=had, before=mirrors, has=True, after=wanted)
            changes.append(
                FileChange(CONFIG, before, after, Ownership.KEYS, "mirror", "json", (key,))
            )
        ca = host.state(CA)
        if request.mirror.ca is not None and (ca is None or ca.content != request.mirror.ca):
            made = FileState(request.mirror.ca, 0o644, host.uid, host.uid)
            changes.append(FileChange(CA, ca, made, Ownership.WHOLE, "the mirror's CA"))
        return EnginePlan(
            engine=engine,
            changes=tuple(changes),
            effect=self._effect if changes else Effect.NOTHING,
            command=("systemctl", "restart", "fake"),
        )

    def take_up(self, host: Host, plan: EnginePlan) -> None:
        if self.refuse:
            raise EngineError("it does not want to", said="no, and no")
        self._reload(host)

    def confirm(self, host: Host, plan: EnginePlan) -> tuple[Finding, ...]:
        if self.lie or not held(host):
            return (Finding(code="mismatch", message="it holds no mirror"),)
        return ()

    def before_undo(self, host: Host, engine: Engine, changes: Sequence[FileChange]) -> None:
        self.clear(host, changes)

    def clear(self, host: Host, changes: Sequence[FileChange]) -> None:
        if not any(change.path == CONFIG for change in changes):
            return
        state = host.state(CONFIG) or FileState("{}", 0o644, host.uid, host.uid)
        content = json_text.set_key(state.content, CONFIG, KEY, [])
        write_file(host, CONFIG, replace(state, content=content))
        self._hook("clearing")
        self._reload(host)
        self._hook("cleared by the engine")

    def pull(self, host: Host, engine: Engine, reference: str) -> Pull:
        ran = host.run("fake", "pull", reference)
        return Pull(engine.id, reference, ran.status == 0, ran.out or ran.err)

    def remove(self, host: Host, engine: Engine, reference: str) -> None:
        host.run("fake", "rmi", reference)

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        return {"docker.io": held(host)} if held(host) else {}

    def _reload(self, host: Host) -> None:
        content = host.text(CONFIG)
        if content is None:
            raise EngineError("the fake engine has no file to reload")
        try:
            values, _ = json_text.parse_object(content, CONFIG)
        except EnrollError as error:
            raise EngineError(str(error)) from None
        if KEY[0] in values:
            place = host.at(HELD)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(values[KEY[0]] or []))


def held(host: Host) -> list[str]:
    """The mirrors that the engine holds."""
    place = host.at(HELD)
    return list(json.loads(place.read_text())) if place.exists() else []


def finding(kind: FakeKind) -> Callable[[str], EngineKind]:
    """`find` for apply and undo."""
    return lambda name: kind if name == kind.name else find_kind(name)
