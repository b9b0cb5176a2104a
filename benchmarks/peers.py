"""The programs that are compared, each installed the way its user would have it.

Everything lies under `$XDG_CACHE_HOME/homeport-benchmarks`. Homeport goes into an environment of
its own without the extras of development, built anew each time; the peers stay.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

GITLAB_CI_LOCAL = "gitlab-ci-local@4.75.1"
NODE = "node@24"
"""gitlab-ci-local needs Node 22; this npm package brings one for any machine with npm."""
GITLABCI_LOCAL = "gitlabci-local==13.2.0"

ROOT = Path(__file__).parents[1]


class Programs(NamedTuple):
    """The start of each command line; a peer that cannot be had is missing, with the reason."""

    homeport: tuple[str, ...]
    python: str
    gitlab_ci_local: tuple[str, ...] | None
    gitlabci_local: tuple[str, ...] | None
    missing: tuple[str, ...]


def cache_folder(env: Mapping[str, str] = os.environ) -> Path:
    base = env.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "homeport-benchmarks"


def install(folder: Path) -> Programs:
    """Install all programs into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    missing: list[str] = []
    python = _environment(folder / "homeport")
    _pip(python, "-c", str(ROOT / "constraints.txt"), str(ROOT))
    return Programs(
        homeport=(str(python.parent / "homeport"),),
        python=str(python),
        gitlab_ci_local=_try(_gitlab_ci_local, folder / "gitlab-ci-local", missing),
        gitlabci_local=_try(_gitlabci_local, folder / "gitlabci-local", missing),
        missing=tuple(missing),
    )


def _try(
    install: Callable[[Path], tuple[str, ...]], folder: Path, missing: list[str]
) -> tuple[str, ...] | None:
    try:
        return install(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        missing.append(f"{folder.name}: {error}")
        return None


def _gitlab_ci_local(folder: Path) -> tuple[str, ...]:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    package = folder / "node_modules" / "gitlab-ci-local"
    node = folder / "node_modules" / "node" / "bin" / "node"
    if not (package.exists() and node.exists()):
        folder.mkdir(exist_ok=True)
        words = (npm, "install", "--silent", "--no-fund", "--no-audit", f"--prefix={folder}")
        subprocess.run((*words, GITLAB_CI_LOCAL, NODE), check=True, stdout=sys.stderr)
    entry = json.loads((package / "package.json").read_text())["bin"]
    script = entry if isinstance(entry, str) else entry["gitlab-ci-local"]
    return str(node), str(package / script)


def _gitlabci_local(folder: Path) -> tuple[str, ...]:
    program = folder / "bin" / "gcil"
    if not program.exists():
        _pip(_environment(folder), GITLABCI_LOCAL)
    return (str(program),)


def _environment(folder: Path) -> Path:
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run((sys.executable, "-m", "venv", folder), check=True, stdout=sys.stderr)
    return python


def _pip(python: Path, *words: str) -> None:
    command = (
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *words,
    )
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
