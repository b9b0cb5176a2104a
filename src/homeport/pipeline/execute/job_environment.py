"""The variables of a job's attempt: of its plan, of the jobs before it, and of its place."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from homeport.pipeline.execute.environment import Environment, compose_environment
from homeport.pipeline.execute.git_variables import clone_path
from homeport.pipeline.model.plan import JobPlan, ScopedVariable


def job_environment(
    job: JobPlan,
    dotenv: Mapping[str, str],
    project_path: str,
    project_dir: Callable[[str], str],
    *,
    started_at: str,
    key_folder: Path | None,
) -> Environment:
    """All of them; `project_dir` gives the place of a path below the folder of builds, which is
    `project_path` unless the job has a `GIT_CLONE_PATH`."""
    overrides = (*job.overrides, *_secrets(job))

    def compose_at(path: str) -> "partial[Environment]":
        place = project_dir(path)
        return partial(
            compose_environment,
            job.variables,
            dotenv=dotenv,
            overrides=overrides,
            project_dir=place,
            builds_dir=place.removesuffix(f"/{path}"),
            started_at=started_at,
        )

    compose = compose_at(project_path)
    environment = compose()
    path = clone_path(environment)
    if path is not None:
        compose = compose_at(path)
        environment = compose()
    if not job.id_tokens or key_folder is None:
        return environment
    from homeport.pipeline.execute.id_tokens import issue_tokens

    return compose(tokens=issue_tokens(job, environment.expand, key_folder))


def _secrets(job: JobPlan) -> tuple[ScopedVariable, ...]:
    if not job.secrets:
        return ()
    from homeport.pipeline.execute.given_files import read_secrets

    return read_secrets(job.secrets)
