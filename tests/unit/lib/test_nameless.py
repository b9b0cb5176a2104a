import errno
import os
from pathlib import Path

import pytest

from homeport.lib.nameless import _in_memory, _unlinked, nameless_file

TEXT = b"echo one\n" * 20_000


def test_it_is_read_from_the_start(tmp_path: Path) -> None:
    for file in (nameless_file(TEXT, str(tmp_path)), _unlinked(TEXT, f"{tmp_path}/script")):
        with os.fdopen(file, "rb") as reader:
            assert reader.read() == TEXT
    assert list(tmp_path.iterdir()) == []


def test_nobody_can_change_it(tmp_path: Path) -> None:
    for file in (_in_memory(TEXT), _unlinked(TEXT, f"{tmp_path}/script")):
        with pytest.raises(OSError, match=r"."):
            os.write(file, b"exit 1\n")
        with pytest.raises(OSError, match=r"."):
            os.truncate(file, 0)
        assert os.fstat(file).st_size == len(TEXT)
        os.close(file)


def test_nor_by_opening_it_again() -> None:
    file = _in_memory(TEXT)
    with pytest.raises(OSError) as refused:  # noqa: PT011
        os.write(os.open(f"/proc/self/fd/{file}", os.O_WRONLY), b"exit 1\n")
    assert refused.value.errno == errno.EPERM
    os.close(file)
