"""Every file of `bad/` is refused with the text beside it: all faults, in order, with places."""

import tomllib
from pathlib import Path

import pytest

from homeport.errors import UsageError
from homeport.mirror.config.load import load_config

FOLDER = Path(__file__).parent / "bad"
FILES = sorted(FOLDER.glob("*.toml"))
ENV = {"HOME": "/home/ann", "PATH": "/nonexistent"}


def told(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_config(path, ENV)
    lines = []
    for problem in caught.value.problems:
        lines.append(str(problem))
        if problem.hint is not None:
            lines.append(f"  {problem.hint}")
    return "\n".join(lines).replace(f"{FOLDER}/", "") + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bad_file_is_refused(path: Path) -> None:
    assert told(path) == path.with_suffix(".txt").read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_message_shows_a_password(path: Path) -> None:
    text = told(path)
    assert "secret" not in text
    assert "hunter2" not in text


def test_there_is_no_text_without_a_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == {path.stem for path in FILES}


def test_the_files_are_toml_but_for_one() -> None:
    broken = []
    for path in FILES:
        try:
            tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError:
            broken.append(path.stem)
    assert broken == ["syntax"]
