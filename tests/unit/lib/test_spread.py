import os
import subprocess
from pathlib import Path

from homeport.lib.spread import spread


def test_it_does_what_chattr_does_there(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    spread(os.fspath(ours))
    subprocess.run(["chattr", "+T", theirs], capture_output=True, check=False)
    assert _attributes(ours) == _attributes(theirs)


def test_no_folder_is_no_error(tmp_path: Path) -> None:
    spread(f"{tmp_path}/absent")


def _attributes(folder: Path) -> list[str]:
    done = subprocess.run(["lsattr", "-d", folder], capture_output=True, text=True, check=False)
    return done.stdout.split()[:1]
