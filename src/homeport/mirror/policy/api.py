"""The gate as `flow` and `pull` see it."""

from typing import Protocol

from homeport.mirror.model.principal import Access, Decision


class Policy(Protocol):
    """Pure: no clock, no I/O."""

    def decide(self, access: Access) -> Decision: ...
