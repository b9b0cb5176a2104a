"""Questions to a person at the terminal, asked on stderr."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress

from homeport.cli.output import paint, printable, wants_colour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.pipeline.execute.api import Stop
    from homeport.pipeline.flow import Evaluation
    from homeport.pipeline.report.console import Console

_LOOK_SECONDS = 0.1
_LONGEST = 64 * 1024


def can_ask(args: argparse.Namespace) -> bool:
    """Whether somebody is there who may be asked: the terminal is ours, and nobody forbade it."""
    if getattr(args, "no_input", True) or getattr(args, "json", False):
        return False
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    with suppress(OSError):  # no controlling terminal: nobody could stop us for reading it
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    return True


def read_answer(question: str, stop: "Stop | None" = None, *, hidden: bool = False) -> str | None:
    """The line that follows the question; None at the end of input, or once a stop is requested.
    `hidden` does not show what is typed."""
    from select import select

    number = sys.stdin.fileno()
    with _unseen(number) if hidden else nullcontext():
        print(question, end="", file=sys.stderr, flush=True)
        while not select([number], [], [], _LOOK_SECONDS)[0]:
            if stop is not None and stop.reason is not None:
                print(file=sys.stderr)
                return None
        # Not by way of sys.stdin, which would keep the lines that follow to itself.
        line = os.read(number, _LONGEST)
    if not line or hidden:
        print(file=sys.stderr)
    return line.decode("utf-8", "replace").rstrip("\r\n") if line else None


@contextmanager
def _unseen(number: int) -> Iterator[None]:
    import termios

    before = termios.tcgetattr(number)
    unseen = [*before]
    unseen[3] &= ~termios.ECHO
    termios.tcsetattr(number, termios.TCSADRAIN, unseen)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


class ManualJobs:
    """Asks which manual jobs of an evaluated pipeline to start while a run goes on."""

    def __init__(self, evaluation: "Evaluation", report: "Console", stop: "Stop") -> None:
        self._confirmations = {
            job.name: job.job.manual_confirmation for job in evaluation.pipeline.jobs
        }
        self._report = report
        self._stop = stop

    def __call__(self, names: tuple[str, ...]) -> tuple[str, ...]:
        self._report.flush()
        _forget_what_was_typed()
        shown = ", ".join(map(printable, names))
        _say(f"The pipeline waits for manual jobs: {shown}")
        while True:
            answer = read_answer(
                "Start which (names or numbers; all; nothing ends the run)? ", self._stop
            )
            if answer is None or not answer.strip():
                return ()
            chosen = chosen_names(answer, names)
            if chosen is None:
                _say(f"there is no such manual job; they are {shown}")
                continue
            confirmed = tuple(name for name in chosen if self._confirm(name))
            if confirmed or self._stop.reason is not None:
                return confirmed

    def _confirm(self, name: str) -> bool:
        """Put the text of `manual_confirmation`, where the job has one."""
        text = self._confirmations.get(name)
        if text is None:
            return True
        answer = read_answer(f"{printable(name)}: {printable(text)} [y/N] ", self._stop)
        return answer is not None and answer.strip().lower() in ("y", "yes")


def chosen_names(answer: str, names: Sequence[str]) -> tuple[str, ...] | None:
    """The names that an answer means: one that may have spaces, a few with commas or spaces between
    them, their numbers, or all; None for an answer that means none."""
    answer = answer.strip()
    if answer in names:
        return (answer,)
    if answer == "all":
        return tuple(names)
    by_word = {str(number): name for number, name in enumerate(names, 1)}
    by_word |= {name: name for name in names}
    for separator in (",", None):
        words = [word.strip() for word in answer.split(separator) if word.strip()]
        if words and all(word in by_word for word in words):
            return tuple(dict.fromkeys(by_word[word] for word in words))
    return None


def _forget_what_was_typed() -> None:
    """An Enter from before the question is no answer to it."""
    import termios

    with suppress(OSError, termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _say(text: str) -> None:
    print(paint(text, "bold", on=wants_colour(sys.stderr)), file=sys.stderr)
