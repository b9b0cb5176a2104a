"""The executors of one run, made from the settings; the engine is found before anything runs."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from homeport.errors import MissingError
from homeport.pipeline.execute.api import Executor
from homeport.pipeline.execute.shell import ShellExecutor
from homeport.pipeline.execute.state import bury, live_runs
from homeport.pipeline.model.plan import JobPlan, Plan, Runs
from homeport.settings.model import Settings, ShellChoice

if TYPE_CHECKING:
    from homeport.engine.api import Engine
    from homeport.pipeline.execute.container_access import HostAccess


class Executors:
    """Gives each job of a plan its executor. To be closed, best by `with`."""

    def __init__(self, engine: "Engine | None", settings: Settings, env: Mapping[str, str]) -> None:
        self._engine = engine
        self._settings = settings
        self._env = env
        self._made: dict[Runs, Executor] = {}
        self._builds: Path | None = None
        self._lock = Lock()

    def prepare(self, builds: Path) -> None:
        """Make the executors; `builds` is the run's folder for workspaces on this machine.

        Containers of runs of the same state that were killed are removed.
        """
        self._builds = builds
        shell = self._settings.shell
        self._made[Runs.SHELL] = ShellExecutor(
            builds,
            host_env=self._env,
            pass_env=(*self._settings.pass_env, *self._agent_variable()),
            shell=None if shell is ShellChoice.AUTO else shell.value,
        )
        self._add_containers(builds)

    def require(self, plan: Plan) -> None:
        """Find the engine, unless it is there, for a plan that came during the run. Raises what
        `find_engine` does."""
        with self._lock:
            if self._engine is None and self._builds is not None:
                self._engine = find_engine(plan, self._settings, self._env)
                self._add_containers(self._builds)

    def _add_containers(self, builds: Path) -> None:
        if self._engine is not None:
            from homeport.pipeline.execute.container import ContainerExecutor
            from homeport.pipeline.execute.container_layers import Layers
            from homeport.pipeline.plan.registry_prefix import prefixes_of

            state = builds.parents[1]
            containers = ContainerExecutor(
                self._engine,
                self._access(),
                state=f"{os.uname().nodename}:{state}",
                env=self._env,
                prefixes=prefixes_of(self._settings),
                layers=Layers(builds / ".layers"),
            )
            containers.remove_orphans(lambda: live_runs(state))
            self._made[Runs.CONTAINER] = containers

    def _access(self) -> "HostAccess":
        from homeport.engine.options import ContainerOptions
        from homeport.pipeline.execute.container_access import HostAccess

        granted = self._settings.container
        names = ContainerOptions.__struct_fields__
        return HostAccess(
            options=ContainerOptions(**{name: getattr(granted, name) for name in names}),
            networks=granted.networks,
            certificates=_certificates(granted.ca_file) if granted.ca_file else "",
            ssh_agent=self._ssh_agent() if granted.ssh_agent else None,
        )

    def _agent_variable(self) -> tuple[str, ...]:
        if not self._settings.container.ssh_agent:
            return ()
        self._ssh_agent()
        return ("SSH_AUTH_SOCK",)

    def _ssh_agent(self) -> str:
        """The socket of the user's agent; `MissingError` without one: jobs were promised it."""
        path = self._env.get("SSH_AUTH_SOCK", "")
        if not path.startswith("/") or ":" in path or not Path(path).exists():
            raise MissingError.of(
                "jobs shall have your SSH agent (container.ssh_agent), but there is none"
                + (f" at {path}" if path else ": SSH_AUTH_SOCK is not set"),
                code="ssh-agent",
                hint="start one (ssh-agent, ssh-add), or run without it",
            )
        return path

    def bury(self, state: Path, run: str) -> None:
        """End and remove what a run of this user left that was killed, of whatever repository."""
        if self._engine is not None:
            from homeport.engine.api import EngineError
            from homeport.pipeline.execute.container import (
                RUN_LABEL,
                STATE_LABEL,
                remove_labelled,
            )

            labels = {STATE_LABEL: f"{os.uname().nodename}:{state}", RUN_LABEL: run}
            with suppress(EngineError):  # whatever is wrong with it, the next job will tell
                remove_labelled(self._engine, labels)
        bury(state, run)

    def of(self, job: JobPlan) -> Executor:
        return self._made[job.runs]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for executor in self._made.values():
            executor.close()
        if self._engine is not None:
            self._engine.close()


def _certificates(path: str) -> str:
    """The text of `container.ca_file`; `MissingError` for what holds no certificate."""
    try:
        text = Path(path).read_text("ascii", "replace")
        reason = "it holds no PEM certificate"
    except OSError as error:
        text, reason = "", str(error.strerror)
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise MissingError.of(
            f"container.ca_file is {path}: {reason}",
            code="ca-file",
            hint="name a file of certificates that containers shall trust",
        )
    return text


def find_engine(plan: Plan, settings: Settings, env: Mapping[str, str]) -> "Engine | None":
    """The engine that the plan's jobs need, None if none does. Raises `EngineError` naming the
    jobs and the places that were tried: a container job is never run on the host instead."""
    jobs = [job.name for job in plan.jobs if job.runs is Runs.CONTAINER]
    if not jobs:
        return None
    from homeport.engine.api import EngineError
    from homeport.engine.detect import Unavailable, detect

    found = detect(env, settings.engine)
    if not isinstance(found, Unavailable):
        return found
    problem = found.error().problems[0]
    named = ", ".join(jobs[:5]) + (f" and {len(jobs) - 5} more" if len(jobs) > 5 else "")
    raise EngineError.of(
        f"{problem.message}\n  needed by: {named}",
        code=problem.code,
        hint=f"{problem.hint}; or, knowing what it means, run them on this machine's own shell "
        "with --executor shell",
    )
