"""The variables by which a job says how its sources are got, read as GitLab Runner reads them.

Source: GitLab's "Configuring runners", "Configure runner behavior with variables", and the Runner's
common/build_settings.go. What has no meaning for a workspace that is new each time is not here:
`GIT_CLEAN_FLAGS`, `GIT_FETCH_EXTRA_FLAGS`, `GIT_CLONE_EXTRA_FLAGS`, `GET_SOURCES_ATTEMPTS`.
"""

from enum import StrEnum

from msgspec import Struct

from homeport.pipeline.execute.api import ExecutorError
from homeport.pipeline.execute.environment import Environment
from homeport.pipeline.execute.shallow import git_depth

_STRATEGIES = ("", "clone", "fetch", "none", "empty")


class SubmoduleStrategy(StrEnum):
    """`GIT_SUBMODULE_STRATEGY`: none, those of the project, or theirs as well."""

    NONE = "none"
    NORMAL = "normal"
    RECURSIVE = "recursive"


class GitVariables(Struct, frozen=True, kw_only=True):
    """`sources` is False for `GIT_STRATEGY` none and empty, `checkout` for `GIT_CHECKOUT` false.

    `submodule_paths` are pathspecs, none for all; a depth of 0 is the whole history. `https_host`
    is the host whose ssh addresses are asked by https. `warnings` are for people.
    """

    sources: bool
    checkout: bool
    depth: int
    submodules: SubmoduleStrategy
    submodule_paths: tuple[str, ...]
    submodule_depth: int
    https_host: str | None
    warnings: tuple[str, ...]


def git_variables(environment: Environment) -> GitVariables:
    """What the job wants. Raises `ExecutorError` for what the Runner refuses, too."""
    env = environment.env
    warnings: list[str] = []
    strategy = env.get("GIT_STRATEGY", "")
    if strategy not in _STRATEGIES:
        warnings.append(
            f"GIT_STRATEGY is {strategy}, which is none of clone, fetch, none, empty: "
            "the sources are got as usual"
        )
    sources = strategy not in ("none", "empty")
    depth = git_depth(env.get("GIT_DEPTH", ""))
    if "--remote" in env.get("GIT_SUBMODULE_UPDATE_FLAGS", "").split():
        warnings.append(
            "GIT_SUBMODULE_UPDATE_FLAGS has --remote, but submodules are at the commit of your "
            "checkout here, not at the tip of their remote branch"
        )
    return GitVariables(
        sources=sources,
        checkout=sources and not environment.is_off("GIT_CHECKOUT"),
        depth=depth,
        submodules=_submodules(env.get("GIT_SUBMODULE_STRATEGY", "")) if sources else _NONE,
        submodule_paths=_paths(env.get("GIT_SUBMODULE_PATHS", "")),
        submodule_depth=git_depth(env.get("GIT_SUBMODULE_DEPTH", ""), depth),
        https_host=env.get("CI_SERVER_HOST")
        if environment.is_on("GIT_SUBMODULE_FORCE_HTTPS")
        else None,
        warnings=tuple(warnings),
    )


def clone_path(environment: Environment) -> str | None:
    """`GIT_CLONE_PATH` relative to the folder of builds, which it must not leave; None if unset."""
    wanted = environment.env.get("GIT_CLONE_PATH", "")
    if not wanted:
        return None
    builds = environment.env["CI_BUILDS_DIR"]
    inside = wanted.removeprefix(f"{builds}/").strip("/")
    if not wanted.startswith(f"{builds}/") or not inside or ".." in inside.split("/"):
        raise ExecutorError(f"GIT_CLONE_PATH is {wanted}, which has to be within {builds}")
    return inside


_NONE = SubmoduleStrategy.NONE


def _submodules(text: str) -> SubmoduleStrategy:
    try:
        return SubmoduleStrategy(text or "none")
    except ValueError:
        raise ExecutorError(
            f"GIT_SUBMODULE_STRATEGY is {text}, which is none of none, normal, recursive"
        ) from None


def _paths(text: str) -> tuple[str, ...]:
    words = tuple(text.split())
    if ":(exclude)" in words:
        raise ExecutorError(f"GIT_SUBMODULE_PATHS is {text}: no space may follow :(exclude)")
    return words
