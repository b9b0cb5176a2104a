"""Robot accounts: names for programs, with a secret that is shown once, and an end.

A file for each in `data/robots`, so that two commands never write the same one. A secret has 256
random bits: nobody guesses it from its SHA-256, so a slow hash would protect nothing, and a fast
one is checked without a thread.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from homeport.errors import UsageError
from homeport.mirror.auth.identity import ROBOT_PREFIX, Identity
from homeport.mirror.auth.private_file import create_private, private_folder, read_private
from homeport.mirror.model.principal import Proof

FOLDER = "robots"
MAX_ROBOTS = 10_000
_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_SECRET_PREFIX = "hpr_"  # noqa: S105 - lets scanners for leaked secrets know ours
_NOBODY = hashlib.sha256(secrets.token_bytes(32)).hexdigest()


class Robot(Struct, frozen=True, kw_only=True):
    """`name` is without `robot$`; `secret` the SHA-256 of it, in hex; times are seconds since
    1970, `expires` None never."""

    name: str
    secret: str
    groups: tuple[str, ...] = ()
    created: float
    expires: float | None = None
    description: str = ""

    def is_over(self, now: float) -> bool:
        return self.expires is not None and now >= self.expires

    @property
    def stamp(self) -> str:
        return hashlib.sha256(self.secret.encode()).hexdigest()[:16]

    @property
    def identity(self) -> Identity:
        return Identity(
            name=ROBOT_PREFIX + self.name,
            proof=Proof.ROBOT,
            groups=self.groups,
            until=self.expires,
            stamp=self.stamp,
        )


def add_robot(
    data: Path,
    name: str,
    *,
    groups: Sequence[str] = (),
    expires: float | None,
    now: float,
    description: str = "",
) -> str:
    """Create it and return its secret, which cannot be had again. `name` may come with or without
    `robot$`. Raises UsageError if the name is not one, or taken; OSError."""
    short = _short(name)
    if expires is not None and expires <= now:
        raise UsageError.of("the robot would be over before it begins", code="robot-expires")
    if any(not group or len(group) > 255 or not group.isprintable() for group in groups):
        raise UsageError.of("a group has 1 to 255 characters that can be seen", code="robot-group")
    secret = _SECRET_PREFIX + secrets.token_urlsafe(32)
    robot = Robot(
        name=short,
        secret=_digest(secret),
        groups=tuple(groups),
        created=now,
        expires=expires,
        description=description[:1000],
    )
    folder = private_folder(data, FOLDER)
    if not create_private(folder / f"{short}.json", msgspec.json.encode(robot)):
        raise UsageError.of(f"there is a robot {short!r} already", code="robot-exists")
    return secret


def remove_robot(data: Path, name: str) -> bool:
    """Whether there was one. A running mirror refuses it, and every token it holds, within two
    seconds."""
    try:
        (data / FOLDER / f"{_short(name)}.json").unlink()
    except FileNotFoundError:
        return False
    return True


def list_robots(data: Path) -> tuple[Robot, ...]:
    """By name, those that are over included. Raises UsageError for a broken file."""
    folder = data / FOLDER
    return tuple(read_robots(folder).values()) if folder.is_dir() else ()


def read_robots(folder: Path) -> Mapping[str, Robot]:
    """Keyed by name without `robot$`; raises UsageError, OSError."""
    robots: dict[str, Robot] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith(".") or len(robots) >= MAX_ROBOTS:
            continue
        try:
            robot = msgspec.json.decode(read_private(path), type=Robot)
        except FileNotFoundError:
            continue
        except msgspec.MsgspecError as error:
            raise UsageError.of(f"{path} is broken: {error}", code="robot-file") from None
        if robot.name == path.stem:
            robots[robot.name] = robot
    return robots


def verify_robot(
    robots: Mapping[str, Robot], user: str, secret: str, *, now: float
) -> Identity | None:
    """`user` is with `robot$`. Takes as long for one that does not exist."""
    robot = robots.get(user.removeprefix(ROBOT_PREFIX))
    right = hmac.compare_digest(_digest(secret), _NOBODY if robot is None else robot.secret)
    if robot is None or not right or robot.is_over(now):
        return None
    return robot.identity


def _short(name: str) -> str:
    short = name.removeprefix(ROBOT_PREFIX)
    if len(short) > 64 or _NAME.fullmatch(short) is None:
        raise UsageError.of(
            f"{short[:80]!r} is no robot's name: up to 64 small letters, digits, '.', '_' and '-'",
            code="robot-name",
        )
    return short


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
