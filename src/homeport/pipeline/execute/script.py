"""The text of a job's script, for any POSIX shell.

It has the shape of GitLab Runner's (shells/bash.go), because its details show: all commands are
one `eval` at the end of a pipe from `:`. So they share one shell, `exit` and traps end that shell
only, commands read an empty pipe and never the script, and a syntax error in the last command
lets the earlier ones run first. In bash a command that fails in such an `eval` ends the script with
status 1 whatever its own was (`exit 42` keeps its 42); the Runner has two feature flags against
that, which are here, too, and off by default as there.
"""

from collections.abc import Mapping, Sequence

_GREEN, _RESET = "\x1b[32;1m", "\x1b[0;m"

# dash before 0.5.13 has no pipefail and dies of the attempt, so a subshell tries first.
_HEAD = """\
if [ -n "${BASH_VERSINFO-}" ] || (set -o pipefail) 2>/dev/null; then set -o pipefail; fi
set -o errexit
set +o noclobber
"""
_CHECK = "_runner_exit_code=$?; if [ $_runner_exit_code -ne 0 ]; then exit $_runner_exit_code; fi\n"


def script_text(
    commands: Sequence[str],
    *,
    exports: Mapping[str, str] = {},
    colour: bool = False,
    trace: bool = False,
    subshell: bool = False,
    checked: bool = False,
) -> str:
    """One script that echoes and runs `commands` one after the other in the same shell.

    `exports` are set before the first command (for what is no secret: the text may be stored).
    `colour` echoes the commands in the Runner's green. `trace` is `CI_DEBUG_TRACE`, `subshell`
    `FF_USE_NEW_BASH_EVAL_STRATEGY`, `checked` `FF_ENABLE_BASH_EXIT_CODE_CHECK`.
    """
    body = "".join(f"export {name}={quote(value)}\n" for name, value in exports.items())
    check = _CHECK if checked else ""
    body += "".join(_step(command.strip(), colour, check) for command in commands)
    head = "set -o xtrace\n" + _HEAD if trace else _HEAD
    run = f"(eval {quote(body)})" if subshell else f"eval {quote(body)}"
    return f"{head}: | {run}\nexit 0\n"


def quote(text: str) -> str:
    """`text` as one word of a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _step(command: str, colour: bool, check: str) -> str:
    if not command:
        return "echo\n"
    first, newline, _ = command.partition("\n")
    shown = f"$ {first} # collapsed multi-line command" if newline else f"$ {command}"
    if colour:
        shown = f"{_GREEN}{shown}{_RESET}"
    # Not echo: dash's echo would turn a backslash-n of the command into a line end.
    return f"printf '%s\\n' {quote(shown)}\n{command}\n{check}"
