"""Secrets from files of the user's."""

from pathlib import Path

import pytest

from homeport.pipeline.execute.api import ExecutorError
from homeport.pipeline.execute.given_files import read_secrets
from homeport.pipeline.model.plan import SecretFile


def test_a_file_is_copied_and_a_value_has_no_line_end(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("$one\ntwo\n")
    asked = {
        "FILE": SecretFile(path=str(path)),
        "VALUE": SecretFile(path=str(path), file=False),
    }
    found = {variable.key: variable for variable in read_secrets(asked)}
    assert (found["FILE"].value, found["FILE"].file) == ("$one\ntwo\n", True)
    assert (found["VALUE"].value, found["VALUE"].file) == ("$one\ntwo", False)
    assert all(variable.masked and variable.raw for variable in found.values())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"", "it is empty"),
        (b"\xff\xfe", "it is no text"),
        (b"a\0b", "it is no text"),
        (b"s3cr3t" * 200_000, "it is larger"),
    ],
)
def test_a_file_that_is_none_is_named_not_quoted(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ExecutorError, match=f"the secret KEY is to be in .*key: {reason}"
    ) as raised:
        read_secrets({"KEY": SecretFile(path=str(path))})
    assert "s3cr3t" not in str(raised.value)
