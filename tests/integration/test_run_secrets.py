"""A secret that a job prints in every way it can: no byte of it is written or shown anywhere."""

import os
from pathlib import Path

import pytest

from homeport.engine.docker import connect
from testbed.runs import Repository, wait_until

pytestmark = pytest.mark.engine
SECRET = "s3cr3t-Value.that/is'long\"enough$x"  # noqa: S105
LINES = "-----BEGIN KEY-----\nAAAABBBBCCCC\nDDDDEEEEFFFF\n-----END KEY-----"
TEXT = """\
default: {image: "debian:bookworm"}
job:
  variables: {ECHO: "1"}
  script:
    - echo "$API_TOKEN"
    - printf %s "$API_TOKEN" | { read -r x || :; printf '%.5s' "$x"; sleep 0.3; echo "${x#?????}"; }
    - echo "$LINES" >&2; cat "$KEYFILE"
    - set -x
    - 'test "$API_TOKEN" != "$LINES"'
    - env | sort; export -p
    - echo "NAME=$API_TOKEN" > report.env; echo "$API_TOKEN" > "file-$$"
    - touch "$(printf %s "$API_TOKEN" | tr / _)"; ls
    - sh -c "exit $ECHO"
  after_script: ['echo "$API_TOKEN"']
  artifacts: {when: always, paths: ["$API_TOKEN", 'report.env'], reports: {dotenv: missing}}
"""


@pytest.fixture(params=["shell", "docker", "podman"])
def address(request: pytest.FixtureRequest) -> str | None:
    if request.param == "shell":
        return None
    return str(request.getfixturevalue(f"{request.param}_address"))


def repository_of(tmp_path: Path, address: str | None, text: str) -> Repository:
    repository = Repository(tmp_path / "project", text, tmp_path / "home").on(address)
    settings = tmp_path / "home/.config/homeport/config.toml"
    settings.parent.mkdir(parents=True)
    shell = "" if address else 'executor = "shell"\n'
    settings.write_text(
        f"{shell}[variables]\n"
        f"API_TOKEN = {{ value = '''{SECRET}''', masked = true, expand = false }}\n"
        f"LINES = {{ value = '''{LINES}''', masked = true }}\n"
        f"KEYFILE = {{ value = '''{LINES}''', masked = true, file = true }}\n"
    )
    return repository


@pytest.mark.parametrize("json", [True, False])
def test_no_secret_shows_anywhere(tmp_path: Path, address: str | None, json: bool) -> None:
    repository = repository_of(tmp_path, address, TEXT)
    done = repository.start("run", *(["--json"] if json else [])).end()
    assert done.status == 1, done
    told = repository.start("explain", "job").end()
    rendered = repository.start("render").end()
    parts = [SECRET, SECRET.replace('"', '\\"'), *LINES.splitlines()[1:3]]
    written = [done.stdout, done.stderr, told.stdout, told.stderr, rendered.stdout]
    files = [path for path in repository.state.rglob("*") if path.is_file()]
    # What a job wrote itself into its artifacts is its own affair, under whatever name.
    own = {
        path.stat().st_ino for path in files if {"artifacts", "reports"}.intersection(path.parts)
    }
    written += [
        path.read_bytes().decode("utf-8", "replace")
        for path in files
        if path.stat().st_ino not in own
    ]
    for text in written:
        assert [part for part in parts if part in text] == []
    assert "[MASKED]" in done.stdout


def test_no_process_shows_a_value(tmp_path: Path, address: str | None) -> None:
    text = (
        'default: {image: "debian:bookworm"}\n'
        "job: {script: ['echo ready; sleep 1000'], variables: {OWN: own-value-9f31}}\n"
    )
    repository = repository_of(tmp_path, address, text)
    # As the environment gives it: an argument of homeport itself shows, as its user wanted.
    started = repository.start("run", "--json", env={"HOMEPORT_VARIABLE_GIVEN": "given-value-77aa"})
    repository.wait_for("ready")
    shown = b""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                shown += (folder / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
    if address is not None:
        inspected = inspect_without_env(address)
        wait_until(lambda: inspected, "no container")
        shown += inspected
    for value in (SECRET.encode(), b"AAAABBBBCCCC", b"given-value-77aa", b"own-value-9f31"):
        assert value not in shown
    started.signal(2)
    started.signal(2)
    started.end()


def inspect_without_env(address: str) -> bytes:
    """All that the engine tells of the containers of homeport, but for their environment."""
    engine = connect(address)
    told = ""
    for identity in engine.containers({}):
        content = engine._call("GET", f"/containers/{identity}/json").body()
        content["Config"].pop("Env")
        told += repr(content)
    engine.close()
    return told.encode()
