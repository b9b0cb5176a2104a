"""Jobs in a shell of this machine, each in a workspace of its own and a clean environment.

It stands for GitLab Runner's shell executor. A job runs with the user's rights and can reach
whatever the user can; what it is kept from is what it would not have on a runner: the user's
working tree, terminal, and environment (tokens, agents).
"""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from homeport.errors import HomeportError
from homeport.lib.git import Git
from homeport.lib.nameless import nameless_file
from homeport.lib.process import ProcessTree, all_pids, kill_marked
from homeport.pipeline.execute.api import (
    ExecutorError,
    Exit,
    JobSpec,
    Selection,
    Session,
    Sink,
    Snapshot,
    Stop,
    unheard,
)
from homeport.pipeline.execute.snapshot import git_environment
from homeport.pipeline.execute.workspace import lay_out, overlay, remove
from homeport.pipeline.model.event import FailureReason

if TYPE_CHECKING:
    from homeport.pipeline.execute.stored_tree import StoredTree

_KEPT = frozenset({"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TMPDIR"})
_PATH = "/usr/local/bin:/usr/bin:/bin"
MARK = "HOMEPORT_SESSION"
"""The variable by which all processes of a job are found: the folder of its session."""
_GRACE = 2.0


class ShellExecutor:
    """`execute.api.Executor` on this machine, for one run.

    `builds` is a folder of this run alone; `pass_env` names variables of `host_env` that jobs get
    beside the few that they always get; `shell` is a path or name, by default bash, else sh.
    """

    def __init__(
        self,
        builds: Path,
        *,
        host_env: Mapping[str, str],
        pass_env: Sequence[str] = (),
        shell: str | None = None,
    ) -> None:
        # Resolved, so that the job's `pwd` and its CI_PROJECT_DIR are the same text.
        self._builds = os.path.realpath(builds)
        self._env = clean_environment(host_env, pass_env)
        self._wanted = shell
        self._shell: str | None = None
        self._slots: dict[tuple[str, str, int], int] = {}
        self._lock = Lock()
        # Processes of before any job. Should one's number become a job's, `close` still finds that.
        self._others = frozenset(all_pids())

    def project_dir(self, run: str, job: str, attempt: int, project_path: str) -> str:
        with self._lock:
            # A number, because tools put sockets in here, whose paths must stay short.
            slot = self._slots.setdefault((run, job, attempt), len(self._slots))
        parts = [part for part in project_path.split("/") if part not in ("", ".", "..")]
        return f"{self._builds}/{slot}/{'/'.join(parts) or 'project'}"

    def open(
        self,
        spec: JobSpec,
        note: Callable[[str], None],
        stop: Stop | None = None,
        *,
        service_log: Callable[[str], None] = unheard,
        phase: Callable[[str], None] = unheard,
    ) -> Session:
        if spec.services:
            raise ExecutorError("services need a container engine, and this job runs in the shell")
        del note, stop, service_log, phase  # nothing here takes long enough to speak of
        if self._shell is None:
            self._shell = find_shell(self._wanted, self._env["PATH"])
        project = self.project_dir(spec.run, spec.job, spec.attempt, spec.project_path)
        slot = self._slots[spec.run, spec.job, spec.attempt]
        folder = f"{self._builds}/{slot}"
        env = {**self._env, **spec.env, **git_environment(spec.env, project), MARK: folder}
        return ShellSession(
            folder=folder,
            project=project,
            env=env,
            files=spec.files,
            shell=self._shell,
            others=self._others,
        )

    def close(self) -> None:
        if self._slots:
            kill_marked(f"{MARK}={self._builds}/")
        remove(self._builds)


