import stat
from pathlib import Path

import pytest

from homeport.lib.atomic import write_atomic


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("content", [b"", b"bytes \xff\x00", "text é"])
def test_the_content_arrives_and_nothing_else_is_left(
    tmp_path: Path, content: bytes | str, durable: bool
) -> None:
    target = tmp_path / "run.json"
    target.write_text("old")
    write_atomic(target, content, durable=durable)
    expected = content.encode() if isinstance(content, str) else content
    assert target.read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_content_and_no_other_file(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "kept").write_text("old")
    with pytest.raises(OSError, match="folder"):
        write_atomic(target, b"new")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "kept"]


def test_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "absent" / "file", b"")
