"""`--completion`: what completes the command `gitlab-ci-local`, whatever it is an alias of."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from homeport.cli.gitlab_ci_local import NAME, add_arguments
from homeport.cli.options import Formatter

_ZSH = r"""
_homeport_jobs() {
  local -a names
  names=(${(f)"$(homeport list --names 2>/dev/null </dev/null)"})
  compadd -a names
}
"""


def completion(env: Mapping[str, str]) -> str:
    """A script for zsh if that is the user's shell, else for bash."""
    import shtab

    parser = argparse.ArgumentParser(prog=NAME, formatter_class=Formatter)
    add_arguments(parser)
    shell = "zsh" if "zsh" in env.get("SHELL", "") or "ZSH_NAME" in env else "bash"
    preamble = _ZSH
    if shell == "bash":
        # The function that finds jobs, without the one that completes `homeport` itself.
        script = Path(__file__).with_name("completion.bash").read_text()
        preamble = script.partition("\n# Bash ends a word")[0]
    text: str = shtab.complete(parser, shell=shell, preamble=preamble) + "\n"
    return text.replace('"(*)::a job', '"*:a job') if shell == "zsh" else text
