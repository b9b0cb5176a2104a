"""The play that carries the zipapp to each host, runs it, and takes it away again.

Nothing in it can fail a host before the program was removed there, so that a wave that stops leaves
nothing behind; the verdict is its last task. Facts are not gathered, and nothing needs more on a
host than Python and `sh`.
"""

from typing import Any

from homeport.enroll.fleet.asked import CHANGING, Asked

HOSTS = "homeport: which hosts"
LOOK = "homeport: look for Python"
FOLDER = "homeport: make a folder"
PROGRAM = "homeport: copy the program"
RUN = "homeport: run it"
REMOVE = "homeport: remove the folder"
VERDICT = "homeport: verdict"

PYTHON = "homeport-python="
NONE = "none"
CONNECTING = 90
COPYING = 120

Task = dict[str, Any]

_NAMES = " ".join(f"python3.{minor}" for minor in range(14, 8, -1))
_SEARCH = (
    "for name in {{ ansible_python_interpreter | default('python3') | string | quote }} python3 "
    + _NAMES
    + " /usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python; do "
    'found=$(command -v "$name" 2>/dev/null) || continue; '
    "if \"$found\" -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; "
    f'then echo "{PYTHON}$found"; exit 0; fi; done; '
    f'echo "{PYTHON}{NONE} $(python3 -V 2>&1 | head -n 1)"'
)
_FOLDER = "{{ homeport_folder.path }}"
_TARGET = f"{_FOLDER}/enroll.pyz"
# Ansible's own copy leaves folders in the user's home, and takes four connections.
_WRITE = (
    "import base64, os, sys; "
    "target = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700); "
    "os.fdopen(target, 'wb').write(base64.b64decode(sys.stdin.read()))"
)
# Older ansibles make data of a text that looks like data, unless a filter has written it.
_QUESTION = "{{ lookup('ansible.builtin.file', homeport_question) | from_json | to_json }}"
_PATH = "'(?m)^" + PYTHON + "(/[^ \\t\\r\\n]+)'"


def playbook(asked: Asked, *, stop: str) -> "list[Task]":
    """As plain data; no wave begins once there is a file `stop`. The variables `homeport_question`
    and `homeport_program` are files here: JSON, and the zipapp in base64."""
    work: Task = {
        "name": f"homeport enroll {asked.command}",
        "hosts": "all",
        "gather_facts": False,
        "become": asked.become,
        # A connection that breaks at work may be there again to remove the program.
        "ignore_unreachable": True,
        "vars": {"homeport_stop": stop},
        "tasks": [*_looking(), _working(asked)],
    }
    if asked.command in CHANGING:
        work["serial"] = [asked.wave or "100%"]
    if asked.stops:
        work["max_fail_percentage"] = 0
        work["tasks"].append(
            {
                "name": VERDICT,
                "ansible.builtin.fail": {"msg": "this host is not as it should be"},
                "when": "(homeport_run.rc | default(99)) != 0",
            }
        )
    return [_counting(), work]


def cleaning(folders: "dict[str, str]", *, become: bool) -> "list[Task]":
    """A play that removes what an interrupted one has left: `folders` by host."""
    return [
        {
            "name": "homeport enroll: clean up",
            "hosts": sorted(folders),
            "gather_facts": False,
            "become": become,
            "vars": {"homeport_folders": folders},
            "tasks": [
                {
                    "name": REMOVE,
                    "ansible.builtin.raw": "rm -rf -- "
                    "{{ homeport_folders[inventory_hostname] | quote }}",
                    "args": {"executable": "/bin/sh"},
                    "timeout": 20,
                }
            ],
        }
    ]


def _counting() -> Task:
    return {
        "name": HOSTS,
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": HOSTS,
                "ansible.builtin.debug": {"var": "ansible_play_hosts_all"},
                "run_once": True,
            }
        ],
    }


def _looking() -> "list[Task]":
    return [
        {
            "name": "homeport: go on?",
            "ansible.builtin.meta": "end_play",
            "when": "homeport_stop is exists",
        },
        {
            "name": LOOK,
            "ansible.builtin.raw": _SEARCH,
            "args": {"executable": "/bin/sh"},
            "register": "homeport_look",
            "changed_when": False,
            "failed_when": False,
            "timeout": CONNECTING,
        },
        {
            "name": "homeport: unreachable",
            "ansible.builtin.meta": "end_host",
            "when": "homeport_look.unreachable | default(false)",
        },
        {
            "name": "homeport: unsupported",
            "ansible.builtin.meta": "end_host",
            "when": f"'{PYTHON}{NONE}' in homeport_look.stdout | default('')",
        },
        {
            "name": "homeport: still go on?",
            "ansible.builtin.meta": "end_host",
            "when": "homeport_stop is exists",
        },
    ]


def _working(asked: Asked) -> Task:
    python = "{{ homeport_look.stdout | regex_findall(" + _PATH + ") | first }}"
    return {
        "name": "homeport: at work",
        # Asked again for every task below, so that nothing that may change belongs here.
        "when": f"(homeport_look.stdout | default('')) is search({_PATH})",
        "block": [
            {
                "name": "homeport: which Python",
                "ansible.builtin.set_fact": {"ansible_python_interpreter": python},
            },
            {
                "name": FOLDER,
                "ansible.builtin.tempfile": {"state": "directory", "suffix": ".homeport"},
                "register": "homeport_folder",
                "timeout": CONNECTING,
            },
            {
                "name": PROGRAM,
                "ansible.builtin.command": {
                    "argv": ["{{ ansible_python_interpreter }}", "-I", "-c", _WRITE, _TARGET],
                    "stdin": "{{ lookup('ansible.builtin.file', homeport_program) }}",
                },
                "timeout": COPYING,
            },
            {
                "name": RUN,
                "ansible.builtin.command": {
                    "argv": [
                        "{{ ansible_python_interpreter }}",
                        "-I",
                        _TARGET,
                        asked.command,
                    ],
                    "stdin": _QUESTION,
                },
                "register": "homeport_run",
                "failed_when": False,
                "timeout": asked.seconds,
            },
        ],
        "rescue": [
            {"name": "homeport: it went wrong", "ansible.builtin.meta": "noop"},
        ],
        "always": [
            {
                "name": REMOVE,
                "ansible.builtin.file": {"path": _FOLDER, "state": "absent"},
                "when": "homeport_folder.path is defined",
                "failed_when": False,
                "timeout": CONNECTING,
            }
        ],
    }
