"""`homeport completion SHELL`: a completion script, made by shtab."""

import argparse

from homeport.cli.options import Commands, add_parser

EXAMPLES = """\
  homeport completion bash > ~/.local/share/bash-completion/completions/homeport
  homeport completion zsh > ~/.zfunc/_homeport
"""

_ZSH = r"""
_homeport_jobs() {
  local -a names where
  [[ $words[1] == explain ]] && where=(--all)
  names=(${(f)"$(homeport list --names $where 2>/dev/null </dev/null)"})
  compadd -a names
}
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "completion",
        main,
        summary="Print a script that completes commands, options and job names.",
        examples=EXAMPLES,
        arguments="bash|zsh|tcsh",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="the shell to complete in")


def main(args: argparse.Namespace) -> int:
    from pathlib import Path

    import shtab

    from homeport.cli.main import build_parser

    bash = Path(__file__).with_name("completion.bash").read_text()
    preamble = {"bash": bash, "zsh": _ZSH}.get(args.shell, "")
    script = shtab.complete(build_parser(), shell=args.shell, preamble=preamble)
    # shtab's "any number" is one for zsh (zshcompsys, _arguments).
    print(script.replace('"(*)::a job', '"*:a job') if args.shell == "zsh" else script)
    if args.shell == "bash":
        # In place of shtab's own: a file where nothing else is known, and words with colons.
        print("complete -o bashdefault -o default -F _homeport homeport")
    return 0
