"""Start-up is a feature: what `homeport --version` imports is pinned."""

import subprocess
import sys

STDLIB = frozenset(sys.stdlib_module_names)
ALLOWED = {
    "homeport",
    "homeport.__main__",
    "homeport.cli",
    "homeport.cli.completion",
    "homeport.cli.diff",
    "homeport.cli.explain",
    "homeport.cli.lint",
    "homeport.cli.list_",
    "homeport.cli.main",
    "homeport.cli.options",
    "homeport.cli.render",
    "homeport.cli.run",
    "homeport.cli.update",
    "homeport.cli.simulation",
}


def imported(*argv: str) -> set[str]:
    """The modules that a command imports beyond those of argparse itself."""
    code = "import sys; sys.argv[:] = sys.argv[1:]; from homeport.__main__ import main\n"
    code += "try: main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "homeport", *argv], capture_output=True, text=True, check=True
    )
    bare = subprocess.run(
        [sys.executable, "-c", "import argparse, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split()) - set(bare.stdout.split())


def test_version_imports_argparse_and_the_commands_parsers_alone() -> None:
    ours = {name for name in imported("--version") if name.partition(".")[0] not in STDLIB}
    assert ours <= ALLOWED


def test_version_imports_little_of_the_standard_library() -> None:
    heavy = {"asyncio", "dataclasses", "inspect", "json", "logging", "subprocess", "typing"}
    assert not imported("--version") & heavy
