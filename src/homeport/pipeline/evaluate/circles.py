"""Variables that refer to each other in a circle, which pipeline creation refuses.

Source: GitLab's "Where variables can be used"; the message is that of pipeline creation.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from homeport.errors import Problem
from homeport.pipeline.model.config import Variable
from homeport.pipeline.model.document import span_of_value
from homeport.pipeline.model.pipeline import PipelineJob
from homeport.pipeline.model.plan import ScopedVariable
from homeport.pipeline.variables.expand import CycleError, has_reference, sort_variables
from homeport.pipeline.variables.scope import inherited


class Circles:
    """Looks for circles in the variables of jobs.

    Most jobs share their variables, or have none that refers to another: each distinct mapping is
    looked at once, and only variables that refer to something are followed.
    """

    def __init__(self, root: Mapping[str, Variable], given: Mapping[str, str]) -> None:
        """`root` are the global variables, `given` those from outside the file."""
        self._root = root
        self._given = [
            ScopedVariable(key=key, value=value)
            for key, value in given.items()
            if has_reference(value)
        ]
        self._known: dict[tuple[int, bool | tuple[str, ...]], str | None] = {}
        self._outer: dict[bool | tuple[str, ...], _Outer] = {}

    def find(self, jobs: Iterable[PipelineJob]) -> Iterator[Problem]:
        """A problem for each job whose variables cannot be expanded."""
        for job in jobs:
            key = (id(job.variables), job.job.inherit_variables)
            if key not in self._known:
                self._known[key] = self._look(job.variables, job.job.inherit_variables)
            found = self._known[key]
            if found is not None:
                yield Problem(
                    code="variable-cycle",
                    message=f"{job.name}: {found}",
                    span=span_of_value(job.job.raw, "variables") or job.job.span,
                )

    def _look(self, own: Mapping[str, Variable], inherit: bool | tuple[str, ...]) -> str | None:
        outer = self._outer.get(inherit)
        if outer is None:
            outer = self._outer[inherit] = self._outside(inherit)
        referring = _referring(own)
        if not outer.circular:
            # A circle passes through a variable of the job, which then is named somewhere.
            text = "\n".join((*(variable.value for variable in referring.values()), outer.text))
            if not any(name in text for name in referring):
                return None
        merged = {**outer.referring, **referring}
        hidden = own.keys() - referring.keys()
        return self._circle({key: item for key, item in merged.items() if key not in hidden})

    def _outside(self, inherit: bool | tuple[str, ...]) -> "_Outer":
        referring = _referring(inherited(self._root, inherit))
        values = [variable.value for variable in referring.values()]
        values += [variable.value for variable in self._given]
        return _Outer(referring, "\n".join(values), self._circle(referring) is not None)

    def _circle(self, referring: Mapping[str, Variable]) -> str | None:
        written = [
            ScopedVariable(key=key, value=variable.value) for key, variable in referring.items()
        ]
        try:
            sort_variables([*written, *self._given])
        except CycleError as error:
            return error.problems[0].message
        return None


class _Outer(Struct, frozen=True):
    """What a job inherits: the global variables that refer to others, all values from outside of
    the job in one text, and whether there is a circle in them."""

    referring: Mapping[str, Variable]
    text: str
    circular: bool


def _referring(variables: Mapping[str, Variable]) -> dict[str, Variable]:
    return {
        key: variable
        for key, variable in variables.items()
        if ("$" in variable.value or "%" in variable.value) and variable.expand
    }
