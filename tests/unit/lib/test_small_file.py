"""Small files, and what is none."""

import os
from pathlib import Path

import pytest

from homeport.errors import UsageError
from homeport.lib.small_file import read_small


def test_what_is_read_and_what_is_none(tmp_path: Path) -> None:
    file, link, pipe = (tmp_path / name for name in ("file", "link", "pipe"))
    file.write_bytes(b"12345")
    link.symlink_to(file)
    os.mkfifo(pipe)
    assert read_small(str(file), inside=True, most=5) == b"12345"
    assert read_small(str(link), inside=False, most=5) == b"12345"
    assert read_small(str(link), inside=True, most=5) is None
    for path in (str(pipe), str(tmp_path), str(tmp_path / "none"), "a\0b"):
        assert read_small(path, inside=False, most=5) is None
    with pytest.raises(UsageError, match="larger than 4 bytes"):
        read_small(str(file), inside=True, most=4)
