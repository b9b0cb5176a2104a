"""What makes machines use the mirror: a shell script, cloud-init, an Ansible role, and timers."""

import json

from homeport.enroll.formats.yaml_text import write_block
from homeport.enroll.plain import to_plain
from homeport.enroll.render.files import Made
from homeport.enroll.render.script import script
from homeport.enroll.render.wanted import Wanted
from homeport.enroll.zipapp import build_zipapp

ROLE = "roles/homeport_enroll"
SCRIPT = "/usr/local/sbin/homeport-enroll.sh"
_MARK = "# Rendered by homeport enroll render."


def shell(wanted: Wanted) -> "tuple[Made, ...]":
    note = "sh homeport-enroll.sh [--check], as root"
    return (Made("homeport-enroll.sh", script(wanted), note, executable=True),)


def cloud_init(wanted: Wanted) -> "tuple[Made, ...]":
    body = "".join(f"      {line}\n" if line else "\n" for line in script(wanted).splitlines())
    text = (
        f"#cloud-config\n{_MARK}\nwrite_files:\n  - path: {SCRIPT}\n"
        f'    owner: root:root\n    permissions: "0755"\n    content: |\n{body}'
        f"runcmd:\n  - [sh, {SCRIPT}]\n"
    )
    return (Made("cloud-config.yaml", text, "user data of a machine that has an engine by then"),)


def systemd(wanted: Wanted) -> "tuple[Made, ...]":
    """Drift on a timer. The mirror is that of the enrolment, so nothing of it is named here."""
    del wanted
    service = f"""\
{_MARK}
[Unit]
Description=Look whether the container engines still use the mirror
Documentation=man:homeport(1)
After=network-online.target docker.service
Wants=network-online.target

[Service]
Type=oneshot
ExecStart=/usr/bin/env homeport enroll watch
TimeoutStartSec=5min
PrivateTmp=yes
NoNewPrivileges=yes
ProtectSystem=strict
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
"""
    timer = f"""\
{_MARK}
[Unit]
Description=Look each hour whether the container engines still use the mirror

[Timer]
OnBootSec=10min
OnUnitActiveSec=1h
RandomizedDelaySec=10min

[Install]
WantedBy=timers.target
"""
    folder = "/etc/systemd/system"
    note = f"{folder}; then systemctl enable --now homeport-enroll-watch.timer"
    return (
        Made("homeport-enroll-watch.service", service, folder),
        Made("homeport-enroll-watch.timer", timer, note),
    )


def ansible(wanted: Wanted) -> "tuple[Made, ...]":
    """A role that runs homeport's own enrolment on each host, by the zipapp: keys of files that
    others own are merged, recorded and can be undone."""
    question = json.dumps({"request": to_plain(wanted.request)}, indent=2, sort_keys=True)
    defaults = {
        "homeport_enroll_state": "enrolled",
        "homeport_enroll_python": "{{ ansible_python_interpreter | default('python3') }}",
        "homeport_enroll_allow_restart": False,
    }
    play = [
        {
            "name": "Container engines use the mirror",
            "hosts": "{{ homeport_hosts | default('all') }}",
            "become": True,
            "serial": ["1", "25%", "100%"],
            "max_fail_percentage": 0,
            "roles": ["homeport_enroll"],
        }
    ]
    meta = {
        "galaxy_info": {
            "role_name": "homeport_enroll",
            "author": "homeport",
            "description": "Container engines use the mirror",
            "license": "MIT",
            "min_ansible_version": "2.15",
        },
        "dependencies": [],
    }
    return (
        Made("enroll.yml", _document(play), "ansible-playbook -i INVENTORY enroll.yml"),
        Made(f"{ROLE}/defaults/main.yml", _document(defaults)),
        Made(f"{ROLE}/tasks/main.yml", _document(_tasks())),
        Made(f"{ROLE}/meta/main.yml", _document(meta)),
        Made(f"{ROLE}/files/question.json", question + "\n"),
        Made(f"{ROLE}/files/enroll.pyz", build_zipapp()),
    )


def _tasks() -> "list[dict[str, object]]":
    """The program is there while it is needed. Apply only where there is something to change, so
    that twice is nothing; plans quote files, so they are not logged."""
    return [
        {
            "name": "A folder for as long as this takes",
            "ansible.builtin.tempfile": {"state": "directory", "suffix": ".homeport"},
            "register": "homeport_folder",
            "check_mode": False,
            "changed_when": False,
        },
        {
            "name": "Enroll, or put everything back",
            "block": [
                {
                    "name": "The program that enrolls this machine",
                    "ansible.builtin.copy": {"src": "enroll.pyz", "dest": _PROGRAM, "mode": "0700"},
                    "check_mode": False,
                    "changed_when": False,
                },
                {
                    "name": "See what is to be changed",
                    **_run("plan", _QUESTION, "homeport_plan"),
                    "check_mode": False,
                    "changed_when": False,
                    "when": _ENROLLED,
                },
                _complain("homeport_plan"),
                {
                    "name": "Change it",
                    **_run("apply", _QUESTION, "homeport_apply"),
                    "changed_when": True,
                    "when": [_ENROLLED, _DRIFTED],
                },
                _complain("homeport_apply"),
                {
                    "name": "Put everything back",
                    **_run("undo", _ALLOWED, "homeport_undo"),
                    "changed_when": "(homeport_undo.stdout | from_json).undone "
                    "| default([]) | length > 0",
                    "when": "homeport_enroll_state == 'absent'",
                },
                _complain("homeport_undo"),
            ],
            "always": [
                {
                    "name": "Remove the program",
                    "ansible.builtin.file": {
                        "path": "{{ homeport_folder.path }}",
                        "state": "absent",
                    },
                    "check_mode": False,
                    "changed_when": False,
                }
            ],
        },
    ]


_PROGRAM = "{{ homeport_folder.path }}/enroll.pyz"
_ENROLLED = "homeport_enroll_state == 'enrolled'"
_DRIFTED = (
    "(homeport_plan.stdout | from_json).plan.engines | map(attribute='changes') "
    "| flatten | length > 0"
)
_QUESTION = (
    "{{ lookup('ansible.builtin.file', 'question.json') | from_json "
    "| combine({'request': {'allow_restart': homeport_enroll_allow_restart | bool}}, "
    "recursive=true) | to_json }}"
)
_ALLOWED = "{{ {'allow_restart': homeport_enroll_allow_restart | bool} | to_json }}"


def _run(command: str, question: str, register: str) -> "dict[str, object]":
    return {
        "ansible.builtin.command": {
            "argv": ["{{ homeport_enroll_python }}", _PROGRAM, command],
            "stdin": question,
        },
        "register": register,
        "failed_when": False,
        "no_log": True,
    }


def _complain(register: str) -> "dict[str, object]":
    said = f"({register}.stdout | default('{{}}', true) | from_json).error"
    return {
        "name": f"Say what is wrong ({register})",
        "ansible.builtin.fail": {
            "msg": f"{{{{ {said}.message | default('homeport enroll status says more') }}}}"
        },
        "when": [f"{register} is not skipped", f"({register}.rc | default(0)) != 0"],
    }


def _document(value: object) -> str:
    return "".join(f"{line}\n" for line in ("---", _MARK, *write_block(value)))
