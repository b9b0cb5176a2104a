"""The variables that a trigger job hands on to the pipeline that it makes.

Source: GitLab's `Variables::Downstream::Generator` and "Pass CI/CD variables to a downstream
pipeline".
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from homeport.pipeline.model.plan import ScopedVariable, TriggerPlan
from homeport.pipeline.model.trigger import GivenVariable, Level
from homeport.pipeline.variables.expand import expand, expand_all, references


def forwarded_variables(
    trigger: TriggerPlan,
    *,
    job: Sequence[ScopedVariable],
    dotenv: Mapping[str, str],
    pipeline: Sequence[GivenVariable],
) -> tuple[GivenVariable, ...]:
    """The variables of the new pipeline, a later one over an earlier of the same name.

    `job` are all variables of the trigger job, `dotenv` those of reports that it has, `pipeline`
    those that its own pipeline was given. A value is expanded with the job's variables, where an
    unknown one is empty, unless it is raw. Raises `ExpansionError` for a cycle.
    """
    known = known_variables(job, dotenv)
    found: dict[str, GivenVariable] = {}
    if trigger.forward.get("yaml_variables", True):
        _add(found, trigger.variables, known)
    if trigger.forward.get("pipeline_variables", False):
        _add(found, (ScopedVariable(key=key, value=value) for key, value in dotenv.items()), known)
        _add(found, map(_as_scoped, pipeline), known)
    return tuple(found.values())


def divide(
    variables: Iterable[GivenVariable], named: Container[str]
) -> tuple[tuple[GivenVariable, ...], tuple[GivenVariable, ...]]:
    """What a project has anyway, and what only one pipeline was given: on the command line (those
    are `named`), or by the trigger job that made it."""
    own, pipeline = [], []
    for variable in variables:
        on_command_line = variable.level == Level.PIPELINE and variable.key in named
        if on_command_line or variable.level == Level.FORWARDED:
            pipeline.append(variable)
        else:
            own.append(variable)
    return tuple(own), tuple(pipeline)


def known_variables(
    job: Sequence[ScopedVariable], dotenv: Mapping[str, str]
) -> dict[str, ScopedVariable]:
    """All that a trigger job knows, expanded."""
    layers = {variable.key: variable for variable in job}
    layers.update((key, ScopedVariable(key=key, value=value)) for key, value in dotenv.items())
    return {
        variable.key: variable
        for variable in expand_all(
            tuple(layers.values()),
            keep_undefined=True,
            expand_file_refs=False,
            expand_raw_refs=False,
        )
    }


def _add(
    found: dict[str, GivenVariable],
    variables: Iterable[ScopedVariable],
    known: Mapping[str, ScopedVariable],
) -> None:
    for variable in variables:
        for given in _forward(variable, known):
            found[given.key] = given


def _forward(
    variable: ScopedVariable, known: Mapping[str, ScopedVariable]
) -> Iterator[GivenVariable]:
    """The variable, and the file variables that it refers to: those stay references."""
    if variable.raw or variable.file:
        yield _given(variable, variable.value, expand=not variable.raw)
        return
    files = {key for key, other in known.items() if other.file}
    lookup = {key: other.value for key, other in known.items()}
    yield _given(variable, expand(variable.value, lookup, kept=files))
    for name in references(variable.value):
        if name in files:
            yield _given(known[name], known[name].value)


def _given(variable: ScopedVariable, value: str, *, expand: bool = True) -> GivenVariable:
    return GivenVariable(
        key=variable.key,
        value=value,
        expand=expand,
        file=variable.file,
        level=Level.FORWARDED,
    )


def _as_scoped(variable: GivenVariable) -> ScopedVariable:
    return ScopedVariable(
        key=variable.key, value=variable.value, raw=not variable.expand, file=variable.file
    )
