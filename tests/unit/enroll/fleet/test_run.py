"""The play, and ansible's part in it, by connections to this machine; nothing is changed on it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from homeport.cli.main import main
from homeport.enroll.errors import EnrollError, MachineError
from homeport.enroll.fleet import playbook, run
from homeport.enroll.fleet.asked import Asked
from homeport.enroll.fleet.report import HostReport
from homeport.enroll.fleet.run import run_fleet

LOCAL = "ansible_connection=local ansible_python_interpreter="


def tasks(play: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for task in play["tasks"]:
        found += [task, *task.get("block", ()), *task.get("always", ())]
    return found


def test_only_what_changes_goes_in_waves_and_stops() -> None:
    def work(command: str, **more: Any) -> dict[str, Any]:
        return playbook.playbook(Asked(command, ("x,",), **more), stop="/s")[1]

    assert work("apply", wave="25%")["serial"] == ["25%"]
    assert work("apply")["max_fail_percentage"] == 0
    assert "max_fail_percentage" not in work("apply", keep_going=True)
    assert "serial" not in work("verify")
    assert playbook.VERDICT not in {task["name"] for task in tasks(work("verify"))}


def test_the_program_is_removed_before_the_verdict_and_nothing_secret_is_an_argument() -> None:
    asked = Asked("apply", ("x,",), question={"request": "SECRET"}, become_password="SECRET")  # noqa: S106
    play = playbook.playbook(asked, stop="/s")[1]
    names = [task["name"] for task in tasks(play)]
    assert names.index(playbook.REMOVE) < names.index(playbook.VERDICT)
    assert "SECRET" not in json.dumps(play)
    for task in tasks(play):
        if task["name"] in (playbook.LOOK, playbook.FOLDER, playbook.PROGRAM, playbook.RUN):
            assert task["timeout"] > 0


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/tmp/ansible.abc.homeport", True),
        ("/var/tmp/ansible.abc.homeport", True),
        ("", False),
        ("/", False),
        ("/etc", False),
        ("ansible.abc.homeport", False),
        ("/tmp/../etc/ansible.abc.homeport", False),
        ("/tmp/ansible.abc.homeport/../../etc", False),
    ],
)
def test_a_host_does_not_say_what_is_removed(path: str, ours: bool) -> None:
    assert run._is_ours(path) is ours


def test_ssh_checks_host_keys_whatever_it_is_told(tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(run.SSH.format(ssh="/usr/bin/ssh", batch="yes"))
    ssh.chmod(0o700)
    careless = ("-o", "StrictHostKeyChecking=no", "-o", "ControlPath=/tmp/x", "-F", "none")
    said = subprocess.run(
        [str(ssh), *careless, "-G", "host"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "stricthostkeychecking true" in said
    assert not any(line.startswith("controlpath") for line in said)


def test_without_ansible_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(run, "find_spec", lambda _: None)
    with pytest.raises(MachineError, match="ansible-core"):
        run_fleet(Asked("status", ("x,",)))
    assert main(["enroll", "fleet", "status", "-i", "x,"]) == 3
    assert "pip install 'homeport[fleet]'" in capsys.readouterr().err


def test_plan_and_apply_want_a_mirror(capsys: Any) -> None:
    assert main(["enroll", "fleet", "apply", "-i", "x,"]) == 2
    assert "--mirror" in capsys.readouterr().err


@pytest.mark.parametrize("wave", ["0", "-1", "101%", "1.5", "all", "٣"])
def test_a_wave_is_hosts_or_percent(wave: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["enroll", "fleet", "apply", "-i", "x,", f"--wave={wave}"])
    assert "percentage" in capsys.readouterr().err


def test_what_ansible_cannot_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(EnrollError, match="parse"):
        run_fleet(Asked("status", (str(tmp_path / "none.ini"),)))
    inventory = tmp_path / "hosts.ini"
    inventory.write_text(f"here {LOCAL}{sys.executable}\n")
    with pytest.raises(EnrollError, match="no hosts"):
        run_fleet(Asked("status", (str(inventory),), limit="nobody"))


def test_hosts_answer_and_each_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers, one with a Python of our choosing that fails, one that is not there."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("ANSIBLE_REMOTE_TMP", str(tmp_path / "remote"))
    inventory = tmp_path / "hosts.ini"
    inventory.write_text(
        f"here {LOCAL}{sys.executable}\n"
        "gone ansible_host=127.0.0.1 ansible_port=9 ansible_host_key_checking=false\n"
    )
    told: list[HostReport] = []
    question = {"request": {"mirror": {"url": "http://127.0.0.1:9", "hub_url": ""}}}
    report = run_fleet(Asked("plan", (str(inventory),), question=question), told=told.append)
    assert {one.host: one.state for one in report.hosts} == {
        "gone": "unreachable",
        "here": "failed",
    }
    assert sorted(one.host for one in told) == ["gone", "here"]
    here = report.hosts[1]
    assert here.answer is not None
    assert here.answer["error"]["kind"] == "UnreachableMirrorError"
    assert here.left == ""
    assert not list(tmp_path.glob("homeport-fleet-*"))
    assert not list(tmp_path.rglob("*.homeport"))


def test_a_host_that_takes_too_long_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    slow = tmp_path / "slow"
    slow.write_text(
        '#!/bin/sh\ncase "$*" in *enroll.pyz*status*) sleep 30;; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    slow.chmod(0o700)
    inventory = tmp_path / "hosts.ini"
    inventory.write_text(f"here {LOCAL}{slow}\n")
    report = run_fleet(Asked("status", (str(inventory),), seconds=1))
    (host,) = report.hosts
    assert host.state == "failed"
    assert playbook.RUN in host.rows[0].what
    assert host.left == ""
    assert not list(tmp_path.rglob("*.homeport"))


SUDO = """#!/bin/sh
while [ $# -gt 0 ]; do
    case "$1" in
    -p) printf '%s' "$2" >&2; read -r word; [ "$word" = 'pass {{word}}' ] || exit 1; shift 2 ;;
    -u) shift 2; break ;;
    *) shift ;;
    esac
done
echo "$@" >>{log}
exec "$@"
"""


def test_the_password_of_become_is_no_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sudo of our own wants it; what looks like a template in it is none."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("ANSIBLE_BECOME_ALLOW_SAME_USER", "True")
    log = tmp_path / "log"
    sudo = tmp_path / "sudo"
    sudo.write_text(SUDO.replace("{log}", str(log)))
    sudo.chmod(0o700)
    inventory = tmp_path / "hosts.ini"
    inventory.write_text(f"here ansible_become_exe={sudo} {LOCAL}{sys.executable}\n")
    asked = Asked(
        "status",
        (str(inventory),),
        become=True,
        become_password="pass {{word}}",  # noqa: S106
    )
    seen: list[list[str]] = []
    popen = subprocess.Popen

    def spy(command: list[str], **more: Any) -> Any:
        seen.append(command)
        return popen(command, **more)

    monkeypatch.setattr(run.subprocess, "Popen", spy)
    (host,) = run_fleet(asked).hosts
    assert host.answer is not None, host
    assert "error" not in host.answer
    assert log.read_text().count("BECOME-SUCCESS") >= 5
    assert "pass {{word}}" not in log.read_text()
    assert not any("pass {{word}}" in word for command in seen for word in command)
    assert not list(tmp_path.glob("homeport-fleet-*"))
