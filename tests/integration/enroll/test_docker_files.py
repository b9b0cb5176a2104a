"""What our rules say of a daemon.json, and what the real dockerd says: never milder than it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.enroll.engines.docker import Docker
from homeport.enroll.engines.docker_keys import KEYS, find_key
from homeport.enroll.errors import BrokenFileError, ConflictError
from homeport.enroll.model import Mirror, Request
from testbed.dockerds import CONFIG, Dockerd, docker_machine, running

DOCKER = Docker()
WANTED = Request(Mirror("http://127.0.0.1:9", "http://127.0.0.1:9"))
RELEASE = 20
BAD = {
    "no JSON": ("{", ":1:2"),
    "a comment": ('{\n  // mine\n  "debug": true\n}', ":2:3"),
    "a comma at the end": ('{"debug": true,\n}', ":2:1"),
    "nothing": ("", ":1:1"),
    "a list": ("[]", ":1:1"),
    "single quotes": ("{'debug': true}", ":1:2"),
    "an unknown key": ('{\n  "debug": true,\n  "mirrors": []\n}', ":3:3"),
    "another case": ('{"Registry-Mirrors": []}', ":1:2"),
    "a key of a later release": ('{"proxies": {"http-proxy": "http://p"}}', ":1:14"),
    "a text for a list": ('{"registry-mirrors": "http://m"}', ":1:22"),
    "a number in a list": ('{"registry-mirrors":\n  [5]}', ":2:3"),
    "a text for true": ('{"debug": "true"}', ":1:11"),
    "a fraction": ('{"mtu": 1.5}', ":1:9"),
    "a number for a text": ('{"log-opts": {"max-file": 3}}', ":1:14"),
    "a mirror with a path": ('{"registry-mirrors": ["http://m/x"]}', ":1:22"),
    "a mirror without a scheme": ('{"registry-mirrors": ["m.test:5000"]}', ":1:22"),
    "a mirror with a login": ('{"registry-mirrors": ["http://u:p@m"]}', ":1:22"),
    "a negative number": ('{"max-concurrent-downloads": -1}', ":1:30"),
    "a label without a value": ('{"labels": ["x"]}', ":1:12"),
    "a level that is none": ('{"log-level": "loud"}', ":1:15"),
}
FLAGGED = '{\n  "bridge": "none"\n}'
TWICE = '{"debug": true, "debug": false}'
SAMPLES = {
    "text": "x",
    "truth": True,
    "number": 1,
    "texts": ["x=y"],
    "pairs": {"a": "b"},
    "object": {},
    "objects": [],
    "truths": {"a": True},
}


@pytest.fixture(scope="module")
def docker() -> Iterator[Dockerd]:
    with docker_machine() as machine:
        made = Dockerd(machine, "docker")
        with running(made):
            yield made


def dockerd_says(folder: Path, text: str) -> str:
    """What a dockerd that is started with the file says before it ends; it must end."""
    place = folder / "daemon.json"
    place.write_text(text)
    command = ["dockerd", f"--config-file={place}", f"--data-root={folder / 'data'}"]
    command += [f"--exec-root={folder / 'exec'}", f"--pidfile={folder / 'pid'}"]
    command += [f"--host=unix://{folder / 's'}", "--bridge=none", "--iptables=false"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize("name", BAD)
def test_what_dockerd_would_not_start_with_is_refused(
    docker: Dockerd, tmp_path: Path, name: str
) -> None:
    text, place = BAD[name]
    assert dockerd_says(tmp_path, text)
    refused(docker, text, place)


def test_what_dockerd_would_take_the_last_of_is_refused(docker: Dockerd) -> None:
    refused(docker, TWICE, ":1:17")


def refused(docker: Dockerd, text: str, place: str) -> None:
    docker.machine.write(CONFIG, text, mode=0o600)
    before, log = docker.machine.at(CONFIG).stat(), docker.log
    with pytest.raises(BrokenFileError) as caught:
        DOCKER.plan(docker.machine.host, docker.engine(), WANTED)
    assert caught.value.place == f"{CONFIG}{place}"
    assert docker.machine.text(CONFIG) == text
    assert docker.machine.at(CONFIG).stat().st_mtime_ns == before.st_mtime_ns
    assert docker.mirrors() == []
    assert docker.log == log


def test_a_key_that_is_a_flag_of_the_daemon(docker: Dockerd, tmp_path: Path) -> None:
    assert "both as a flag and in the configuration file" in dockerd_says(tmp_path, FLAGGED)
    docker.machine.write(CONFIG, FLAGGED)
    with pytest.raises(ConflictError) as caught:
        DOCKER.plan(docker.machine.host, docker.engine(), WANTED)
    assert caught.value.place == f"{CONFIG}:2:3"
    assert docker.machine.text(CONFIG) == FLAGGED


def test_a_key_that_dockerd_ignores_is_told(docker: Dockerd) -> None:
    """It is called like the flag: the classic mistake."""
    docker.machine.write(CONFIG, '{\n  "registry-mirror": ["http://127.0.0.1:9"]\n}')
    plan = DOCKER.plan(docker.machine.host, docker.engine(), WANTED)
    (found,) = plan.findings
    assert (found.code, found.place) == ("docker-key-ignored", f"{CONFIG}:2:3")
    assert "registry-mirrors" in found.hint
    assert len(plan.changes) == 1


def test_the_table_of_keys_is_that_of_dockerd(tmp_path: Path) -> None:
    """It tells every key that it does not know at once."""
    given = {name: SAMPLES[key.type] for name, key in KEYS.items()}
    given["proxies"] = {}
    own = ("data-root", "exec-root", "pidfile", "hosts", "bridge", "iptables")
    given = {name: value for name, value in given.items() if name not in own}
    said = dockerd_says(tmp_path, json.dumps({**given, "zzz": 1}))
    unknown = set(said.strip().rpartition("option: ")[2].split(", "))
    # Objects that are empty have no keys to be unknown.
    expected = {name for name in given if find_key(name, RELEASE) is None}
    assert unknown == (expected - {"proxies", "default-network-opts"}) | {"zzz"}
