"""What homeport does with a keyword: the value that each keyword's file declares as `STATUS`.

In: nothing. Out: `Keyword`; `tools/keywords.py` makes docs/reference/keywords.md of them all, and
a test holds every keyword that GitLab knows to having one.
"""

from typing import Final, Literal

from msgspec import Struct

Run = Literal["", "yes", "partly", "no effect", "not run"]
"""At run time: nothing to do, honoured, in part (the note says which), without effect on a local
run, or the job that has it is listed but not run, with the reason."""

YES: Final = "yes"
PARTLY: Final = "partly"
NO_EFFECT: Final = "no effect"
NOT_RUN: Final = "not run"


class Keyword(Struct, frozen=True, kw_only=True):
    """One keyword or, in `parts`, one of its sub-keywords (named without the keyword itself).

    `parsed`: checked in GitLab's words. `evaluated`: it decides which jobs there are, or what is in
    them. `cases` are folders of tests/behaviour that show it in a run. The keyword's own table of
    accepted and refused values is tests/unit/pipeline/config/keyword/test_<file>.py.
    """

    name: str
    parsed: bool = True
    evaluated: bool = False
    run: Run = ""
    note: str = ""
    parts: tuple["Keyword", ...] = ()
    cases: tuple[str, ...] = ()

    @property
    def does_something(self) -> bool:
        """Whether anything at all is said of the keyword."""
        return self.parsed or self.evaluated or self.run != ""
