"""What can go wrong, in words for people; `cli` maps it to its own errors and exit statuses."""

from typing import Optional


class EnrollError(Exception):
    """A failure with what to do about it. `place` is `file:line:column`, or empty."""

    def __init__(self, message: str, *, hint: str = "", place: str = "") -> None:
        self.message = message
        self.hint = hint
        self.place = place
        super().__init__(f"{place}: {message}" if place else message)


class BrokenFileError(EnrollError):
    """A configuration file that its engine would not accept: it is left untouched."""

    def __init__(self, path: str, line: int, column: int, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, place=f"{path}:{line}:{column}")


class ConflictError(EnrollError):
    """Somebody else has changed, or owns, what we would change."""


class UnreachableMirrorError(EnrollError):
    """The mirror does not answer as a mirror: nothing is changed."""


class EngineError(EnrollError):
    """An engine refused, or does not answer."""

    def __init__(self, message: str, *, hint: str = "", said: Optional[str] = None) -> None:
        self.said = said
        super().__init__(message, hint=hint)


class CannotPullError(EngineError):
    """This kind of engine pulls nothing by itself, so that nothing can be proven through it."""


class MachineError(EnrollError):
    """The machine does not let us: no permission, no room, a read-only file system."""
