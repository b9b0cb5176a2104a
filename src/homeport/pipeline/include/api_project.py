"""A project over the API of its GitLab server."""

from homeport.errors import MissingError
from homeport.gitlab.api import GitLab
from homeport.pipeline.include.api import DeadHostError, UnreachedError

_HOST_CODES = frozenset(("certificate", "proxy", "timeout", "unreachable", "not-gitlab", "token"))


class ApiProject:
    """A `ProjectReader` for the project at `path` on `server`; `size` bounds a file."""

    def __init__(self, server: GitLab, path: str, *, size: int) -> None:
        self._server = server
        self._path = path
        self._size = size

    def resolve(self, ref: str) -> str | None:
        try:
            return self._server.commit(self._path, ref)
        except MissingError as error:
            if _is_absent(error):
                return None
            raise unreached(error, self._server.url.authority) from None

    def read(self, commit: str, path: str) -> bytes | None:
        try:
            return self._server.raw_file(self._path, path, commit, limit=self._size)
        except MissingError as error:
            if _is_absent(error):
                return None
            if error.problems[0].code == "too-large":
                return b" " * (self._size + 1)
            raise unreached(error, self._server.url.authority) from None

    def paths(self, commit: str) -> tuple[str, ...]:
        try:
            return self._server.tree(self._path, commit)
        except MissingError as error:
            raise unreached(error, self._server.url.authority) from None

    def versions(self) -> dict[str, str]:
        """The released tags; all tags of a project without releases."""
        try:
            tags = {tag.name: tag.sha for tag in self._server.tags(self._path)}
            released = self._server.releases(self._path)
        except MissingError as error:
            raise unreached(error, self._server.url.authority) from None
        return {name: tags[name] for name in released if name in tags} or tags


def unreached(error: MissingError, host: str = "") -> UnreachedError:
    """A failure of the client as the reason for which an include is missing; `host` is what stands
    for the address, where the failure is that of its whole host."""
    problem = error.problems[0]
    reason = problem.message
    if host and problem.code in _HOST_CODES:
        _, words, rest = reason.partition(" cannot be read")
        reason = f"{host} cannot be reached{rest}" if words else reason
    if problem.hint:
        reason += f"; {problem.hint}"
    return DeadHostError(reason) if problem.code in _HOST_CODES else UnreachedError(reason)


def _is_absent(error: MissingError) -> bool:
    """Whether the project is there, and what was asked for is not."""
    message = error.problems[0].message
    return "(status 404)" in message and "404 Project Not Found" not in message
