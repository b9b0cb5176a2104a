"""git as a process that runs nothing of the repository it looks at.

A repository is untrusted: its own configuration may name commands for hooks, file system monitors,
filters, diff drivers, pagers, transports and credentials. Every call here switches them off.
"""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import IO

from msgspec import structs

from homeport.errors import ExitCode, HomeportError, MissingError

_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.pager=cat",
    "core.quotePath=false",
    "core.alternateRefsCommand=true",
    "diff.external=",
    "log.showSignature=false",
    "protocol.ext.allow=never",
)
_SAFE_ENV = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "SSH_ASKPASS": "/bin/false",
    "GIT_NO_LAZY_FETCH": "1",
}
# Settings of the user's own environment that choose credentials or trust, never a repository.
_KEPT_ENV = frozenset(
    {
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
        "GIT_SSL_CAINFO",
        "GIT_SSL_CAPATH",
    }
)
_NETWORK = frozenset({"clone", "fetch", "ls-remote"})
_DIFF = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
# A dirty submodule is found by a git process inside it, under the submodule's own configuration.
_OPTIONS: dict[str, tuple[str, ...]] = {
    "diff": _DIFF,
    "diff-files": _DIFF,
    "diff-index": _DIFF,
    "diff-tree": _DIFF,
    "log": _DIFF,
    "show": _DIFF,
    "status": ("--ignore-submodules=dirty",),
    "clone": ("--upload-pack=git-upload-pack",),
    "fetch": ("--upload-pack=git-upload-pack", "--no-recurse-submodules"),
    "ls-remote": ("--upload-pack=git-upload-pack",),
}
_CANARY = "homeport.canary"

Watch = Callable[[Callable[[], None]], Callable[[], None]]
"""Is given what ends git, to call it on request; gives back what takes it off again."""


class GitError(HomeportError):
    """git refused or failed; the message is git's own last complaint, `said` all of its words."""

    said: str = ""


class Git:
    """git in the folder `root`: a working tree's top, or any folder for calls without one.

    `trusted` means that the folder is homeport's own, so that the credential helpers of its
    configuration (thus the user's) may answer; in any other folder no helper is asked.
    """

    def __init__(self, root: str | Path, *, trusted: bool = False) -> None:
        self.root = Path(root).absolute()
        self._trusted = trusted

    def run(
        self,
        *args: str,
        input: bytes | None = None,  # noqa: A002 - subprocess's own word
        env: Mapping[str, str] = {},
        timeout: float = 60.0,
        config: bool = True,
        watch: Watch | None = None,
    ) -> bytes:
        """Standard output of `git ARGS`; raises `GitError`, or `MissingError` without git.

        `timeout` is in seconds. `config` False leaves out the overrides that need the list of the
        configuration (filters): right for calls that read no file of the working tree. By `watch`
        a call that takes long can be ended.
        """
        code, out, err = self._call(args, input, env, timeout, config, watch=watch)
        if code != 0:
            raise _failure(args, err, code)
        return out

    def try_run(
        self,
        *args: str,
        input: bytes | None = None,  # noqa: A002 - subprocess's own word
        env: Mapping[str, str] = {},
        timeout: float = 60.0,
        config: bool = True,
    ) -> bytes | None:
        """As `run`, but None where git fails; without git, or out of time, it raises."""
        code, out, _ = self._call(args, input, env, timeout, config)
        return out if code == 0 else None

    @cached_property
    def config(self) -> Mapping[str, tuple[str, ...]]:
        """Every configured value in force, by key (section and name in lower case), in order."""
        code, out, err = _spawn(
            ["git", "--no-pager", "config", "-z", "--list"],
            self.root,
            self._environment({}, "config", {_CANARY: "1"}),
            None,
            60.0,
        )
        if code != 0:
            raise _failure(("config",), err, code)
        found: dict[str, tuple[str, ...]] = {}
        for entry in out.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            key, _, value = entry.partition("\n")
            found[key] = (*found.get(key, ()), value)
        if found.pop(_CANARY, None) is None:
            raise MissingError.of(
                "this git is too old to be used safely on a repository",
                code="git-too-old",
                hint="install git 2.31 or newer",
            )
        return found

    def _call(
        self,
        args: tuple[str, ...],
        stdin: bytes | None,
        env: Mapping[str, str],
        timeout: float,
        config: bool,
        *,
        watch: Watch | None = None,
    ) -> tuple[int, bytes, bytes]:
        command = args[0]
        settings = _CONFIG if self._trusted else (*_CONFIG, "credential.helper=")
        argv = ["git", "--no-pager", "--no-optional-locks"]
        for setting in settings:
            argv += ("-c", setting)
        argv += (command, *_OPTIONS.get(command, ()), *args[1:])
        overrides = _overrides(self.config) if config and command != "clone" else {}
        environment = self._environment(env, command, overrides)
        return _spawn(argv, self.root, environment, stdin, timeout, watch=watch)

    def _environment(
        self, extra: Mapping[str, str], command: str, overrides: Mapping[str, str]
    ) -> dict[str, str]:
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("GIT_") or key in _KEPT_ENV
        }
        env.update(_SAFE_ENV)
        env.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
        env["GIT_ALLOW_PROTOCOL"] = "https:http:ssh:file" if command in _NETWORK else "none"
        if "GIT_DIR" not in extra and (self.root / ".git").exists():
            # core.worktree of a hostile repository could name any folder of the machine.
            env["GIT_WORK_TREE"] = str(self.root)
        # Not by -c: a filter's name may hold "=".
        env["GIT_CONFIG_COUNT"] = str(len(overrides))
        for index, (key, value) in enumerate(overrides.items()):
            env[f"GIT_CONFIG_KEY_{index}"] = key
            env[f"GIT_CONFIG_VALUE_{index}"] = value
        env.update(extra)
        return env


