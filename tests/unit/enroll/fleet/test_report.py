"""What is said of hosts, made of what ansible and they have told."""

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from homeport.enroll.fleet import playbook
from homeport.enroll.fleet.page import write_page
from homeport.enroll.fleet.report import Report, make_report


def hosts(*names: str) -> dict[str, Any]:
    return {"event": "ok", "host": names[0], "task": playbook.HOSTS, "hosts": list(names)}


def looked(host: str, stdout: str = "homeport-python=/usr/bin/python3\n") -> dict[str, Any]:
    return {"event": "ok", "host": host, "task": playbook.LOOK, "rc": 0, "stdout": stdout}


def ran(host: str, answer: object, **more: Any) -> dict[str, Any]:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return {"event": "ok", "host": host, "task": playbook.RUN, "stdout": text, **more}


def result(state: str, *messages: str) -> dict[str, Any]:
    findings = [{"place": "", "message": text, "severity": "error"} for text in messages]
    return {"title": "Docker", "state": state, "findings": findings, "files": []}


def states(report: Report) -> dict[str, str]:
    return {one.host: one.state for one in report.hosts}


def test_a_host_that_nobody_came_to_is_not_begun() -> None:
    events = [hosts("a", "b"), looked("a"), ran("a", {"results": [result("reverted", "no")]})]
    report = make_report("apply", events)
    assert states(report) == {"a": "failed", "b": "not begun"}
    assert report.hosts[0].rows[0].what == "reverted; no"
    assert not report.ok


def test_unreachable_and_unsupported_hosts_say_why() -> None:
    events = [
        hosts("a", "b", "c", "d"),
        {"event": "unreachable", "host": "a", "task": playbook.LOOK, "msg": "Task failed: no\nway"},
        looked("b", "banner\r\nhomeport-python=none Python 3.6.8\r\n"),
        looked("c", "homeport-python=none sh: python3: not found\n"),
        {"event": "ok", "host": "d", "task": playbook.LOOK, "msg": "Missing sudo password"},
    ]
    report = make_report("status", events)
    assert [(row.state, row.what) for row in report.rows] == [
        ("unreachable", "no way"),
        ("unsupported", "no Python 3.9 or newer (Python 3.6.8)"),
        ("unsupported", "no Python 3.9 or newer"),
        ("failed", "Missing sudo password"),
    ]


@pytest.mark.parametrize(
    "said",
    [
        "",
        "[]",
        "7",
        "{}",
        '{"results": 1}',
        '{"results": [1]}',
        '{"results": [{"state": "done"}]}',
        '{"results": [{"title": "x", "state": [], "findings": []}]}',
        '{"error": 3}',
        '{"error": {"kind": "x"}}',
        "[" * 100_000,
        "Traceback (most recent call last)",
    ],
)
def test_an_answer_that_is_none_is_a_failure_of_that_host(said: str) -> None:
    report = make_report("apply", [looked("a"), ran("a", said, stderr="boom")])
    assert states(report) == {"a": "failed"}
    assert report.rows[0].what.startswith("its answer is not one")


def test_an_error_is_told_with_its_place_and_remedy() -> None:
    error = {"message": "a comma", "hint": "remove it", "place": "/etc/docker/daemon.json:1:15"}
    report = make_report("apply", [looked("a"), ran("a", {"ok": False, "error": error})])
    assert report.rows[0].what == "/etc/docker/daemon.json:1:15: a comma (remove it)"


@pytest.mark.parametrize(
    ("command", "state", "well"),
    [("status", "not enrolled", False), ("undo", "not enrolled", True)],
)
def test_nothing_there_is_well_after_undo_alone(command: str, state: str, well: bool) -> None:
    empty = {"undone": [], "status": [], "findings": []}
    report = make_report(command, [looked("a"), ran("a", empty)])
    assert (states(report), report.ok) == ({"a": state}, well)


def test_proofs() -> None:
    proofs = [
        {"title": "Docker", "registry": "docker.io", "state": "proven", "said": ""},
        {"title": "Podman", "registry": "docker.io", "state": "failed", "said": "never asked"},
        {"title": "kaniko", "registry": "docker.io", "state": "configured, not proven", "said": ""},
    ]
    report = make_report("verify", [looked("a"), ran("a", {"proofs": proofs})])
    assert [(row.state, row.proven) for row in report.rows] == [
        ("enrolled", "yes"),
        ("failed", "no"),
        ("enrolled", "no"),
    ]
    assert states(report) == {"a": "failed"}


def test_a_plan_with_changes_is_drift() -> None:
    engine = {"title": "Docker"}
    finding = {"severity": "error", "place": "/x:1:1", "message": "broken"}
    engines = [
        {"engine": engine, "findings": [], "changes": [{"path": "/etc/docker/daemon.json"}]},
        {"engine": engine, "findings": [], "changes": []},
        {"engine": engine, "findings": [finding], "changes": []},
    ]
    report = make_report("plan", [looked("a"), ran("a", {"plan": {"engines": engines}})])
    assert [(row.state, row.what) for row in report.rows] == [
        ("drifted", "to change: /etc/docker/daemon.json"),
        ("enrolled", "as it should be"),
        ("failed", "/x:1:1: broken"),
    ]


def test_what_is_left_on_a_host_is_known() -> None:
    made = {"event": "ok", "host": "a", "task": playbook.FOLDER, "path": "/tmp/ansible.x.homeport"}
    gone = {"event": "unreachable", "host": "a", "task": playbook.RUN, "msg": "lost"}
    removed = {"event": "ok", "host": "a", "task": playbook.REMOVE}
    (host,) = make_report("apply", [looked("a"), made, gone]).hosts
    assert (host.state, host.left) == ("unreachable", "/tmp/ansible.x.homeport")
    (host,) = make_report("apply", [looked("a"), made, gone, removed]).hosts
    assert host.left == ""


@pytest.mark.parametrize(
    ("task", "state"), [(playbook.LOOK, "not begun"), (playbook.FOLDER, "failed")]
)
def test_a_host_is_begun_with_its_folder(task: str, state: str) -> None:
    events = [looked("a"), {"event": "start", "host": "a", "task": task}]
    assert states(make_report("apply", events)) == {"a": state}


def test_a_task_that_failed_is_named() -> None:
    failed = {"event": "failed", "host": "a", "task": playbook.RUN, "msg": "took too long"}
    (host,) = make_report("apply", [looked("a"), failed]).hosts
    assert host.rows[0].what == f"{playbook.RUN}: took too long"


class Page(HTMLParser):
    """Tags with their attributes, and text; every tag must be closed in its turn."""

    void = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_whole_and_believes_nobody() -> None:
    evil = '<script src="//evil.example/x.js"></script>"\'&\x1b[31m\x00'
    made = {"event": "ok", "host": evil, "task": playbook.FOLDER, "path": f"/tmp/{evil}"}
    events = [hosts(evil, "b"), looked(evil), made, ran(evil, {"error": {"message": evil}})]
    page = write_page(make_report("apply", events), now=0)
    found = Page()
    found.feed(page)
    found.close()
    assert found.open == []
    names = {tag for tag, _ in found.tags}
    assert not names & {"script", "img", "link", "iframe", "object", "a"}
    assert not any(name in ("src", "href", "style") for _, all_ in found.tags for name in all_)
    assert "url(" not in page
    assert "\x1b" not in page
    assert "\x00" not in page
    shown = evil.replace("\x1b", "\\x1b").replace("\x00", "\\x00")
    assert found.text.count(shown) == 2
    assert "1970-01-01 00:00 UTC: 1 failed, 1 not begun" in found.text
