"""Apache's htpasswd files, with bcrypt and nothing weaker (`htpasswd -B`)."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from homeport.errors import Problem, Span, UsageError
from homeport.mirror.auth.identity import name_fault

MAX_BYTES = 4 * 1024**2
MAX_COST = 15
"""2^15 rounds take some two seconds; more would let one login keep a core busy."""

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_DECOY = "$2b${:02}$" + "abcdefghijklmnopqrstuO" + "A" * 31
_SIGNIFICANT = 72
"""bcrypt looks at 72 bytes; the tools that write these files cut silently, so this must as well."""


class Users(Mapping[str, bytes]):
    """Names and hashes, and a decoy as costly as the costliest of them."""

    def __init__(self, hashes: Mapping[str, bytes]) -> None:
        self._hashes = dict(hashes)
        cost = max((int(found[4:6]) for found in self._hashes.values()), default=10)
        self._decoy = _DECOY.format(cost).encode()

    def __getitem__(self, name: str) -> bytes:
        return self._hashes[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._hashes)

    def __len__(self) -> int:
        return len(self._hashes)

    def verify(self, name: str, password: str) -> bool:
        """Blocking, up to seconds. Takes as long for a name that does not exist."""
        import bcrypt

        found = self._hashes.get(name)
        try:
            right = bcrypt.checkpw(password.encode()[:_SIGNIFICANT], found or self._decoy)
        except ValueError:
            return False
        return right and found is not None

    def stamp(self, name: str) -> str | None:
        """Changes with the password; None for a name that does not exist. Tells nothing: the salt
        is part of what is hashed, and it stays here."""
        found = self._hashes.get(name)
        return None if found is None else hashlib.sha256(found).hexdigest()[:16]


NO_USERS = Users({})


def read_htpasswd(path: Path) -> Users:
    """Raises UsageError with every bad line (never with its content), OSError."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UsageError.of(f"{path} is larger than {MAX_BYTES} bytes", code="htpasswd")
    users: dict[str, bytes] = {}
    problems: list[Problem] = []
    for number, raw in enumerate(content.split(b"\n"), 1):
        line = raw.decode("utf-8", "replace").strip()
        if not line or line.startswith("#"):
            continue
        name, _, hashed = line.partition(":")
        fault = name_fault(name) or _hash_fault(hashed)
        if fault is None and name in users:
            fault = f"there are two lines for {name!r}"
        if fault is not None:
            span = Span(str(path), number, 1)
            problems.append(Problem(message=fault, code="htpasswd", span=span))
        else:
            users[name] = hashed.encode()
    if problems:
        raise UsageError(problems)
    return Users(users)


def _hash_fault(hashed: str) -> str | None:
    found = _BCRYPT.fullmatch(hashed)
    if found is None:
        return "the password is not hashed with bcrypt; make the line with `htpasswd -B`"
    if not 4 <= int(found[1]) <= MAX_COST:
        return f"bcrypt's cost is 4 to {MAX_COST}, not {found[1]}"
    return None