def find_root(start: str | Path) -> Path | None:
    """The top of the working tree that holds `start`, or None outside any.

    A `.git` file (worktree, submodule) counts as a folder does; no process is started.
    """
    here = Path(start).resolve()
    for folder in (here, *here.parents):
        mark = folder / ".git"
        try:
            if mark.is_dir():
                if (mark / "HEAD").exists() or (mark / "HEAD").is_symlink():
                    return folder
            elif mark.is_file():
                with mark.open("rb") as file:
                    if file.read(8) == b"gitdir: ":
                        return folder
        except OSError:
            continue
    return None


def _overrides(config: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Settings that disarm each command that the configuration gives a name to."""
    overrides: dict[str, str] = {}
    for key in config:
        section, _, rest = key.partition(".")
        name, _, _ = rest.rpartition(".")
        if not name:
            continue
        if section == "filter":
            for word in ("clean", "smudge", "process"):
                overrides[f"filter.{name}.{word}"] = ""
            overrides[f"filter.{name}.required"] = "false"
        elif section == "hook":
            overrides[f"hook.{name}.enabled"] = "false"
    return overrides


def _spawn(
    argv: list[str],
    cwd: Path,
    env: dict[str, str],
    stdin: bytes | None,
    timeout: float,
    *,
    watch: Watch | None = None,
) -> tuple[int, bytes, bytes]:
    try:
        # A session of its own has no terminal, so nothing git starts can ask a question there.
        process: subprocess.Popen[bytes] = subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        if not cwd.is_dir():
            raise GitError.of(f"{cwd} is not a folder that can be read", code="git") from error
        raise MissingError.of(
            "git is not installed", code="git-missing", hint="install git and put it on PATH"
        ) from error
    unwatch = None if watch is None else watch(lambda: _end(process.pid))
    try:
        out, err = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired as error:
        _end(process.pid)
        raise GitError.of(
            f"git did not answer within {timeout:g} seconds", code="git-timeout"
        ) from error
    except BaseException:
        _end(process.pid)
        raise
    finally:
        if unwatch is not None:
            unwatch()
        if process.returncode is None:
            process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            _close(pipe)
    return process.returncode, out, err


def _end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is None:
        return
    try:
        pipe.close()
    except BrokenPipeError:
        return


def _failure(args: tuple[str, ...], err: bytes, code: int) -> GitError:
    said = _without_userinfo(err.decode("utf-8", "replace"))
    error = GitError.of(_complaint(args, err, code), code="git")
    if "dubious ownership" in said:
        # git-config(1), safe.directory: only the user's own configuration can say so.
        remedy = "the repository is another user's; if you trust it, tell git so: git config"
        hint = f"{remedy} --global --add safe.directory FOLDER"
        problem = structs.replace(error.problems[0], code="git-ownership", hint=hint)
        error = GitError([problem], ExitCode.ENVIRONMENT)
    error.said = said
    return error


def _complaint(args: tuple[str, ...], err: bytes, code: int) -> str:
    lines = [line.strip() for line in err.decode("utf-8", "replace").splitlines() if line.strip()]
    named = [line for line in lines if line.startswith(("fatal:", "error:"))]
    last = (named or lines or [f"exit status {code}"])[-1]
    return f"git {args[0]}: {_without_userinfo(last)}"


def _without_userinfo(text: str) -> str:
    # Userinfo of a URL is a credential more often than a name.
    return re.sub(r"://[^/\s'\"]*@", "://", text)
