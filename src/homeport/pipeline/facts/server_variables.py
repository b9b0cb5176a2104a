"""The CI/CD variables of the project and its groups, as the GitLab server keeps them.

Only when the user asks: `--remote-variables`, or `variables_from` in the user's own settings. What
is read stays in memory. Sources: GitLab's "CI/CD variable precedence" (project, then the nearest
group first) and "Protect a CI/CD variable".
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from homeport.errors import HomeportError, MissingError, Problem, Severity
from homeport.gitlab.api import GitLab, ServerVariable, api_address
from homeport.gitlab.fetch import Fetcher
from homeport.pipeline.model.trigger import GivenVariable, Level, Trigger
from homeport.settings.model import Settings

_MAX_GROUPS = Level.PROJECT - Level.GROUP - 1


class ServerVariables(Struct, frozen=True, kw_only=True):
    """What the server gave; `masked` names the secret ones, `problems` are notes about the rest."""

    variables: tuple[GivenVariable, ...] = ()
    masked: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()


def read_server_variables(
    trigger: Trigger, settings: Settings, env: Mapping[str, str]
) -> ServerVariables:
    """The variables that a pipeline of this trigger would have.

    Raises `MissingError` when there is no server, or it does not tell the project's variables. The
    variables of a group that the user may not read are left out, with a note.
    """
    project = trigger.project
    if project is None or project.host.endswith(".invalid"):
        raise MissingError.of(
            "this repository has no remote on a server whose variables could be read",
            code="no-server",
            hint="leave out --remote-variables (variables_from in your settings)",
        )
    fetcher = Fetcher(hosts=settings.hosts, ca=settings.ca, env=env)
    base = api_address(project.host, settings.hosts, scheme=project.protocol)
    server = GitLab(base, fetcher)
    found = _Found(server, project.path, trigger)
    own = server.project_variables(project.path)
    for level, group in enumerate(_groups(server, project.path), start=Level.GROUP):
        found.add_group(group, level)
    found.add(own, Level.PROJECT)
    return found.result()


def _groups(server: GitLab, project: str) -> tuple[str, ...]:
    """The paths of the groups that hold the project, the outermost first; none for a user's."""
    namespace = server.namespace(project)
    if namespace is None:
        return ()
    parts = namespace.split("/")
    return tuple("/".join(parts[: count + 1]) for count in range(len(parts)))[:_MAX_GROUPS]


class _Found:
    def __init__(self, server: GitLab, project: str, trigger: Trigger) -> None:
        self._server = server
        self._project = project
        self._trigger = trigger
        self._protected: bool | None = None
        self._withheld: list[str] = []
        self._hidden: list[str] = []
        self._variables: list[GivenVariable] = []
        self._masked: set[str] = set()
        self._notes: list[Problem] = []

    def add_group(self, group: str, level: int) -> None:
        try:
            variables = self._server.group_variables(group)
        except HomeportError as error:
            if all(problem.code != "refused" for problem in error.problems):
                raise
            self._note(f"left out: {error}", "an owner of the group may read its variables")
            return
        self.add(variables, level)

    def add(self, variables: tuple[ServerVariable, ...], level: int) -> None:
        for variable in variables:
            if variable.masked:
                self._masked.add(variable.key)
            if variable.value is None:
                self._hidden.append(variable.key)
            elif variable.protected and not self._is_protected():
                self._withheld.append(variable.key)
            else:
                self._variables.append(
                    GivenVariable(
                        key=variable.key,
                        value=variable.value,
                        expand=not variable.raw,
                        file=variable.file,
                        scope=variable.scope,
                        level=level,
                    )
                )

    def result(self) -> ServerVariables:
        if self._withheld:
            self._note(
                f"{_words(self._withheld)} left out: protected, and "
                f"{self._trigger.ref or 'this commit'} is not protected on the server"
            )
        if self._hidden:
            self._note(
                f"{_words(self._hidden)} left out: hidden, so the server tells nobody the value",
                "give it with --variable, or in your own settings",
            )
        return ServerVariables(
            variables=tuple(self._variables),
            masked=frozenset(self._masked),
            problems=tuple(self._notes),
        )

    def _is_protected(self) -> bool:
        if self._protected is None:
            self._protected = any(
                self._server.is_protected(self._project, kind, name)
                for kind, name in _refs(self._trigger)
            )
        return self._protected

    def _note(self, message: str, hint: str | None = None) -> None:
        self._notes.append(
            Problem(code="server-variables", severity=Severity.NOTE, message=message, hint=hint)
        )


def _refs(trigger: Trigger) -> Iterator[tuple[str, str]]:
    if trigger.tag is not None:
        yield "tags", trigger.tag
    elif trigger.branch is not None:
        yield "branches", trigger.branch


def _words(names: list[str]) -> str:
    unique = sorted(set(names))
    return f"variable{'s' if len(unique) > 1 else ''} {', '.join(unique)}"
