# ruff: noqa: ARG001, ARG002, ARG005 - what an EngineKind is given
"""The whole way: plan, apply, status, verify, with an engine that a test can spoil."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homeport.enroll import verify as verify_module
from homeport.enroll.apply import DONE, REFUSED
from homeport.enroll.client import Answer
from homeport.enroll.diff import diff_of, summary_of, to_shown
from homeport.enroll.enrolment import enroll, plan_enrolment, prove, remembered
from homeport.enroll.errors import CannotPullError, EngineError, EnrollError
from homeport.enroll.host import Host, Ran
from homeport.enroll.model import (
    Engine,
    EnginePlan,
    FileChange,
    FileState,
    Mirror,
    MirrorKind,
    Ownership,
    Pull,
    Request,
)
from homeport.enroll.probe import Probe
from homeport.enroll.status import DRIFTED, ENROLLED, GONE, status
from homeport.enroll.undo import undo
from homeport.enroll.verify import FAILED, PROVEN, UNCOVERED, UNPROVEN
from testbed.fake_kind import CONFIG, FakeKind, finding
from testbed.killed import request, run
from testbed.machine import Machine

USERS = '{"debug": true, "registry-mirrors": ["https://old"]}\n'


class Broken(FakeKind):
    name = "broken"

    def detect(self, host: Host) -> tuple[Engine, ...]:
        return (Engine(kind="broken", id="broken:1", title="another engine"),)

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        raise EnrollError("its file is broken", place="/etc/x:1:2")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.write(CONFIG, USERS)
    return made


def ask(mirror: Mirror, env: Mapping[str, str], *, docker: bool) -> Probe:
    return Probe(replace(mirror, kind=MirrorKind.HOMEPORT), "1", True)


def enrolled(machine: Machine, *kinds: FakeKind) -> Any:
    by_name = {kind.name: kind for kind in kinds}
    return enroll(machine.host, request(), kinds=kinds, find=lambda name: by_name[name], ask=ask)


def test_a_broken_file_keeps_its_engine_back_but_not_the_others(machine: Machine) -> None:
    done = enrolled(machine, Broken(), FakeKind())
    assert [result.state for result in done.results] == [REFUSED, DONE]
    assert done.results[0].findings[0].place == "/etc/x:1:2"
    assert not done.ok


def test_a_plan_says_what_has_drifted(machine: Machine) -> None:
    kind = FakeKind()
    assert plan_enrolment(machine.host, request(), kinds=[kind], ask=ask).plan.drifted
    enrolled(machine, kind)
    assert not plan_enrolment(machine.host, request(), kinds=[kind], ask=ask).plan.drifted
    last = remembered(machine.host)
    assert last is not None
    assert last.mirror.kind is MirrorKind.HOMEPORT


@pytest.mark.parametrize(
    "name", ["../../etc", "https://ghcr.io", "ghcr.io/x", "", "a b", "GHCR.io", "x\n", ".", "-x"]
)
def test_what_is_no_registry_never_becomes_a_folder(machine: Machine, name: str) -> None:
    wanted = replace(request(), registries=("docker.io", name))
    with pytest.raises(EnrollError, match="is no registry"):
        plan_enrolment(machine.host, wanted, kinds=[FakeKind()], ask=ask)
    paths = replace(request(), mirror=replace(request().mirror, paths={"docker.io": f"x/{name}?"}))
    with pytest.raises(EnrollError, match="is no path"):
        plan_enrolment(machine.host, paths, kinds=[FakeKind()], ask=ask)


def test_docker_hub_is_not_given_up_by_a_second_enrolment(machine: Machine) -> None:
    kind = FakeKind()
    two = replace(request(), registries=("docker.io", "ghcr.io"))
    enroll(machine.host, two, kinds=[kind], find=finding(kind), ask=ask)
    for names, codes in ((("docker.io",), []), (("ghcr.io",), ["left-over"])):
        fewer = replace(request(), registries=names)
        (plan,) = plan_enrolment(machine.host, fewer, kinds=[kind], ask=ask).plan.engines
        assert [one.code for one in plan.findings] == codes


@pytest.mark.parametrize(("uid", "hint"), [(1000, "sudo"), (0, "read-only")])
def test_a_file_that_may_not_be_written_is_refused_with_what_to_do(
    machine: Machine, uid: int, hint: str
) -> None:
    class Theirs(FakeKind):
        def detect(self, host: Host) -> tuple[Engine, ...]:
            return (replace(super().detect(host)[0], writable=False),)

    machine.host.uid = uid
    (result,) = enrolled(machine, Theirs()).results
    assert result.state == REFUSED
    assert hint in result.findings[0].hint
    assert machine.text(CONFIG) == USERS


def test_an_interrupted_run_is_put_right_first_and_told(machine: Machine) -> None:
    run(machine, "apply", 5)
    states, besides = status(machine.host, find=finding(FakeKind()))
    assert (states, [one.code for one in besides]) == ((), ["interrupted"])
    done = enrolled(machine, FakeKind())
    assert done.ok
    assert [one.code for one in done.resumed] == ["resumed"]


def test_status_sees_drift_and_engines_that_are_gone(machine: Machine) -> None:
    kind = FakeKind()
    enrolled(machine, kind)
    find = finding(kind)
    assert [one.state for one in status(machine.host, find=find)[0]] == [ENROLLED]
    machine.write(CONFIG, '{"debug": true}')
    (one,) = status(machine.host, find=find)[0]
    assert (one.state, [change.path for change in one.drift]) == (DRIFTED, [CONFIG])
    machine.write(CONFIG, "{")
    (one,) = status(machine.host, find=find)[0]
    assert (one.state, one.findings[0].place) == (DRIFTED, f"{CONFIG}:1:2")
    kind.detect = lambda host: ()  # type: ignore[method-assign]
    assert [one.state for one in status(machine.host, find=find)[0]] == [GONE]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nonces that the mirror says it was asked for."""
    nonces: list[str] = []

    class Client:
        def __init__(self, *_: object, **__: object) -> None: ...

        def get(self, path: str, **_: object) -> Answer:
            entry = b'{"agent":"fake/1","listener":"hub"}'
            found = path.rpartition("/")[2] in nonces
            return Answer(200, {}, b'{"seen":[%s]}' % (entry if found else b""))

    monkeypatch.setattr(verify_module, "MirrorClient", Client)
    return nonces


