"""A machine for tests of enrolment: files below a temporary folder, and programs that answer as a
test has told them to."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from homeport.enroll.host import Host, Ran

Answer = Ran | str | Callable[[Sequence[str]], Ran]
"""What a program says; a text alone is its output, with status 0."""


class Machine:
    """`host` is what the code under test gets; `calls` are the programs that it has run.

    Paths are absolute, as on a real machine (`/etc/docker/daemon.json`); `HOME` is `/root`. Files
    belong to whoever runs the tests.
    """

    def __init__(
        self, root: Path, *, env: Mapping[str, str] | None = None, uid: int | None = None
    ) -> None:
        self.root = root
        self.calls: list[tuple[str, ...]] = []
        self._answers: dict[tuple[str, ...], Answer] = {}
        self.env = {"HOME": "/root", "PATH": "/usr/bin", **(env or {})}
        root.mkdir(parents=True, exist_ok=True)
        self.host = Host(
            root=str(root), env=self.env, run=self._run, uid=os.geteuid() if uid is None else uid
        )

    def answer(self, *command: str, says: Answer = "") -> None:
        """Answer commands that begin with these words; the longest beginning counts. A program
        about which nothing is said is not installed (127)."""
        self._answers[command] = says

    def _run(self, command: Sequence[str], limit: float) -> Ran:
        assert limit > 0
        words = tuple(command)
        self.calls.append(words)
        for count in range(len(words), 0, -1):
            found = self._answers.get(words[:count])
            if found is None:
                continue
            if isinstance(found, str):
                return Ran(0, found, "")
            return found if isinstance(found, Ran) else found(words)
        return Ran(127, "", f"{words[0]}: not found")

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def write(self, path: str, content: str | bytes, *, mode: int = 0o644) -> Path:
        """A file with its folders."""
        place = self.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)
        return place

    def text(self, path: str) -> str:
        return self.at(path).read_text()

    def files(self) -> dict[str, tuple[bytes, int, int, int]]:
        """Every file: content, mode, owner and group, by path. Folders are keys with a `/`."""
        found: dict[str, tuple[bytes, int, int, int]] = {}
        for place in sorted(self.root.rglob("*")):
            state = place.lstat()
            name = "/" + str(place.relative_to(self.root))
            content = b""
            if place.is_symlink():
                content = b"-> " + os.fsencode(place.readlink())
            elif place.is_dir():
                name += "/"
            else:
                content = place.read_bytes()
            found[name] = (content, state.st_mode, state.st_uid, state.st_gid)
        return found
