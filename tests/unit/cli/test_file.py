"""Which CI file `-f` names, wherever the command is run."""

import os
import subprocess
from pathlib import Path

import pytest

from homeport.cli.main import main

FILES = ("root.yml", "both.yml", "sub/both.yml", "sub/deep/below.yml")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for name in FILES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'"{name}": {{script: x}}\n')
    (tmp_path / "outside.yml").write_text("outside: {script: x}\n")
    (tmp_path / "link").symlink_to(root / "sub")
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize(
    ("folder", "args", "found"),
    [
        ("", ["-f", "root.yml"], "root.yml"),
        ("", ["-f", "./root.yml"], "root.yml"),
        ("", ["-f", "sub/both.yml"], "sub/both.yml"),
        ("", ["-f", "{root}/sub/both.yml"], "sub/both.yml"),
        ("sub", ["-f", "root.yml"], "root.yml"),
        ("sub", ["-f", "../root.yml"], "root.yml"),
        ("sub", ["-f", "both.yml"], "both.yml"),
        ("sub", ["-f", "./both.yml"], "sub/both.yml"),
        ("sub", ["-f", "deep/below.yml"], "sub/deep/below.yml"),
        ("sub/deep", ["-f", "below.yml"], "sub/deep/below.yml"),
        ("sub/deep", ["-f", "sub/both.yml"], "sub/both.yml"),
        ("..", ["-C", "link", "-f", "./both.yml"], "sub/both.yml"),
        ("..", ["-C", "repository/sub/deep", "-f", "below.yml"], "sub/deep/below.yml"),
        ("..", ["-C", "repository", "-f", "repository/root.yml"], None),
        ("", ["-f", "../outside.yml"], None),
        ("", ["-f", "{root}/../outside.yml"], None),
        ("sub", ["-f", "none.yml"], None),
    ],
)
def test_the_file_is_found(
    repository: Path,
    capsys: pytest.CaptureFixture[str],
    folder: str,
    args: list[str],
    found: str | None,
) -> None:
    os.chdir(folder or ".")
    status = main(["list", "--names", *(arg.format(root=repository) for arg in args)])
    out, err = capsys.readouterr()
    assert (status, out) == ((0, f"{found}\n") if found else (2, ""))
    assert ("-f FILE" in err) is (found is None)
