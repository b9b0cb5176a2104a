"""`homeport completion SHELL`: a completion script, made by shtab."""

import argparse

from homeport.cli.options import Commands, add_parser

EXAMPLES = """\
  homeport completion bash > ~/.local/share/bash-completion/completions/homeport
  homeport completion zsh > ~/.zfunc/_homeport
"""

PREAMBLE = {
    "bash": r"""
_homeport_jobs() {
  local IFS=$'\n' name names
  names=$(homeport list --names 2>/dev/null </dev/null) || return
  for name in $names; do
    [[ $name == "$1"* ]] && printf '%q\n' "$name"
  done
}
""",
    "zsh": r"""
_homeport_jobs() {
  local -a names
  names=(${(f)"$(homeport list --names 2>/dev/null </dev/null)"})
  compadd -a names
}
""",
}


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "completion",
        main,
        summary="Print a script that completes commands, options and job names.",
        examples=EXAMPLES,
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="the shell to complete in")


def main(args: argparse.Namespace) -> int:
    import shtab

    from homeport.cli.main import build_parser

    script = shtab.complete(build_parser(), shell=args.shell, preamble=PREAMBLE.get(args.shell, ""))
    print(script)
    return 0
