"""What every kind of engine keeps to: `engines/api.EngineKind`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from homeport.enroll.apply import DONE, PENDING, apply
from homeport.enroll.diff import diff_of
from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import MODULES, find_kind, find_kinds
from homeport.enroll.errors import EnrollError
from homeport.enroll.formats.keyed import find_format
from homeport.enroll.host import Ran
from homeport.enroll.model import (
    Engine,
    EnginePlan,
    EnrollPlan,
    Mirror,
    MirrorKind,
    Mode,
    Ownership,
    Pull,
    Request,
)
from homeport.enroll.plain import from_json, to_json
from homeport.enroll.plan import make_plan
from homeport.enroll.undo import undo
from testbed.machine import Machine
from testbed.scenes import SCENES, scene

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
TLS = Mirror("https://mirror.corp:5443", "https://hub.corp", MirrorKind.HOMEPORT, ca=CA)
PLAIN = Mirror("http://10.0.0.9:5001", "http://10.0.0.9:5000", MirrorKind.HOMEPORT)
HARBOR = Mirror(
    "https://harbor.corp", "https://hub.corp", MirrorKind.HARBOR, paths={"ghcr.io": "ghcr-proxy"}
)
REQUESTS = {
    "tls": Request(TLS, registries=("docker.io", "ghcr.io")),
    "only": Request(TLS, Mode.ONLY, ("docker.io",)),
    "plain": Request(PLAIN, registries=("docker.io", "quay.io")),
    "harbor": Request(HARBOR, registries=("docker.io", "ghcr.io")),
}
KINDS = find_kinds()
T = TypeVar("T")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> EngineKind:
    found: EngineKind = request.param
    return found


@pytest.fixture
def machine(kind: EngineKind, tmp_path: Path) -> Machine:
    return scene(kind.name, tmp_path / "machine")


def theirs(machine: Machine) -> dict[str, tuple[bytes, int, int, int]]:
    ours = "/var/lib/homeport"
    return {path: state for path, state in machine.files().items() if not path.startswith(ours)}


def plan_of(kind: EngineKind, machine: Machine, request: Request) -> EnrollPlan:
    return make_plan(machine.host, replace(request, engines=(kind.name,)), [kind])


def test_the_table_and_the_scenes_have_the_same_kinds() -> None:
    names = [kind.name for kind in KINDS]
    assert names == [name for name in MODULES if name in names]
    assert list(SCENES) == list(MODULES)


def test_a_scene_has_an_engine_and_ids_are_unique(kind: EngineKind, machine: Machine) -> None:
    before = theirs(machine)
    engines = kind.detect(machine.host)
    assert engines
    assert all(engine.kind == kind.name for engine in engines)
    assert all(engine.id.startswith(f"{kind.name}:") for engine in engines)
    assert len({engine.id for engine in engines}) == len(engines)
    assert all(from_json(Engine, to_json(engine)) == engine for engine in engines)
    assert theirs(machine) == before


def test_nothing_is_found_where_there_is_nothing(kind: EngineKind, tmp_path: Path) -> None:
    assert tuple(kind.detect(Machine(tmp_path / "empty").host)) == ()


def _garbage(words: Sequence[str]) -> Ran:
    return Ran(0, "\x00\ufffd{[" * 50 + "".join(words), "")


@pytest.mark.parametrize(
    "says",
    [
        lambda _: Ran(124, "", "no end within 10 s"),
        lambda _: Ran(1, "", "permission denied"),
        lambda _: Ran(0, "", ""),
        lambda _: Ran(0, "[]", ""),
        lambda _: Ran(0, "null\n", ""),
        _garbage,
    ],
    ids=["hangs", "fails", "silent", "list", "null", "garbage"],
)
def test_detection_never_raises_whatever_programs_say(
    kind: EngineKind, machine: Machine, says: Callable[[Sequence[str]], Ran]
) -> None:
    for name in list(machine._answers):
        machine._answers[name] = says
    for program in ("docker", "dockerd", "ctr", "containerd", "crictl", "podman", kind.name):
        machine.answer(program, says=says)
    for engine in kind.detect(machine.host):
        assert engine.kind == kind.name


@pytest.mark.parametrize("name", REQUESTS)
def test_a_plan_says_what_it_does(kind: EngineKind, machine: Machine, name: str) -> None:
    before = theirs(machine)
    plan = plan_of(kind, machine, REQUESTS[name])
    assert theirs(machine) == before, "a plan changes nothing"
    assert from_json(EnrollPlan, to_json(plan)) == plan
    for engine in plan.engines:
        assert not [found for found in engine.findings if found.code == "failed"], engine.findings
        _check_changes(engine, machine)


def _check_changes(engine: EnginePlan, machine: Machine) -> None:
    paths = [change.path for change in engine.changes]
    assert len(paths) == len(set(paths))
    for change in engine.changes:
        assert change.path.startswith("/")
        assert change.why
        assert change.before == machine.host.state(change.path)
        assert change.after != change.before
        assert diff_of(change)
        if change.ownership is Ownership.WHOLE:
            assert not change.keys
            continue
        assert change.keys
        form = find_format(change.format)
        for state, side in ((change.before, False), (change.after, True)):
            for key in change.keys:
                has, value = (key.has, key.after) if side else (key.had, key.before)
                text = state.content if state else ""
                found = form.get(text, change.path, key.path) if text else (False, None)
                assert found[0] == has, (key, side)
                assert not has or found[1] == value, (key, side)


@pytest.mark.parametrize("name", REQUESTS)
def test_apply_then_nothing_is_left_to_do_then_undo_to_the_byte(
    kind: EngineKind, machine: Machine, name: str
) -> None:
    before = theirs(machine)
    request = REQUESTS[name]
    plan = plan_of(kind, machine, request)
    results = apply(machine.host, plan, find=find_kind)
    changed = [one for one in plan.engines if one.changes]
    assert [one.state for one in results if one.files] == [
        one.state for one in results if one.state in (DONE, PENDING)
    ], results
    again = plan_of(kind, machine, request)
    assert not again.drifted, [change.path for one in again.engines for change in one.changes]
    assert (theirs(machine) == before) is not bool(changed)
    undo(machine.host, find=find_kind)
    assert theirs(machine) == before


def test_an_edit_of_the_owner_survives_undo(kind: EngineKind, machine: Machine) -> None:
    plan = plan_of(kind, machine, REQUESTS["tls"])
    before = {
        change.path: (change.format, machine.host.text(change.path))
        for one in plan.engines
        for change in one.changes
        if change.ownership is Ownership.KEYS
    }
    apply(machine.host, plan, find=find_kind)
    for path, (name, _) in before.items():
        text = machine.text(path)
        if name == "json":
            edited = find_format("json").set(text, path, ("zz-edited",), [1])
        else:
            edited = f"# above\n{text}# below\n"
        machine.at(path).write_text(edited)
    undo(machine.host, find=find_kind)
    for path, (name, old) in before.items():
        text, form = machine.text(path), find_format(name)
        values = dict(form.get(old, path, ())[1]) if old and old.strip() else {}
        if name == "json":
            values["zz-edited"] = [1]
        else:
            assert text.startswith("# above\n")
            assert text.endswith("# below\n")
        assert (form.get(text, path, ())[1] or {}) == values


def test_another_mirror_takes_the_place_of_the_first(kind: EngineKind, machine: Machine) -> None:
    before = theirs(machine)
    for name in ("tls", "plain"):
        results = apply(machine.host, plan_of(kind, machine, REQUESTS[name]), find=find_kind)
        assert all(result.ok for result in results), results
    assert not plan_of(kind, machine, REQUESTS["plain"]).drifted
    undo(machine.host, find=find_kind)
    assert theirs(machine) == before


def test_pulls_fail_in_words(kind: EngineKind, machine: Machine) -> None:
    """The scene's programs pull nothing: that is an answer or an EnrollError, never a traceback."""
    reference = "docker.io/homeport-verify/0123456789abcdef:latest"
    for engine in kind.detect(machine.host):
        pull = _in_words(lambda engine=engine: kind.pull(machine.host, engine, reference))
        if pull is not None:
            assert isinstance(pull, Pull)
            assert not pull.ok
            assert pull.said
        _in_words(lambda engine=engine: kind.remove(machine.host, engine, reference))
        mirrors = _in_words(lambda engine=engine: kind.enrolled(machine.host, engine))
        assert not any(TLS.url in url for urls in (mirrors or {}).values() for url in urls)


def _in_words(act: Callable[[], T]) -> T | None:
    """What it gives, or None where it has said why not."""
    try:
        return act()
    except EnrollError as error:
        return None if error.message else pytest.fail("an error without words")
