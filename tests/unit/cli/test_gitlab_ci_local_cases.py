"""What `homeport gitlab-ci-local` prints, against what gitlab-ci-local 4.75.0 printed.

Each folder of gitlab_ci_local/ is a repository: `args` is the command line, `env` the environment,
`.home` the home folder, and `expected.txt` what the real tool printed to its standard output and
its exit status, recorded with the same preparation and passed through `comparable`.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from homeport.cli.main import main

CASES = Path(__file__).with_name("gitlab_ci_local")
NAMES = sorted(path.name for path in CASES.iterdir() if (path / "args").exists())


def prepare(case: Path, root: Path) -> tuple[list[str], dict[str, str]]:
    """The repository of a case at `root`; its arguments and environment."""
    shutil.copytree(case, root, symlinks=True)
    args = shlex.split((root / "args").read_text())
    env = {"HOME": str(root.parent / "home")}
    if (root / "env").exists():
        env |= dict(line.split("=", 1) for line in (root / "env").read_text().splitlines())
    (root.parent / "home").mkdir()
    if (root / ".home").exists():
        shutil.copytree(root / ".home", root.parent / "home", dirs_exist_ok=True)
        shutil.rmtree(root / ".home")
    for name in ("args", "env", "expected.txt"):
        (root / name).unlink(missing_ok=True)
    git = ("git", "-C", str(root), "-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    remote = "git@gitlab.example.com:team/app.git"
    subprocess.run([*git, "remote", "add", "origin", remote], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    return args, env


def comparable(output: str, status: int) -> str:
    """Without times, without the steps between that each tool has its own of, and without what the
    real tool prints on stderr instead."""
    lines = []
    for line in output.splitlines():
        if re.search(r" (exported|imported|copied) (artifacts|to cwd)", line):
            continue
        if re.search(r" finished in \S+( m?s)?  (FAIL|WARN)", line):
            continue
        lines.append(re.sub(r" finished in .*", " finished in TIME", line).rstrip())
    return "\n".join([*lines, f"status {status}"]) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_the_output_is_that_of_the_real_tool(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    args, env = prepare(CASES / name, tmp_path / "app")
    for key in [*os.environ]:
        if key.startswith(("GCL_", "HOMEPORT_", "XDG_")):
            monkeypatch.delenv(key)
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(tmp_path / "app")
    status = main(["gitlab-ci-local", *args])
    output, errors = capfd.readouterr()
    found = comparable(output, status)
    expected = (CASES / name / "expected.txt").read_text()
    if name == "preview":
        body, _, end = found.rpartition("status ")
        wanted, _, wanted_end = expected.rpartition("status ")
        assert yaml.safe_load(body) == yaml.safe_load(wanted)
        assert end == wanted_end
    else:
        assert found == expected, errors