class ShellSession:
    """`execute.api.Session`: a folder with the workspace, its temporary files and its script."""

    def __init__(
        self,
        *,
        folder: str,
        project: str,
        env: Mapping[str, str],
        files: Mapping[str, str],
        shell: str,
        others: frozenset[str],
    ) -> None:
        self._others = others
        self._folder = folder
        self._project = project
        self._env = env
        self._files = files
        self._shell = shell

    @property
    def project_dir(self) -> str:
        return self._project

    def put(self, snapshot: Snapshot, artifacts: Sequence[Path]) -> None:
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            for path in (self._project, f"{self._project}.tmp"):
                remove(path)  # of an earlier call
            lay_out(snapshot, self._project)
            for tree in artifacts:
                overlay(os.fspath(tree), self._project)
            if self._files:
                self._put_files()
        except OSError as error:
            raise ExecutorError(
                f"cannot lay out the workspace: {error.filename}: {error.strerror}"
            ) from error

    def run(self, script: str, sink: Sink, stop: Stop) -> Exit:
        if stop.reason is not None:
            return Exit(code=None, message=stop.reason)
        tree = self._start(script)
        unsubscribe = stop.subscribe(lambda: tree.kill() if stop.killed else tree.end())
        try:
            code = tree.read(sink)
        finally:
            unsubscribe()
        return _ended(code, stop)

    def interact(self, prompt: str, stop: Stop) -> int:
        from homeport.lib.terminal import run_here

        plain = ("--norc",) if self._shell.endswith("bash") else ()
        env = {**self._env, "PS1": prompt, "TERM": os.environ.get("TERM", "dumb")}
        try:
            return run_here(
                [self._shell, *plain, "-i"], cwd=self._project, env=env, started=stop.subscribe
            )
        except OSError as error:
            raise ExecutorError(self._in_words(error)) from error
        finally:
            self._end_strays()

    def collect(self, selection: Selection, into: "StoredTree") -> tuple[str, ...]:
        from homeport.pipeline.execute.artifacts import take_out

        untracked = self._untracked() if selection.untracked else ()
        return take_out(self._project, selection, into, untracked=untracked)

    def close(self) -> None:
        self._end_strays()
        remove(self._folder)

    def _end_strays(self) -> None:
        """What left its session and its output while nobody looked goes as well."""
        # With its end, as entries have one: another session's folder may begin like ours.
        kill_marked(f"{MARK}={self._env[MARK]}\0", but=self._others)

    def _start(self, script: str) -> ProcessTree:
        """The shell, reading the script from an open file without a name.

        So no process list shows it, nothing of the job can change it, and the shell reads it in
        blocks, which it does not from a pipe.
        """
        try:
            stdin = nameless_file(script.encode("utf-8", "surrogateescape"), self._folder)
        except OSError as error:
            raise ExecutorError(f"cannot write the script: {error.strerror}") from error
        try:
            return ProcessTree(
                [self._shell],
                cwd=self._project,
                env=self._env,
                stdin=stdin,
                mark=f"{MARK}={self._env[MARK]}",
                grace=_GRACE,
            )
        except ValueError as error:
            raise ExecutorError(f"the job's environment is impossible: {error}") from error
        except OSError as error:
            raise ExecutorError(self._in_words(error)) from error
        finally:
            os.close(stdin)

    def _in_words(self, error: OSError) -> str:
        if not os.path.isdir(self._project):
            return f"the project folder {self._project} is gone"
        if isinstance(error, FileNotFoundError):
            return f"the shell {self._shell} is not there"
        if error.errno == errno.E2BIG:
            return "the job's environment is too large for this system"
        return f"cannot start the shell {self._shell}: {error.strerror}"

    def _put_files(self) -> None:
        folder = f"{self._project}.tmp"
        os.mkdir(folder, 0o700)
        for name, content in self._files.items():
            path = f"{folder}/{name}"
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(file, "wb") as writer:
                writer.write(content.encode("utf-8", "surrogateescape"))

    def _untracked(self) -> tuple[str, ...]:
        git = f"{self._project}/.git"
        env = {"GIT_DIR": git, "GIT_WORK_TREE": self._project}
        try:
            listed = Git(self._project).run("ls-files", "-o", "-z", env=env, config=False)
        except HomeportError as error:
            raise ExecutorError(f"cannot list the untracked files: {error}") from error
        return tuple(os.fsdecode(listed).split("\0")[:-1])


def clean_environment(host: Mapping[str, str], pass_env: Sequence[str]) -> dict[str, str]:
    """What jobs see of the user's environment; there is always a PATH."""
    passed = {*_KEPT, *pass_env}
    kept = {name: value for name, value in host.items() if name in passed or name.startswith("LC_")}
    if not kept.get("PATH"):
        kept["PATH"] = _PATH
    return kept


def find_shell(wanted: str | None, path: str) -> str:
    """The absolute path of the shell; raises `ExecutorError` if there is none."""
    for name in (wanted,) if wanted else ("bash", "sh"):
        places = [name] if "/" in name else [f"{folder}/{name}" for folder in path.split(":")]
        for place in places:
            if place.startswith("/") and os.path.isfile(place) and os.access(place, os.X_OK):
                return place
    raise ExecutorError(
        f"the shell {wanted} is not there" if wanted else "neither bash nor sh is on the PATH"
    )


def _ended(code: int, stop: Stop) -> Exit:
    if stop.reason is not None:
        return Exit(code=None, message=stop.reason)
    return Exit(code=code, failure=FailureReason.SCRIPT_FAILURE if code else None)
