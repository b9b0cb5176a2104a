"""What the HTTP side calls: `flow.Flow`, or a scripted stand-in in tests."""

from typing import Protocol

from homeport.mirror.model.exchange import Reply, Request


class Handler(Protocol):
    async def handle(self, request: Request) -> Reply:
        """The answer. May be cancelled for GET and HEAD, where the client went away."""

    def finish(self, request: Request, reply: Reply, *, sent: int, complete: bool) -> None:
        """Called exactly once for every request that `handle` was called with: `sent` bytes of the
        body went out, `complete` says that nothing is missing."""


class ClientGoneError(ConnectionResetError):
    """Nobody hears the answer any more."""

    def __init__(self) -> None:
        super().__init__("the client is gone")
