"""A shell in a job's place on the user's terminal: before its script, or after that has failed."""

import re
import threading
from collections.abc import Callable

from homeport.pipeline.execute.api import Session, Stop
from homeport.pipeline.model.event import Event

_UNPLAIN = re.compile(r"[^A-Za-z0-9_.,:/ \[\]+-]")
_LONGEST = 40


class Interactive:
    """Opens shells, one at a time. `before` is whether in place of the script, else after one that
    failed. `say` tells the user where he is."""

    def __init__(self, say: Callable[[str], None], *, before: bool) -> None:
        self._say = say
        self.before = before
        self._terminal = threading.RLock()

    def open(self, job: str, session: Session, stop: Stop) -> int:
        """Let the user work until the shell ends; its exit status. No event is told meanwhile, so
        that nobody else writes on the terminal. May raise `ExecutorError`."""
        with self._terminal:
            if stop.reason is not None:
                return 0
            when = "before its script" if self.before else "after its script failed"
            self._say(f"a shell in the place of job {job}, {when}; exit ends it")
            # A shell expands what is in its prompt, and a name is whatever a repository says.
            name = _UNPLAIN.sub("?", job)[:_LONGEST]
            code = session.interact(f"{name}$ ", stop)
            self._say(f"the shell of job {job} has ended")
            return code

    def quietly(self, emit: Callable[[Event], None]) -> Callable[[Event], None]:
        """`emit`, which waits while a shell is open."""

        def tell(event: Event) -> None:
            with self._terminal:
                emit(event)

        return tell
