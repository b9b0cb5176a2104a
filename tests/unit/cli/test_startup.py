"""Start-up is a feature: what `homeport --version` imports is pinned."""

import subprocess
import sys

ALLOWED = {
    "argparse",
    "gettext",
    "homeport",
    "homeport.__main__",
    "homeport.cli",
    "homeport.cli.completion",
    "homeport.cli.explain",
    "homeport.cli.lint",
    "homeport.cli.list_",
    "homeport.cli.main",
    "homeport.cli.options",
    "homeport.cli.render",
    "homeport.cli.run",
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
    extra = {
        name
        for name in imported("--version") - ALLOWED
        if name.partition(".")[0] not in ("collections", "typing", "shutil", "__future__")
    }
    allowed_by_argparse = {"locale", "_locale", "fnmatch", "zlib", "bz2", "_bz2", "lzma", "_lzma"}
    assert not {name for name in extra if name.startswith(("homeport", "msgspec", "yaml", "re2"))}
    assert extra <= allowed_by_argparse | {
        "_compression",
        "errno",
        "_struct",
        "struct",
        "pwd",
        "grp",
        "_typing",
    }, extra
