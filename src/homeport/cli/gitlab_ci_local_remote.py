"""`--remote-variables URL=FILE=REF`: a file of variables in another repository, read with git."""

import os
import subprocess
import tempfile
from collections.abc import Mapping

from homeport.errors import MissingError, UsageError

_LIMIT = 60.0
_MAX_SIZE = 1024 * 1024


def read_remote(text: str, env: Mapping[str, str]) -> tuple[str, bytes]:
    """The file's name for people, and its content. The user named it on the command line, so git
    runs with the user's own configuration, keys and helpers; it never asks."""
    url, _, rest = text.partition("=")
    file, _, ref = rest.partition("=")
    if not (url and file and ref) or text.startswith("-") or ref.startswith("-"):
        raise UsageError.of(
            "--remote-variables: not of the form URL=FILE=REF",
            code="gitlab-ci-local",
            hint="git@gitlab.com:group/project.git=variables.yml=main",
        )
    with tempfile.TemporaryDirectory(prefix="homeport-variables-") as folder:
        _git(folder, env, "init", "-q", "--bare", ".", what=file)
        _git(folder, env, "fetch", "-q", "--depth=1", "--no-tags", url, ref, what=file)
        content = _git(folder, env, "cat-file", "blob", f"FETCH_HEAD:{file}", what=file)
    if len(content) > _MAX_SIZE:
        raise UsageError.of(f"{file} is larger than {_MAX_SIZE} bytes", code="file-too-big")
    return f"{file} of --remote-variables", content


def _git(folder: str, env: Mapping[str, str], *words: str, what: str) -> bytes:
    own = {key: value for key, value in env.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=folder,
            env={"PATH": os.defpath, **own, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_LIMIT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(what, "git does not answer") from error
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        # The last line says how to check one's rights; an address may hold a password.
        said = next((line for line in lines if line.startswith(("fatal:", "error:"))), "")
        raise _failed(what, said if "://" not in said else "git cannot read the repository")
    return done.stdout


def _failed(what: str, reason: str) -> MissingError:
    return MissingError.of(
        f"--remote-variables: {what} was not read: {reason or 'git failed'}",
        code="remote-variables",
        hint="git must be able to fetch it without questions",
    )
