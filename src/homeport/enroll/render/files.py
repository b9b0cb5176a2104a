"""What rendering gives: files by their names, in order."""

from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True)
class Made:
    """`name` is relative, with `/`; `note` says what is done with it."""

    name: str
    content: Union[str, bytes]
    note: str = ""
    executable: bool = False


CA = "homeport-ca.crt"