def puller(machine: Machine, seen: list[str], answer: Callable[[str], bool]) -> None:
    def pull(words: Any) -> Ran:
        nonce = words[2].partition("/homeport-verify/")[2].partition(":")[0]
        if answer(words[2]):
            seen.append(nonce)
            return Ran(0, "pulled", "")
        return Ran(1, "", "no such host")

    machine.answer("fake", "pull", says=pull)


def test_a_pull_that_the_mirror_saw_is_proof_and_the_image_goes_again(
    machine: Machine, seen: list[str]
) -> None:
    kind = FakeKind()
    enrolled(machine, kind)
    puller(machine, seen, lambda _: True)
    (proof,) = prove(machine.host, kinds=[kind], find=finding(kind))
    assert (proof.state, proof.came) == (PROVEN, "fake/1 at hub")
    assert proof.reference == f"docker.io/homeport-verify/{seen[0]}:latest"
    assert machine.calls[-1] == ("fake", "rmi", proof.reference)


def test_a_pull_that_fails_is_told_in_the_engines_words(machine: Machine, seen: list[str]) -> None:
    kind = FakeKind()
    enrolled(machine, kind)
    puller(machine, seen, lambda _: False)
    (proof,) = prove(machine.host, kinds=[kind], find=finding(kind))
    assert (proof.state, proof.said) == (FAILED, "the mirror was never asked for it; no such host")


def test_registries_that_an_engine_has_no_mirror_for_are_told(
    machine: Machine, seen: list[str]
) -> None:
    kind = FakeKind()
    enrolled(machine, kind)
    puller(machine, seen, lambda _: True)
    wanted = remembered(machine.host)
    assert wanted is not None
    both = replace(wanted, registries=("docker.io", "ghcr.io"))
    proofs = prove(machine.host, both, kinds=[kind], find=finding(kind))
    assert [(one.registry, one.state) for one in proofs] == [
        ("docker.io", PROVEN),
        ("ghcr.io", UNCOVERED),
    ]


