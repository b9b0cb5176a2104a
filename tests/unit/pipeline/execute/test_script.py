import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from homeport.pipeline.execute.script import quote, script_text

CASES = [
    json.loads(line)
    for line in Path(__file__).with_name("scripts.jsonl").read_text("utf-8").splitlines()
]
SHELLS = {"bash": ["bash"], "dash": ["dash"], "busybox": ["busybox", "sh"]}


def run(shell: str, script: str, tmp_path: Path) -> tuple[int, str]:
    file = tmp_path / "script"
    file.write_text(script, "utf-8", "surrogateescape")
    with file.open("rb") as stdin:
        done = subprocess.run(
            SHELLS[shell],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=20,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            check=False,
        )
    return done.returncode, done.stdout.decode()


@pytest.mark.parametrize("subshell", [False, True], ids=["eval", "subshell"])
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_exit_status_and_output(
    case: dict[str, Any], shell: str, subshell: bool, tmp_path: Path
) -> None:
    expected = {**case, **case.get(shell, {})}
    if shell == "bash" and not subshell:
        expected |= case.get("bash_eval", {})
    code, output = run(shell, script_text(case["commands"], subshell=subshell), tmp_path)
    echoed = [command.strip().partition("\n") for command in case["commands"]]
    echoes = {
        f"$ {first} # collapsed multi-line command" if newline else f"$ {first}"
        for first, newline, _ in echoed
    }
    lines = [line for line in output.splitlines(keepends=True) if line[:-1] not in echoes]
    if case.get("stderr"):
        lines = lines[: expected["output"].count("\n")]
    assert (code, "".join(lines)) == (expected["exit"], expected["output"])


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("true", "$ true"),
        ("  true  \n", "$ true"),
        ("true 'it''s' \"$HOME\" `date` a\\nb", "$ true 'it''s' \"$HOME\" `date` a\\nb"),
        ("true %s %d", "$ true %s %d"),
        ("true \\\n  more", "$ true \\ # collapsed multi-line command"),
        ("true one\ntrue two", "$ true one # collapsed multi-line command"),
    ],
)
def test_each_command_is_echoed(shell: str, command: str, shown: str, tmp_path: Path) -> None:
    assert run(shell, script_text([command]), tmp_path) == (0, f"{shown}\n")


def test_colour_is_the_green_of_the_runner(tmp_path: Path) -> None:
    _, output = run("bash", script_text(["true"], colour=True), tmp_path)
    assert output == "\x1b[32;1m$ true\x1b[0;m\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_exports_reach_the_commands_and_what_they_start(shell: str, tmp_path: Path) -> None:
    script = script_text(["sh -c 'echo \"$A\"'"], exports={"A": "it's $HOME\n`x`"})
    assert run(shell, script, tmp_path) == (
        0,
        "$ sh -c 'echo \"$A\"'\nit's $HOME\n`x`\n",
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_statuses_are_kept_when_they_are_checked(shell: str, tmp_path: Path) -> None:
    script = script_text(["set +e", "sh -c 'exit 42'", "echo no"], checked=True)
    assert run(shell, script, tmp_path) == (42, "$ set +e\n$ sh -c 'exit 42'\n")


def test_trace_shows_what_runs(tmp_path: Path) -> None:
    _, output = run("bash", script_text(["x=1; echo $x"], trace=True), tmp_path)
    assert "+ echo 1\n" in output


@pytest.mark.parametrize("text", ["", "a b", "it's", "''", '$x `y` \\ "z"\n'])
def test_quoted_text_is_one_word(text: str, tmp_path: Path) -> None:
    assert run("dash", f"printf %s {quote(text)}", tmp_path) == (0, text)
