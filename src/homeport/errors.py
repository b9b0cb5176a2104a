"""What can go wrong, as values: problems with a place, and the one exception that carries them.

In: nothing. Out: `Problem`, `Span`, `HomeportError`. Used by every package; turned into words
only by `cli/main.py`.
"""

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Self

from msgspec import Struct


class ExitCode(IntEnum):
    """Exit statuses of every command (docs/reference/exit-status.md)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    ENVIRONMENT = 3
    DEFECT = 70
    INTERRUPTED = 130


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Span(Struct, frozen=True):
    """A place in a file: the path as the user knows it, line and column counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(Struct, frozen=True, kw_only=True):
    """One finding about the user's input.

    `code` is a stable kebab-case word for programs; `message` is GitLab's own wording where
    GitLab has one; `included_from` is the chain of `include:` entries that led to `span`,
    nearest first; `hint` says what to do.
    """

    message: str
    code: str = "invalid"
    severity: Severity = Severity.ERROR
    span: Span | None = None
    hint: str | None = None
    included_from: tuple[Span, ...] = ()

    def __str__(self) -> str:
        return f"{self.span}: {self.message}" if self.span else self.message


class HomeportError(Exception):
    """A failure with its problems and the exit status it leads to."""

    exit_code: ExitCode = ExitCode.USAGE

    def __init__(self, problems: Iterable[Problem], exit_code: ExitCode | None = None) -> None:
        self.problems = tuple(problems)
        if exit_code is not None:
            self.exit_code = exit_code
        super().__init__("; ".join(str(problem) for problem in self.problems))

    @classmethod
    def of(
        cls,
        message: str,
        *,
        code: str = "invalid",
        span: Span | None = None,
        hint: str | None = None,
    ) -> Self:
        """An error made of one problem."""
        return cls([Problem(message=message, code=code, span=span, hint=hint)])


class UsageError(HomeportError):
    """Wrong usage or a broken file: exit 2."""


class MissingError(HomeportError):
    """The environment lacks something: exit 3, with the remedy in the hint."""

    exit_code = ExitCode.ENVIRONMENT
