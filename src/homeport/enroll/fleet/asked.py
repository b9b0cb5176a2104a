"""What is asked of a fleet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

COMMANDS = ("plan", "apply", "verify", "undo", "status")
CHANGING = ("apply", "undo")
"""These go in waves, and stop where a host fails."""


@dataclass(frozen=True)
class Asked:
    """`question` is that of `homeport.enroll.__main__`. `inventories` are paths, or lists of hosts
    that end with a comma, as ansible takes them. `wave` is a number of hosts or `N%`; `limit` one
    of ansible's patterns. `seconds` is how long one host may take for its part."""

    command: str
    inventories: tuple[str, ...]
    question: Mapping[str, Any] = field(default_factory=dict)
    limit: Optional[str] = None
    forks: int = 5
    wave: Optional[str] = None
    become: bool = False
    become_password: Optional[str] = None
    keep_going: bool = False
    seconds: int = 600

    @property
    def stops(self) -> bool:
        """Whether a host that fails keeps the waves after its own from being begun."""
        return self.command in CHANGING and not self.keep_going