def test_other_mirrors_are_proven_by_their_own_image_alone(
    machine: Machine, seen: list[str]
) -> None:
    kind = FakeKind()
    enrolled(machine, kind)
    puller(machine, seen, lambda reference: reference == "corp/only:1")
    for canary, state in ((None, UNPROVEN), ("corp/only:1", PROVEN), ("corp/none:1", FAILED)):
        mirror = Mirror("https://m", "https://m", MirrorKind.NEXUS, canary=canary)
        (proof,) = prove(machine.host, Request(mirror), kinds=[kind], find=finding(kind))
        assert proof.state == state
        assert proof.ok is (state != FAILED)


def test_who_pulls_nothing_is_not_proven_and_no_failure(machine: Machine, seen: list[str]) -> None:
    class Config(FakeKind):
        def pull(self, host: Host, engine: Engine, reference: str) -> Pull:
            raise CannotPullError("it is a configuration alone")

    kind = Config()
    enrolled(machine, kind)
    (proof,) = prove(machine.host, kinds=[kind], find=finding(kind))
    assert (proof.state, proof.said, proof.ok) == (UNPROVEN, "it is a configuration alone", True)


def test_nothing_enrolled_is_nothing_to_prove(machine: Machine) -> None:
    kind = FakeKind()
    with pytest.raises(EnrollError, match="nothing is enrolled"):
        prove(machine.host, kinds=[kind], find=finding(kind))
    enrolled(machine, kind)
    undo(machine.host, find=finding(kind))
    assert remembered(machine.host) is None


def test_diffs_hide_secrets_and_control_characters() -> None:
    before = FileState('{\n "token": "glrt-abc",\n "p": "http://u:pw@x",\n "a": 1\n}', 0o600, 0, 0)
    after = replace(before, content=before.content.replace("1", '"\x1b[31m"'), mode=0o644, uid=5)
    change = FileChange("/etc/x", before, after, Ownership.KEYS, "why")
    text = "\n".join(diff_of(change))
    assert "glrt-abc" not in text
    assert "pw" not in text
    assert "\x1b" not in text
    assert '- "a": 1' in text
    assert text.endswith("mode 600 -> 644\nowner 0:0 -> 5:0")
    assert summary_of(change) == "change /etc/x (the rest of it stays): why"
    assert diff_of(replace(change, before=None))[0] == "--- /dev/null"


@pytest.mark.parametrize(
    "line",
    [
        '"proxies": {"https-proxy": "http://ann:hunter2@proxy:3128"}',
        '"log-opts": {"splunk-token": "hunter2"}',
        '"auths": {"hub": {"auth": "aHVudGVy\\"hunter2"}}',
        'environment = ["AWS_SECRET_ACCESS_KEY=hunter2", "A=1"]',
        'Authorization = ["Basic hunter2", "hunter2"]',
        "token = 'glrt-hunter2'",
        '"password" :\n  "hunter2"',
    ],
)
def test_json_hides_secrets_of_files_that_are_not_ours(line: str) -> None:
    state = FileState(f'{{\n {line},\n "debug": true\n}}', 0o600, 0, 0)
    after = replace(state, content=state.content.replace("true", "false"))
    change = FileChange("/etc/x", state, after, Ownership.KEYS, "why")
    text = json.dumps(to_shown({"drift": [change]}))
    assert "hunter2" not in text
    assert "debug" in text
    if "\n" not in line:
        assert "hunter2" not in "\n".join(diff_of(change))


def test_what_to_do_is_part_of_what_is_said_of_a_pull(machine: Machine, seen: list[str]) -> None:
    class Silent(FakeKind):
        def pull(self, host: Host, engine: Engine, reference: str) -> Pull:
            raise EngineError("it does not answer", hint="start it", said="no socket")

    kind = Silent()
    enrolled(machine, kind)
    (proof,) = prove(machine.host, kinds=[kind], find=finding(kind))
    assert proof.state == FAILED
    assert "it does not answer; no socket; start it" in proof.said
